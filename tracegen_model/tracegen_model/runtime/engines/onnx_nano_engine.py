"""ONNX Runtime for the nano network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import CheckpointError
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.graph_files import CONDITION, CONDITION_ENCODER_FILE, QUERY_POINTS
from tracegen_model.network.nano.text_tokens import word_ids
from tracegen_model.runtime.engines.engine import EngineCondition, EngineRequest
from tracegen_model.runtime.engines.onnx_checkpoint import OnnxCheckpoint
from tracegen_model.runtime.engines.onnx_engine import OnnxEngine
from tracegen_model.runtime.engines.onnx_session import read_array


class OnnxNanoEngine(OnnxEngine):
    """Runs the graphs of ``network/nano/graph_files.py``.

    Args:
        request: Which checkpoint, and how.
        checkpoint: Opens its graphs.

    Raises:
        CheckpointError: A graph is missing, damaged, or not of the sizes that the config says.
    """

    def __init__(self, request: EngineRequest, checkpoint: OnnxCheckpoint) -> None:
        network = request.config.network
        if not isinstance(network, NanoConfig):
            raise CheckpointError(
                f"{request.folder}: expected a network of the architecture nano, found {request.config.architecture}"
            )
        super().__init__(request, checkpoint)
        self._network = network
        side = network.image_side
        self._encoder = checkpoint.open(
            CONDITION_ENCODER_FILE,
            colour=(1, side, side, 3),
            depth=(1, side, side),
            words=(1, network.text_length),
        )

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        words = word_ids(instruction, self._network.text_length, self._network.vocabulary)
        found = self._encoder.run({"colour": colour[None], "depth": depth[None], "words": words[None]})
        return EngineCondition({name: found[name] for name in CONDITION}, read_array(found[QUERY_POINTS])[0])

    def _at_time(self, time: float) -> dict[str, NDArray[np.float32]]:
        return {"time": np.array([time], np.float32)}
