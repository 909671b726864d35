"""The full-size network with random weights: what it computes means nothing, and takes as long as if it did."""

from __future__ import annotations

from pathlib import Path

import torch

from tracegen_model.cli import main as command_line
from tracegen_model.network.checkpoint import save_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.networks import build_network
from tracegen_model.network.presets import PRESETS
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.encoder_weights import EncoderSource

INCREMENT_SCALE = (0.05, 0.05, 0.04)
"""Of the published checkpoint."""

STEPS = 8
"""Sampler steps that the checkpoint recommends."""


def write_random_base(folder: Path, network: TraceGenConfig | None = None) -> None:
    """Write a checkpoint of the preset ``base``, or of the sizes ``network``, with its graphs.

    Raises:
        RuntimeError: It could not be exported; the command has said why.
    """
    sizes = network or PRESETS["base"]
    assert isinstance(sizes, TraceGenConfig)
    torch.manual_seed(0)
    built = build_network(sizes, EncoderSource(random=True, seed=0))
    config = CheckpointConfig(
        name="random_base",
        preset="base",
        network=sizes,
        increment_scale=INCREMENT_SCALE,
        sampler_steps=STEPS,
        encoders=built.encoder_digests(),
    )
    save_checkpoint(folder, config, built.trained_tensors(), built.frozen_parameters())
    if command_line(["export", str(folder)]):
        raise RuntimeError(f"tracegen export {folder} failed")
