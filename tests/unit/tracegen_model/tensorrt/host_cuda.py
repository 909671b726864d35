"""CUDA's runtime in the host's memory, and graphs run by ONNX Runtime there: what a GPU would do, without one.

Work is done when somebody waits for it and not before; what is recorded is not done; memory holds NaN until it is
written. So a copy that is read too early, a buffer that is overwritten too soon or an address that is not bound shows
in the numbers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import COMBINATION, MOST_TERMS
from tracegen_model.runtime.engines.tensorrt.cuda_memory import ALIGNMENT, DeviceTensor, aligned

Work = Callable[[], None]
NOT_WRITTEN = 0xFF
"""Every byte of new memory: NaN in float32."""


class Errors(IntEnum):
    """CUDA's codes, those that are used."""

    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorIllegalAddress = 700


class HostCuda:
    """Stands in for ``cuda.bindings.runtime``.

    Attributes:
        memory_limit: Bytes of the GPU.
        failing: Code that a function returns from now on, by the function's name.
        graphs: Number of recordings.
        launches: Number of their starts.
    """

    cudaError_t = Errors
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0

    def __init__(self, memory_limit: int = 10**9) -> None:
        self.memory_limit = memory_limit
        self.failing: dict[str, Errors] = {}
        self.graphs = self.launches = 0
        self._device: dict[int, Any] = {}
        self._pinned: dict[int, Any] = {}
        self._streams: set[int] = set()
        self._executables: set[int] = set()
        self._queued: list[Work] = []
        self._captured: list[Work] | None = None
        self._last_handle = 0

    @property
    def is_empty(self) -> bool:
        """Whether everything that was asked for has been given back."""
        return not (self._device or self._pinned or self._streams or self._executables)

    def queue(self, work: Work) -> None:
        """Do ``work`` when somebody waits, or record it."""
        (self._queued if self._captured is None else self._captured).append(work)

    def array(self, tensor: DeviceTensor) -> np.ndarray:
        """The numbers of a tensor, which must lie in memory that was given out."""
        inside = any(
            start <= tensor.address and tensor.address + tensor.nbytes <= start + block.nbytes
            for start, block in self._device.items()
        )
        assert inside, f"{tensor} is not in the GPU's memory"
        assert tensor.address % ALIGNMENT == 0
        memory = (ctypes.c_char * tensor.nbytes).from_address(tensor.address)
        return np.frombuffer(memory, tensor.dtype).reshape(tensor.shape)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("cuda") and name in object.__getattribute__(self, "failing"):
            code = object.__getattribute__(self, "failing")[name]
            return lambda *_: (code, None)
        return object.__getattribute__(self, name)

    def cudaGetErrorString(self, code: Errors) -> tuple[Errors, bytes]:
        return Errors.cudaSuccess, f"text of {int(code)}".encode()

    def cudaMemGetInfo(self) -> tuple[Errors, int, int]:
        return Errors.cudaSuccess, self.memory_limit - self._used(), self.memory_limit

    def cudaSetDevice(self, device: int) -> tuple[Errors]:
        return (Errors.cudaSuccess if device == 0 else Errors.cudaErrorNoDevice,)

    def cudaMalloc(self, size: int) -> tuple[Errors, int | None]:
        if self._used() + size > self.memory_limit:
            return Errors.cudaErrorMemoryAllocation, None
        return Errors.cudaSuccess, _allocate(size, self._device, NOT_WRITTEN)

    def cudaFree(self, address: int) -> tuple[Errors]:
        del self._device[address]
        return (Errors.cudaSuccess,)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Errors, int]:
        assert flags == self.cudaHostAllocDefault
        return Errors.cudaSuccess, _allocate(size, self._pinned, NOT_WRITTEN)

    def cudaFreeHost(self, address: int) -> tuple[Errors]:
        del self._pinned[address]
        return (Errors.cudaSuccess,)

    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: int, stream: int) -> tuple[Errors]:
        device, host = (target, source) if kind == 1 else (source, target)
        for address, blocks in ((device, self._device), (host, self._pinned)):
            assert any(
                start <= address and address + size <= start + block.nbytes for start, block in blocks.items()
            ), "a copy leaves its memory"
        assert stream in self._streams
        self.queue(lambda: ctypes.memmove(target, source, size))
        return (Errors.cudaSuccess,)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Errors, int]:
        assert flags == self.cudaStreamNonBlocking
        return Errors.cudaSuccess, self._handle(self._streams)

    def cudaStreamSynchronize(self, stream: int) -> tuple[Errors]:
        assert self._captured is None, "CUDA does not wait while it records"
        queued, self._queued = self._queued, []
        for work in queued:
            work()
        return (Errors.cudaSuccess,)

    def cudaStreamDestroy(self, stream: int) -> tuple[Errors]:
        self._streams.remove(stream)
        return (Errors.cudaSuccess,)

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[Errors]:
        assert self._captured is None
        self._captured = []
        return (Errors.cudaSuccess,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[Errors, list[Work] | None]:
        captured, self._captured = self._captured, None
        return Errors.cudaSuccess, captured

    def cudaGraphInstantiate(self, graph: list[Work], flags: int) -> tuple[Errors, Any]:
        self.graphs += 1
        return Errors.cudaSuccess, (self._handle(self._executables), list(graph))

    def cudaGraphDestroy(self, graph: list[Work]) -> tuple[Errors]:
        graph.clear()
        return (Errors.cudaSuccess,)

    def cudaGraphLaunch(self, executable: Any, stream: int) -> tuple[Errors]:
        self.launches += 1
        for work in executable[1]:
            self.queue(work)
        return (Errors.cudaSuccess,)

    def cudaGraphExecDestroy(self, executable: Any) -> tuple[Errors]:
        self._executables.remove(executable[0])
        return (Errors.cudaSuccess,)

    def _used(self) -> int:
        return sum(block.nbytes for block in self._device.values())

    def _handle(self, alive: set[int]) -> int:
        self._last_handle += 1
        alive.add(self._last_handle)
        return self._last_handle


def _allocate(size: int, blocks: dict[int, Any], fill: int) -> int:
    whole = np.full(aligned(size) + ALIGNMENT, fill, np.uint8)
    start = -whole.ctypes.data % ALIGNMENT
    block = whole[start : start + size]
    blocks[block.ctypes.data] = block
    return int(block.ctypes.data)


class HostEngine:
    """Stands in for a loaded engine: the same graph, by ONNX Runtime, on the stand-in's memory."""

    def __init__(self, cuda: HostCuda, graph: Path, samples: int) -> None:
        self.name = graph.stem
        self.runs = 0
        self._cuda = cuda
        self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        free = {"samples": samples, "times": 1}

        def described(entries: list[Any]) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
            kinds = {
                "tensor(float)": np.float32,
                "tensor(uint8)": np.uint8,
                "tensor(int64)": np.int64,
                "tensor(bool)": np.bool_,
            }
            return {
                entry.name: (
                    tuple(free.get(size, size) for size in entry.shape),
                    np.dtype(kinds[entry.type]),
                )
                for entry in entries
            }

        self.inputs = described(self._session.get_inputs())
        self.outputs = described(self._session.get_outputs())

    def can_be_captured(self, stream: Any) -> bool:
        return True

    def keep_kernels(self) -> None:
        """Nothing was compiled."""

    def queue(self, stream: Any, tensors: Mapping[str, DeviceTensor]) -> None:
        bound = {name: tensors[name] for name in (*self.inputs, *self.outputs)}
        for name, (shape, dtype) in (self.inputs | self.outputs).items():
            assert (bound[name].shape, bound[name].dtype) == (shape, dtype), name
        self._cuda.queue(lambda: self._run(bound))

    def _run(self, bound: Mapping[str, DeviceTensor]) -> None:
        self.runs += 1
        made = self._session.run(
            list(self.outputs), {name: self._cuda.array(bound[name]) for name in self.inputs}
        )
        for name, value in zip(self.outputs, made, strict=True):
            self._cuda.array(bound[name])[...] = value


class HostCombination(HostEngine):
    """Stands in for the engine that adds up tensors."""

    def __init__(self, cuda: HostCuda, shape: tuple[int, ...]) -> None:
        self.name = COMBINATION
        self._cuda = cuda
        single = np.dtype(np.float32)
        ones = (1,) * (len(shape) - 1)
        terms = {f"term_{index}": (shape, single) for index in range(MOST_TERMS)}
        self.inputs = {"factors": ((MOST_TERMS, *ones), single), **terms}
        self.outputs = {"sum": (shape, single)}

    def _run(self, bound: Mapping[str, DeviceTensor]) -> None:
        assert all(bound["sum"].address != bound[name].address for name in self.inputs)
        factors = self._cuda.array(bound["factors"])
        terms = [self._cuda.array(bound[f"term_{index}"]) for index in range(MOST_TERMS)]
        self._cuda.array(bound["sum"])[...] = sum(
            term * factor for term, factor in zip(terms, factors, strict=True)
        )


class HostLoader:
    """Stands in for the loader of engines; takes graphs in ONNX for engines."""

    def __init__(self, cuda: HostCuda, state_shape: tuple[int, ...]) -> None:
        self._cuda, self._shape = cuda, state_shape
        self.engines: dict[str, HostEngine] = {}

    def load(self, path: Path) -> HostEngine:
        if path.name == COMBINATION:
            return HostCombination(self._cuda, self._shape)
        self.engines[path.name] = HostEngine(self._cuda, path, self._shape[0])
        return self.engines[path.name]

    def share_memory(self, memory: Any) -> None:
        """ONNX Runtime brings its own."""

    def close(self) -> None:
        """Nothing is held."""
