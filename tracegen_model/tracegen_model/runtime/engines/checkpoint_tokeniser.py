"""The tokeniser of a checkpoint of the published network."""

from __future__ import annotations

from pathlib import Path

from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.encoder_weights import TOKENISER_FILE, EncoderWeightsError
from tracegen_model.network.tracegen.tokeniser import HashedWords, T5Tokeniser, Tokeniser


def checkpoint_tokeniser(folder: Path, config: CheckpointConfig, network: TraceGenConfig) -> Tokeniser:
    """The tokeniser that was exported with the graphs in ``folder``; none was where words are hashed.

    Raises:
        CheckpointError: It is missing or damaged.
    """
    if TOKENISER_FILE not in config.sha256:
        return HashedWords(network.text_length, network.t5.vocabulary)
    try:
        return T5Tokeniser(config.verify_file(folder, TOKENISER_FILE), network.text_length)
    except EncoderWeightsError as error:
        raise CheckpointError(str(error)) from error
