"""Checkpoints of tiny networks with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tracegen_model.network.checkpoint import save_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.networks import build_network
from tracegen_model.network.presets import NetworkConfig, architecture_of
from tracegen_model.network.tracegen.encoder_weights import EncoderSource

SCALES = {"nano": (0.01, 0.02, 0.005), "tracegen": (0.05, 0.05, 0.04)}
ENCODERS = EncoderSource(random=True, seed=3)


def save_tiny_checkpoint(
    folder: Path,
    sizes: NetworkConfig,
    /,
    noise: float = 0.0,
    with_encoders: bool = True,
    encoders: Mapping[str, str] | None = None,
    **settings: Any,
) -> Path:
    """Write a checkpoint to ``folder``, and return that.

    Args:
        folder: Where to.
        sizes: Of the network.
        noise: How much is added to the weights: new networks have zeros and ones that hide mistakes.
        with_encoders: Whether it holds the frozen encoders, where the network has any.
        encoders: Digests of further encoders.
        settings: What else its config says; the number of ``sampler_steps`` at least.
    """
    torch.manual_seed(0)
    network = build_network(sizes, ENCODERS)
    if noise:
        for parameter in network.parameters():
            parameter.data += noise * torch.randn_like(parameter)
    config = CheckpointConfig(
        name="tiny",
        preset="tiny",
        network=sizes,
        increment_scale=SCALES[architecture_of(sizes)],
        encoders={**network.encoder_digests(), **(encoders or {})},
        **settings,
    )
    frozen = network.frozen_parameters() if with_encoders else None
    save_checkpoint(folder, config, network.trained_tensors(), frozen or None)
    return folder
