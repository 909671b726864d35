"""ONNX Runtime for the published network; see ``network/tracegen/graph_files.py`` for its graphs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import (
    VELOCITY_FILE,
    CheckpointConfig,
    CheckpointError,
)
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.encoder_weights import TOKENISER_FILE, EncoderWeightsError
from tracegen_model.network.tracegen.graph_files import (
    CONDITION_FILE,
    MODULATION_FILE,
    TEXT_ENCODER_FILE,
    VISION_ENCODER_FILE,
)
from tracegen_model.network.tracegen.tokeniser import PADDING_ID, HashedWords, T5Tokeniser, Tokeniser
from tracegen_model.runtime.engines.engine import EngineCondition, EngineDescription, EngineRequest
from tracegen_model.runtime.engines.onnx_session import open_graph

REMEMBERED_SENTENCES = 64
"""Sentences whose tokens are kept; 0.4 MB each at the published size."""

REMEMBERED_TIMES = 256
"""Times whose modulation is kept; 0.2 MB each at the published size."""


class OnnxTracegenEngine:
    """Runs the graphs of a checkpoint of the published network; sentences and times are encoded once and remembered.

    Args:
        request: Which checkpoint, and how.

    Raises:
        CheckpointError: A graph or its weights are missing, damaged, or not of the sizes that the config says; the
            tokeniser cannot be read; or the checkpoint is of another architecture.
    """

    def __init__(self, request: EngineRequest) -> None:
        folder, config, threads = request.folder, request.config, request.threads
        network = config.network
        if not isinstance(network, TraceGenConfig):
            raise CheckpointError(
                f"{folder}: expected a network of the architecture tracegen, found {config.architecture}"
            )
        side, tokens = network.image_side, network.condition_width

        def opened(name: str, **inputs: tuple[int | str, ...]) -> onnxruntime.InferenceSession:
            return open_graph(folder, config, name, threads, inputs)

        self._vision = opened(VISION_ENCODER_FILE, colour=(1, side, side, 3), depth=(1, side, side))
        self._text = opened(TEXT_ENCODER_FILE, token_ids=(1, network.text_length))
        self._condition = opened(
            CONDITION_FILE,
            image_tokens=(1, network.image_tokens, tokens),
            text_tokens=(1, network.text_length, tokens),
        )
        self._modulation = opened(MODULATION_FILE, time=("times",))
        self._velocity = opened(
            VELOCITY_FILE,
            state=("samples", network.points, network.horizon, 3),
            condition=(1, network.condition_length, network.width),
        )
        self._tokeniser = _tokeniser(folder, config, network)
        self._text_tokens = lru_cache(REMEMBERED_SENTENCES)(self._encode)
        self._modulation_at = lru_cache(REMEMBERED_TIMES)(self._modulate)

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
        given = {"colour": colour[None], "depth": depth[None], "depth_known": np.array([True])}
        (image_tokens,) = self._vision.run(None, given)
        both = {"image_tokens": image_tokens, "text_tokens": self._text_tokens(instruction)}
        return EngineCondition(self._condition.run(None, both)[0])

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""

        def velocity(state: NDArray[np.float32], time: float) -> NDArray[np.float32]:
            given = {
                "state": state,
                "modulation": self._modulation_at(time),
                "condition": condition.inputs,
            }
            return np.asarray(self._velocity.run(None, given)[0])

        return np.asarray(plan.integrate(velocity, state), np.float32)

    def close(self) -> None:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""

    def _encode(self, instruction: str) -> NDArray[np.float32]:
        ids = self._tokeniser([instruction])
        given = {"token_ids": ids, "token_mask": (ids != PADDING_ID).astype(np.int64)}
        return np.asarray(self._text.run(None, given)[0])

    def _modulate(self, time: float) -> NDArray[np.float32]:
        return np.asarray(self._modulation.run(None, {"time": np.array([time], np.float32)})[0])


def _tokeniser(folder: Path, config: CheckpointConfig, network: TraceGenConfig) -> Tokeniser:
    """The tokeniser that was exported with the graphs; none was where words are hashed."""
    if TOKENISER_FILE not in config.sha256:
        return HashedWords(network.text_length, network.t5.vocabulary)
    try:
        return T5Tokeniser(config.verify_file(folder, TOKENISER_FILE), network.text_length)
    except EncoderWeightsError as error:
        raise CheckpointError(str(error)) from error
