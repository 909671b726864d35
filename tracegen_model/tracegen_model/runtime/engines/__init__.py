"""What runs the network: ONNX Runtime, PyTorch, TensorRT, behind one small interface."""

from tracegen_model.runtime.engines.engine import (
    BEST_PRECISION,
    Engine,
    EngineCondition,
    EngineDescription,
    EngineError,
    EngineKind,
    EngineRequest,
    EngineUnavailable,
)
from tracegen_model.runtime.engines.registry import (
    BEST_ENGINE,
    ENGINES,
    LoadedEngine,
    load_engine,
)

__all__ = [
    "BEST_ENGINE",
    "BEST_PRECISION",
    "ENGINES",
    "Engine",
    "EngineCondition",
    "EngineDescription",
    "EngineError",
    "EngineKind",
    "EngineRequest",
    "EngineUnavailable",
    "LoadedEngine",
    "load_engine",
]
