"""An image and a sentence as the arrays that a network's graphs take in, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.nano.text_tokens import word_ids
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.tokeniser import PADDING_ID
from tracegen_model.runtime.engines.checkpoint_tokeniser import checkpoint_tokeniser

Arrays = dict[str, NDArray[Any]]
"""Arrays by the name of the tensor, with an axis of length 1 in front where the tensor has one."""


def image_inputs(colour: NDArray[np.uint8], depth: NDArray[np.float32]) -> Arrays:
    """Tensors made of (side, side, 3) colour and (side, side) depth; a network takes those that it knows."""
    return {"colour": colour[None], "depth": depth[None], "depth_known": np.array([True])}


def sentence_inputs(folder: Path, config: CheckpointConfig) -> Callable[[str], Arrays]:
    """What turns a sentence into the tensors that the network in ``folder`` makes of it.

    Raises:
        CheckpointError: The checkpoint's tokeniser is missing or damaged.
    """
    network = config.network
    if not isinstance(network, TraceGenConfig):

        def words(instruction: str) -> Arrays:
            return {"words": word_ids(instruction, network.text_length, network.vocabulary)[None]}

        return words
    tokeniser = checkpoint_tokeniser(folder, config, network)

    def tokens(instruction: str) -> Arrays:
        ids = tokeniser([instruction])
        return {"token_ids": ids, "token_mask": (ids != PADDING_ID).astype(np.int64)}

    return tokens
