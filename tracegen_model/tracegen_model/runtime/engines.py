"""The engines there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.runtime.engine import Engine


def _onnx_runtime(folder: Path, config: CheckpointConfig, threads: int) -> Engine:
    if isinstance(config.network, TraceGenConfig):
        from tracegen_model.runtime.onnx_tracegen_engine import OnnxTracegenEngine

        return OnnxTracegenEngine(folder, config, threads)
    from tracegen_model.runtime.onnx_engine import OnnxEngine

    return OnnxEngine(folder, config, threads)


def _torch(folder: Path, config: CheckpointConfig, threads: int) -> Engine:
    try:
        from tracegen_model.runtime.torch_engine import TorchEngine
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"engine torch needs the package {error.name}: pip install 'tracegen-model[train]'"
        ) from error
    return TorchEngine(folder, config, threads)


ENGINES: dict[str, Callable[[Path, CheckpointConfig, int], Engine]] = {
    "onnxruntime": _onnx_runtime,
    "torch": _torch,
}
"""Engines by name; each imports its own library only when it is asked for."""


def load_engine(name: str, folder: Path, config: CheckpointConfig, threads: int) -> Engine:
    """The engine called ``name``; raises CheckpointError when there is none, or when the files do not suit it."""
    if name not in ENGINES:
        raise CheckpointError(f"no engine {name!r}; there is {', '.join(sorted(ENGINES))}")
    return ENGINES[name](folder, config, threads)
