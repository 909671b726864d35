"""ONNX Runtime for the nano network."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import VELOCITY_FILE, CheckpointError
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.graph_files import CONDITION, CONDITION_ENCODER_FILE, QUERY_POINTS
from tracegen_model.network.nano.text_tokens import word_ids
from tracegen_model.runtime.engines.engine import EngineCondition, EngineDescription, EngineRequest
from tracegen_model.runtime.engines.onnx_session import open_graph


class OnnxNanoEngine:
    """Runs ``condition_encoder.onnx`` and ``velocity.onnx`` of a checkpoint.

    Args:
        request: Which checkpoint, and how.

    Raises:
        CheckpointError: A graph is missing, damaged, or not of the sizes that the config says.
    """

    def __init__(self, request: EngineRequest) -> None:
        folder, config, threads = request.folder, request.config, request.threads
        if not isinstance(config.network, NanoConfig):
            raise CheckpointError(
                f"{folder}: expected a network of the architecture nano, found {config.architecture}"
            )
        self._network = network = config.network
        side = network.image_side
        self._encoder = open_graph(
            folder,
            config,
            CONDITION_ENCODER_FILE,
            threads,
            {"colour": (1, side, side, 3), "depth": (1, side, side), "words": (1, network.text_length)},
        )
        self._velocity = open_graph(
            folder,
            config,
            VELOCITY_FILE,
            threads,
            {"state": ("samples", network.points, network.horizon, 3), "time": (1,)},
        )
        self._threads = threads

    @property
    def description(self) -> EngineDescription:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        version = f"ONNX Runtime {onnxruntime.__version__}"
        return EngineDescription("onnxruntime", f"CPU, threads: {self._threads}", "float32", version)

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        words = word_ids(instruction, self._network.text_length, self._network.vocabulary)
        outputs = self._encoder.run(
            [*CONDITION, QUERY_POINTS],
            {"colour": colour[None], "depth": depth[None], "words": words[None]},
        )
        return EngineCondition(dict(zip(CONDITION, outputs[:3], strict=True)), outputs[3][0])

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""

        def velocity(state: NDArray[np.float32], time: float) -> NDArray[np.float32]:
            given = {"state": state, "time": np.array([time], np.float32), **condition.inputs}
            return np.asarray(self._velocity.run(None, given)[0])

        return np.asarray(plan.integrate(velocity, state), np.float32)

    def close(self) -> None:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
