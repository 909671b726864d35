"""ONNX Runtime for the nano network."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import (
    CONDITION_ENCODER_FILE,
    SAMPLER_FILE,
    CheckpointError,
)
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.text_tokens import word_ids
from tracegen_model.runtime.engines.engine import EngineCondition, EngineDescription, EngineRequest
from tracegen_model.runtime.engines.onnx_session import open_graph

CONDITION_ARRAYS = ("trace", "tokens", "modulation")


class OnnxNanoEngine:
    """Runs ``condition_encoder.onnx`` and ``sampler.onnx`` of a checkpoint.

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
        self._sampler = open_graph(
            folder, config, SAMPLER_FILE, threads, {"state": (1, network.points, network.horizon, 3)}
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
            [*CONDITION_ARRAYS, "query_points"],
            {"colour": colour[None], "depth": depth[None], "words": words[None]},
        )
        return EngineCondition(dict(zip(CONDITION_ARRAYS, outputs[:3], strict=True)), outputs[3][0])

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""

        def velocity(state: NDArray[np.float32], time: float) -> NDArray[np.float32]:
            return np.stack([self._step(sample, time, condition) - sample for sample in state])

        return np.asarray(plan.integrate(velocity, state), np.float32)

    def close(self) -> None:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""

    def _step(
        self, state: NDArray[np.float32], time: float, condition: EngineCondition
    ) -> NDArray[np.float32]:
        """``state`` (points, horizon, 3) and the velocity at ``time`` added up: a step of length 1."""
        given = {
            "state": state[None],
            "time": np.array([time], np.float32),
            "next_time": np.array([time + 1.0], np.float32),
            **condition.inputs,
        }
        return np.asarray(self._sampler.run(["next_state"], given)[0][0])
