"""The engines on PyTorch: as it is, and compiled. Asking what a machine has does not import PyTorch."""

from __future__ import annotations

import importlib.util
import os
import shutil

from tracegen_model.runtime.engines.engine import Engine, EngineKind, EngineRequest
from tracegen_model.runtime.engines.nvidia_driver import why_no_gpu

EAGER, COMPILED = "torch", "torch-compiled"
"""Names of the engines."""

CPP_COMPILERS = ("g++", "clang++")
"""What PyTorch compiles code for CPUs with, unless the variable CXX names another."""

PRECISIONS = ("float32", "tf32", "bfloat16")


def _why_no_torch() -> str | None:
    if importlib.util.find_spec("torch") is None:
        return "needs the package torch: pip install 'tracegen-model[train]'"
    return None


def _why_not_compiled() -> str | None:
    reason = _why_no_torch()
    if reason is not None:
        return reason
    if why_no_gpu() is None and importlib.util.find_spec("triton") is None:
        return "needs the package triton to compile for a GPU: pip install triton"
    compilers = (os.environ["CXX"],) if os.environ.get("CXX") else CPP_COMPILERS
    if not any(shutil.which(compiler) for compiler in compilers):
        return f"needs a C++ compiler, found none of {', '.join(compilers)}: apt install g++"
    return None


def _why_compiled_is_not_best() -> str | None:
    if why_no_gpu() is not None:
        return "is slower on a CPU than onnxruntime, and compiles for a minute before it starts; ask for it by name"
    return None


def _why_no_precision(precision: str) -> str | None:
    if precision == "tf32":
        return why_no_gpu()
    return None


def _load_eager(request: EngineRequest) -> Engine:
    from tracegen_model.runtime.engines.torch_engine import TorchEngine

    return TorchEngine(request)


def _load_compiled(request: EngineRequest) -> Engine:
    from tracegen_model.runtime.engines.torch_engine import CompiledTorchEngine

    return CompiledTorchEngine(request)


TORCH = EngineKind(EAGER, PRECISIONS, _why_no_torch, _load_eager, why_no_precision=_why_no_precision)
TORCH_COMPILED = EngineKind(
    COMPILED,
    PRECISIONS,
    _why_not_compiled,
    _load_compiled,
    why_not_best=_why_compiled_is_not_best,
    why_no_precision=_why_no_precision,
)
