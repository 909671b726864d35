"""ONNX Runtime for the published network; see ``network/tracegen/graph_files.py`` for its graphs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import CheckpointError
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.graph_files import (
    CONDITION_FILE,
    MODULATION_FILE,
    TEXT_ENCODER_FILE,
    VISION_ENCODER_FILE,
)
from tracegen_model.network.tracegen.tokeniser import PADDING_ID
from tracegen_model.runtime.engines.checkpoint_tokeniser import checkpoint_tokeniser
from tracegen_model.runtime.engines.engine import REMEMBERED_SENTENCES, EngineCondition, EngineRequest
from tracegen_model.runtime.engines.onnx_checkpoint import OnnxCheckpoint
from tracegen_model.runtime.engines.onnx_engine import OnnxEngine

REMEMBERED_TIMES = 256
"""Times whose modulation is kept; 0.2 MB each at the published size."""


class OnnxTracegenEngine(OnnxEngine):
    """Sentences and times are encoded once and remembered.

    Args:
        request: Which checkpoint, and how.
        checkpoint: Opens its graphs.

    Raises:
        CheckpointError: A graph or its weights are missing, damaged, or not of the sizes that the config says; or the
            tokeniser cannot be read.
    """

    def __init__(self, request: EngineRequest, checkpoint: OnnxCheckpoint) -> None:
        network = request.config.network
        if not isinstance(network, TraceGenConfig):
            raise CheckpointError(
                f"{request.folder}: expected a network of the architecture tracegen, found "
                f"{request.config.architecture}"
            )
        super().__init__(request, checkpoint)
        side, tokens = network.image_side, network.condition_width
        self._vision = checkpoint.open(VISION_ENCODER_FILE, colour=(1, side, side, 3), depth=(1, side, side))
        self._text = checkpoint.open(TEXT_ENCODER_FILE, token_ids=(1, network.text_length))
        self._condition = checkpoint.open(
            CONDITION_FILE,
            image_tokens=(1, network.image_tokens, tokens),
            text_tokens=(1, network.text_length, tokens),
        )
        self._modulation = checkpoint.open(MODULATION_FILE, time=("times",))
        self._tokeniser = checkpoint_tokeniser(request.folder, request.config, network)
        self._text_tokens = lru_cache(REMEMBERED_SENTENCES)(self._encode)
        self._modulation_at = lru_cache(REMEMBERED_TIMES)(self._modulate)

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        image = {"colour": colour[None], "depth": depth[None], "depth_known": np.array([True])}
        both = {**self._vision.run(image), **self._text_tokens(instruction)}
        return EngineCondition(self._condition.run(both))

    def _at_time(self, time: float) -> Mapping[str, Any]:
        return self._modulation_at(time)

    def _encode(self, instruction: str) -> Mapping[str, Any]:
        ids = self._tokeniser([instruction])
        return self._text.run({"token_ids": ids, "token_mask": (ids != PADDING_ID).astype(np.int64)})

    def _modulate(self, time: float) -> Mapping[str, Any]:
        return self._modulation.run({"time": np.array([time], np.float32)})
