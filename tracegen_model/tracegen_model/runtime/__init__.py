"""From observation and instruction to traces, without torch."""

from tracegen_model.network.checkpoint_config import CheckpointError
from tracegen_model.runtime.checkpoints import find_checkpoint, shipped_checkpoints
from tracegen_model.runtime.errors import InstructionError, ObservationError
from tracegen_model.runtime.predictor import TracePrediction, TracePredictor

__all__ = [
    "CheckpointError",
    "InstructionError",
    "ObservationError",
    "TracePrediction",
    "TracePredictor",
    "find_checkpoint",
    "shipped_checkpoints",
]
