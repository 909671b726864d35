"""The tensors of a checkpoint: safetensors, loaded strictly, never a pickle."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors
import safetensors.torch
from torch import Tensor, nn

from tracegen_model.atomic_write import replacing
from tracegen_model.network.checkpoint_config import (
    CONFIG_FILE,
    ENCODERS_FILE,
    WEIGHTS_FILE,
    CheckpointConfig,
    CheckpointError,
    file_digest,
)
from tracegen_model.network.networks import build_network
from tracegen_model.network.tensor_mismatches import tensor_mismatches
from tracegen_model.network.trace_network import TraceNetwork

if TYPE_CHECKING:
    from tracegen_model.network.tracegen.encoder_weights import EncoderSource

logger = logging.getLogger(__name__)


def save_checkpoint(
    folder: Path,
    config: CheckpointConfig,
    weights: Mapping[str, Tensor],
    frozen: Mapping[str, Tensor] | None = None,
) -> CheckpointConfig:
    """Write a checkpoint to ``folder``; returns the config with the files' digests.

    Args:
        folder: Made when missing.
        config: What the checkpoint is.
        weights: Trained tensors.
        frozen: Pretrained tensors that the network would otherwise fetch from their own sources; None = leave them out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {WEIGHTS_FILE: weights} if frozen is None else {WEIGHTS_FILE: weights, ENCODERS_FILE: frozen}
    for name, tensors in files.items():
        save_tensors(folder / name, tensors)
    config = dataclasses.replace(config, sha256={name: file_digest(folder / name) for name in files})
    config.save(folder)
    return config


def load_checkpoint(
    folder: Path, encoders: EncoderSource | None = None
) -> tuple[CheckpointConfig, TraceNetwork]:
    """Config and network (in evaluation mode) of the checkpoint in ``folder``.

    Args:
        folder: The checkpoint.
        encoders: Where pretrained encoders come from. What it does not say comes from the checkpoint itself where it
            holds encoders, else from the names that its config gives.

    Raises:
        CheckpointError: A file is missing or damaged, tensors do not fit, or the encoders are not those that the
            weights were trained beside.
        EncoderWeightsError: Pretrained weights cannot be found.
    """
    config = CheckpointConfig.load(folder)
    tensors = load_tensors(config.verify_file(folder, WEIGHTS_FILE))
    network = build_network(config.network, _encoders(config, folder, encoders))
    load_strictly(network, {**network.frozen_parameters(), **tensors}, folder / CONFIG_FILE)
    _require_encoders(network, config, folder, by_choice=encoders is not None and encoders.random)
    return config, network.eval()


def _encoders(config: CheckpointConfig, folder: Path, given: EncoderSource | None) -> EncoderSource | None:
    """The encoders that the checkpoint itself holds, unless others are ``given``; beside them, a tokeniser may be."""
    if ENCODERS_FILE not in config.sha256 or (given and (given.random or given.dinov3 or given.siglip)):
        return given
    from tracegen_model.network.tracegen.encoder_weights import HASHED_WORDS, EncoderSource

    source = given or EncoderSource()
    return dataclasses.replace(
        source,
        stored=config.verify_file(folder, ENCODERS_FILE),
        hashed_words=source.hashed_words or config.encoders.get("tokeniser") == HASHED_WORDS,
    )


def _require_encoders(network: TraceNetwork, config: CheckpointConfig, folder: Path, by_choice: bool) -> None:
    """Raise CheckpointError unless ``network`` has the encoders that the weights were trained beside."""
    if not config.encoders:
        return
    found = network.encoder_digests()
    others = sorted(name for name, digest in config.encoders.items() if found.get(name) != digest)
    if not others:
        return
    message = f"{folder} was trained beside another {', '.join(others)} than the one that was loaded"
    if not by_choice:
        raise CheckpointError(
            f"{message}; name the right ones (--encoders, in training the settings "
            "encoders.dinov3, encoders.siglip and encoders.t5)"
        )
    logger.warning("%s; its predictions mean nothing", message)


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write ``tensors`` to ``path`` at once: a reader sees the old file or the new one, never half of it."""
    with replacing(path) as part:
        safetensors.torch.save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part
        )
        part.chmod(0o644)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; raises CheckpointError when it is damaged."""
    try:
        return dict(safetensors.torch.load_file(path))
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error


def load_strictly(network: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Load ``tensors``; raises CheckpointError that lists every missing, unexpected and mis-shaped one."""
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    mismatches = tensor_mismatches(expected, {name: tensor.shape for name, tensor in tensors.items()})
    if mismatches:
        raise CheckpointError(f"the tensors do not fit the network that {source} describes; {mismatches}")
    network.load_state_dict(dict(tensors))
