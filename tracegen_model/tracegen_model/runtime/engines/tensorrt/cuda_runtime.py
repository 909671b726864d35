"""NVIDIA's CUDA runtime, every return code checked. All work goes to the first GPU that CUDA shows.

``CUDA_VISIBLE_DEVICES`` chooses another one.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from tracegen_model.runtime.engines.engine import EngineError, EngineUnavailable
from tracegen_model.runtime.engines.tensorrt.targets import Gpu

BINDINGS = "cuda.bindings"
"""NVIDIA's Python package for CUDA."""

DEVICE = 0
"""The GPU that is used."""

CUDA_MAJOR, CUDA_MINOR = 1000, 10
"""What CUDA counts its major and minor versions in."""


class CudaError(EngineError):
    """A call of CUDA failed, or work that was queued earlier; the GPU may be lost to this process.

    Attributes:
        code: CUDA's name of the error, such as cudaErrorMemoryAllocation.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def cuda_is_installed() -> bool:
    """Whether Python finds NVIDIA's package."""
    return importlib.util.find_spec("cuda") is not None and importlib.util.find_spec(BINDINGS) is not None


def cuda_library() -> Any:
    """``cuda.bindings.runtime``; raises EngineUnavailable where it is not installed."""
    try:
        return importlib.import_module(f"{BINDINGS}.runtime")
    except (ImportError, RuntimeError) as error:
        raise EngineUnavailable(
            f"needs NVIDIA's CUDA for Python: pip install cuda-bindings ({error})"
        ) from error


def call(library: Any, name: str, *arguments: Any) -> Any:
    """Call function ``name`` of the CUDA runtime; returns what it returns beside its code: nothing, or one value.

    Raises:
        CudaError: The call failed; the message says which, why, and how much memory is free where that matters.
    """
    code, *results = getattr(library, name)(*arguments)
    if code != library.cudaError_t.cudaSuccess:
        raise CudaError(f"{_reason(library, code)} (in {name})", code.name)
    return results[0] if results else None


def use_device(library: Any) -> None:
    """Have this thread's calls go to the GPU that is used."""
    call(library, "cudaSetDevice", DEVICE)


def _reason(library: Any, code: Any) -> str:
    _, text = library.cudaGetErrorString(code)
    reason = f"the GPU failed: {text.decode()}, {code.name}"
    if code == library.cudaError_t.cudaErrorMemoryAllocation:
        memory_code, *memory = library.cudaMemGetInfo()
        if memory_code == library.cudaError_t.cudaSuccess:
            free, total = memory
            reason = f"the GPU is out of memory: {free / 1e9:.2f} of {total / 1e9:.2f} GB free"
    return reason


def find_gpu() -> Gpu:
    """The GPU that is used; raises EngineUnavailable saying what is missing."""
    library = cuda_library()
    code, count = library.cudaGetDeviceCount()
    errors = library.cudaError_t
    if code == errors.cudaErrorInsufficientDriver:
        found = call(library, "cudaDriverGetVersion")
        newest = f"the driver runs up to CUDA {version_name(found)}" if found else "there is no NVIDIA driver"
        needed = (
            call(library, "cudaRuntimeGetVersion") // CUDA_MAJOR
        )  # Minor versions get along with each other.
        raise EngineUnavailable(f"needs an NVIDIA driver for CUDA {needed}.0 or newer: {newest}")
    if code == errors.cudaErrorNoDevice or (code == errors.cudaSuccess and count == 0):
        raise EngineUnavailable(
            "needs an NVIDIA GPU: the driver shows none to this process (nvidia-smi and CUDA_VISIBLE_DEVICES tell)"
        )
    if code != errors.cudaSuccess:
        raise EngineUnavailable(f"needs an NVIDIA GPU that works: {_reason(library, code)}")
    properties = call(library, "cudaGetDeviceProperties", DEVICE)
    return Gpu(
        name=properties.name.decode().rstrip("\0"),
        compute_capability=f"{properties.major}.{properties.minor}",
        driver=version_name(call(library, "cudaDriverGetVersion")),
    )


def version_name(number: int) -> str:
    """ "13.0" from 13000, as CUDA counts its versions."""
    return f"{number // CUDA_MAJOR}.{number % CUDA_MAJOR // CUDA_MINOR}"
