"""Memory of the GPU, and memory of the host that the GPU reads by itself. Allocated once, when an engine is made."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tracegen_model.runtime.engines.tensorrt.cuda_runtime import CudaError, call

ALIGNMENT = 256
"""Bytes; TensorRT wants addresses of tensors to be multiples of it (``IExecutionContext.set_tensor_address``)."""


def aligned(size: int) -> int:
    """``size`` [bytes], rounded up to the alignment."""
    return math.ceil(size / ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class DeviceTensor:
    """A tensor in the GPU's memory.

    Attributes:
        address: Of its first number, in the GPU's memory.
        shape: Sizes of its axes.
        dtype: Type of its numbers.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Bytes that its numbers take."""
        return math.prod(self.shape) * self.dtype.itemsize


class DeviceMemory:
    """Blocks of the GPU's memory that live until ``close``.

    Args:
        cuda: The CUDA runtime.
    """

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._blocks: list[int] = []

    def allocate(self, size: int) -> int:
        """Address of ``size`` new bytes [at least one]; raises CudaError when there are not so many."""
        address = int(call(self._cuda, "cudaMalloc", max(1, size)))
        self._blocks.append(address)
        return address

    def tensor(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceTensor:
        """A new tensor; what is in it is not defined."""
        kind = np.dtype(dtype)
        return DeviceTensor(self.allocate(math.prod(shape) * kind.itemsize), shape, kind)

    def tensors(self, count: int, shape: tuple[int, ...], dtype: DTypeLike) -> list[DeviceTensor]:
        """``count`` new tensors of one kind, in one block."""
        kind = np.dtype(dtype)
        stride = aligned(math.prod(shape) * kind.itemsize)
        first = self.allocate(count * stride)
        return [DeviceTensor(first + index * stride, shape, kind) for index in range(count)]

    def close(self) -> None:
        """Free everything; a GPU that is lost has freed it already."""
        while self._blocks:
            _free(self._cuda, "cudaFree", self._blocks.pop())


class PinnedArrays:
    """Arrays of the host, by name, that copies to and from the GPU need not wait for.

    Args:
        cuda: The CUDA runtime.
        like: Tensors of the GPU that they are copied to or from.

    Attributes:
        arrays: The arrays, zero at first.
    """

    def __init__(self, cuda: Any, like: Mapping[str, DeviceTensor]) -> None:
        self._cuda = cuda
        self._addresses: list[int] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        try:
            for name, tensor in like.items():
                self.arrays[name] = self._allocate(tensor)
        except CudaError:
            self.close()
            raise

    def close(self) -> None:
        """Free everything; the arrays must not be used afterwards."""
        self.arrays.clear()
        while self._addresses:
            _free(self._cuda, "cudaFreeHost", self._addresses.pop())

    def _allocate(self, like: DeviceTensor) -> NDArray[Any]:
        size = max(1, like.nbytes)
        address = int(call(self._cuda, "cudaHostAlloc", size, self._cuda.cudaHostAllocDefault))
        self._addresses.append(address)
        memory = (ctypes.c_char * size).from_address(address)
        array = np.frombuffer(memory, like.dtype, math.prod(like.shape)).reshape(like.shape)
        array[...] = 0
        return array


def _free(cuda: Any, name: str, address: int) -> None:
    try:
        call(cuda, name, address)
    except CudaError:
        # A GPU that failed reports that failure from every later call. There is nothing left to free.
        return
