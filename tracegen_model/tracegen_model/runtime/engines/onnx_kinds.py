"""The engines on ONNX Runtime: on the CPU, on CUDA, and through its own use of TensorRT.

Asking what a machine has imports ONNX Runtime only where nothing cheaper says no.
"""

from __future__ import annotations

import ctypes
import importlib.util
from functools import partial

from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.runtime.engines.accuracy_record import AccuracyRecord
from tracegen_model.runtime.engines.engine import BEST_PRECISION, Engine, EngineKind, EngineRequest
from tracegen_model.runtime.engines.nvidia_driver import why_no_gpu
from tracegen_model.runtime.engines.quantised_graphs import QuantisedGraphs
from tracegen_model.runtime.engines.warm_up import warm_up

CPU, CUDA, TENSORRT = "onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt"
"""Names of the engines."""

PROVIDERS = {
    CPU: "CPUExecutionProvider",
    CUDA: "CUDAExecutionProvider",
    TENSORRT: "TensorrtExecutionProvider",
}
"""What ONNX Runtime calls them."""

PRECISIONS = {
    CPU: ("float32", "int8"),
    CUDA: ("float32", "tf32"),
    TENSORRT: ("float32", "bfloat16", "float16"),
}
"""What they compute in, the default first."""

TENSORRT_LIBRARY = "libnvinfer.so.10"
"""TensorRT as ONNX Runtime's provider looks for it."""


def _why_no_onnx_runtime() -> str | None:
    if importlib.util.find_spec("onnxruntime") is None:
        return "needs the package onnxruntime: pip install onnxruntime"
    return None


def _why_no_provider(name: str) -> str | None:
    reason = _why_no_onnx_runtime() or why_no_gpu()
    if reason is not None:
        return reason
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if PROVIDERS[name] not in available:
        return (
            f"needs an ONNX Runtime with {PROVIDERS[name]}, this one has {', '.join(available)}: "
            "pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'"
        )
    return None


def _why_no_tensorrt() -> str | None:
    reason = _why_no_provider(TENSORRT)
    if reason is not None:
        return reason
    try:
        ctypes.CDLL(TENSORRT_LIBRARY)
    except OSError as error:
        return f"needs TensorRT's library, which was not found ({error}): install TensorRT 10 of NVIDIA"
    return None


def _load(name: str, request: EngineRequest) -> Engine:
    from tracegen_model.runtime.engines.onnx_checkpoint import OnnxCheckpoint
    from tracegen_model.runtime.engines.onnx_nano_engine import OnnxNanoEngine
    from tracegen_model.runtime.engines.onnx_tracegen_engine import OnnxTracegenEngine

    checkpoint = OnnxCheckpoint(request, name, _precision(name, request))
    published = isinstance(request.config.network, TraceGenConfig)
    engine = (OnnxTracegenEngine if published else OnnxNanoEngine)(request, checkpoint)
    if name != CPU:
        warm_up(engine, request)
    return engine


def _precision(name: str, request: EngineRequest) -> str:
    if request.precision != BEST_PRECISION:
        return request.precision
    default = PRECISIONS[name][0]
    if name != CPU or not QuantisedGraphs(request.config).exist():
        return default
    return AccuracyRecord(request.config).best(name, library_version(), ("int8",), default)


def library_version() -> str:
    """ONNX Runtime's name and version, for people and records."""
    import onnxruntime

    return f"ONNX Runtime {onnxruntime.__version__}"


ONNX_RUNTIME = EngineKind(CPU, PRECISIONS[CPU], _why_no_onnx_runtime, partial(_load, CPU))
ONNX_RUNTIME_CUDA = EngineKind(CUDA, PRECISIONS[CUDA], partial(_why_no_provider, CUDA), partial(_load, CUDA))
ONNX_RUNTIME_TENSORRT = EngineKind(TENSORRT, PRECISIONS[TENSORRT], _why_no_tensorrt, partial(_load, TENSORRT))
