"""ONNX Runtime: on the CPU, or on CUDA where the installed runtime has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
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

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""Where to run, best first."""

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
                f"{folder}: the architecture {config.architecture} has no ONNX graphs yet; use engine torch"
            )
        self._network = network = config.network
        side = network.image_side
        self._encoder = self._open(folder, config, CONDITION_ENCODER_FILE, threads)
        self._sampler = self._open(folder, config, SAMPLER_FILE, threads)
        self._require(
            folder / CONDITION_ENCODER_FILE,
            self._encoder,
            {"colour": (1, side, side, 3), "depth": (1, side, side), "words": (1, network.text_length)},
        )
        self._require(
            folder / SAMPLER_FILE, self._sampler, {"state": (1, network.points, network.horizon, 3)}
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

    @staticmethod
    def _open(
        folder: Path, config: CheckpointConfig, name: str, threads: int
    ) -> onnxruntime.InferenceSession:
        path = config.verify_file(folder, name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Waiting threads must not spin: the simulator and the other nodes share these cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        available = onnxruntime.get_available_providers()
        try:
            return onnxruntime.InferenceSession(
                str(path), options, providers=[name for name in PROVIDERS if name in available]
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class of its own.
            raise CheckpointError(f"{path} is not a graph that ONNX Runtime can run: {error}") from error

    @staticmethod
    def _require(
        path: Path, session: onnxruntime.InferenceSession, expected: dict[str, tuple[int, ...]]
    ) -> None:
        found = {entry.name: tuple(entry.shape) for entry in session.get_inputs()}
        for name, shape in expected.items():
            if found.get(name) != shape:
                raise CheckpointError(
                    f"{path}: input {name} should be {shape} by config.json, found {found.get(name)}; export it again"
                )
