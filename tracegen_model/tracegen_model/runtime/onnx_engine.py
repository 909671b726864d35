"""ONNX Runtime for the nano network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import (
    CONDITION_ENCODER_FILE,
    SAMPLER_FILE,
    CheckpointConfig,
    CheckpointError,
)
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.text_tokens import word_ids
from tracegen_model.runtime.engine import EngineCondition
from tracegen_model.runtime.onnx_session import open_graph

CONDITION_ARRAYS = ("trace", "tokens", "modulation")


class OnnxEngine:
    """Runs ``condition_encoder.onnx`` and ``sampler.onnx`` of a checkpoint.

    Args:
        folder: The checkpoint.
        config: Its config.
        threads: Threads of each graph.

    Raises:
        CheckpointError: A graph is missing, damaged, or not of the sizes that the config says.
    """

    def __init__(self, folder: Path, config: CheckpointConfig, threads: int) -> None:
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

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engine.Engine`."""
        words = word_ids(instruction, self._network.text_length, self._network.vocabulary)
        outputs = self._encoder.run(
            [*CONDITION_ARRAYS, "query_points"],
            {"colour": colour[None], "depth": depth[None], "words": words[None]},
        )
        return EngineCondition(dict(zip(CONDITION_ARRAYS, outputs[:3], strict=True)), outputs[3][0])

    def step(
        self, state: NDArray[np.float32], time: float, next_time: float, condition: EngineCondition
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engine.Engine`."""
        given = {
            "state": state[None],
            "time": np.array([time], np.float32),
            "next_time": np.array([next_time], np.float32),
            **condition.inputs,
        }
        return np.asarray(self._sampler.run(["next_state"], given)[0][0])
