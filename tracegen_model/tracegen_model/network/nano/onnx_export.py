"""Writes a checkpoint's network as two ONNX graphs, and checks them against torch.

``condition_encoder``: colour (1, side, side, 3) uint8, depth (1, side, side) float32 [m], words (1, L) int64
    -> trace, tokens, modulation (the conditioning), query_points (1, 3, 3) u, v, z of object, zone and hand.
``sampler``: state (1, points, horizon, 3), time (1,), next_time (1,), trace, tokens, modulation -> next_state,
    one Euler step of the flow in normalised increments.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import (
    CONDITION_ENCODER_FILE,
    SAMPLER_FILE,
    WEIGHTS_FILE,
    CheckpointConfig,
    CheckpointError,
    file_digest,
)
from tracegen_model.network.flow import euler_step
from tracegen_model.network.nano.conditioning import SUPERVISED_POINTS, Conditioning
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen, colour_from_bytes
from tracegen_model.network.onnx_graphs import check_graph, write_graph

CONDITION_INPUTS = ("colour", "depth", "words")
CONDITION_OUTPUTS = ("trace", "tokens", "modulation", "query_points")
SAMPLER_INPUTS = ("state", "time", "next_time", "trace", "tokens", "modulation")
SAMPLER_OUTPUTS = ("next_state",)


class ConditionEncoderGraph(nn.Module):
    """The part of the network that runs once per image and sentence, from raw bytes."""

    def __init__(self, network: NanoTraceGen) -> None:
        super().__init__()
        self.network = network

    def forward(self, colour: Tensor, depth: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See the module's docstring."""
        condition, points = self.network.find_points(colour_from_bytes(colour), depth, words)
        found = points.uvz[:, : len(SUPERVISED_POINTS)]
        return condition.trace, condition.tokens, condition.modulation, found


class SamplerGraph(nn.Module):
    """The part of the network that runs once per Euler step."""

    def __init__(self, network: NanoTraceGen) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        state: Tensor,
        time: Tensor,
        next_time: Tensor,
        trace: Tensor,
        tokens: Tensor,
        modulation: Tensor,
    ) -> Tensor:
        """See the module's docstring."""
        clean = self.network(state, time, Conditioning(trace, tokens, modulation))
        return euler_step(state, clean, time.view(-1, 1, 1, 1), next_time.view(-1, 1, 1, 1))


def export_checkpoint(folder: Path) -> CheckpointConfig:
    """Write the ONNX graphs of the checkpoint in ``folder`` beside its tensors; returns the config with their digests.

    Raises:
        CheckpointError: The checkpoint is damaged.
        ExportError: A graph differs from torch by more than the tolerance.
    """
    config, network = load_checkpoint(folder)
    if not isinstance(network, NanoTraceGen):
        raise CheckpointError(
            f"{folder}: expected a network of the architecture nano, found {config.architecture}"
        )
    inputs = _example_inputs(network.config)
    with torch.no_grad():
        encoder = ConditionEncoderGraph(network).eval()
        condition = encoder(*inputs)
        write_graph(encoder, inputs, folder / CONDITION_ENCODER_FILE, CONDITION_INPUTS, CONDITION_OUTPUTS)
        sampler = SamplerGraph(network).eval()
        state = torch.randn(
            1, network.config.points, network.config.horizon, 3, generator=torch.Generator().manual_seed(0)
        )
        steps = (state, torch.tensor([0.25]), torch.tensor([0.5]), *condition[:3])
        write_graph(sampler, steps, folder / SAMPLER_FILE, SAMPLER_INPUTS, SAMPLER_OUTPUTS)
        check_graph(folder / CONDITION_ENCODER_FILE, CONDITION_INPUTS, inputs, condition)
        check_graph(folder / SAMPLER_FILE, SAMPLER_INPUTS, steps, (sampler(*steps),))
    digests = {
        name: file_digest(folder / name) for name in (WEIGHTS_FILE, CONDITION_ENCODER_FILE, SAMPLER_FILE)
    }
    config = dataclasses.replace(config, sha256=digests)
    config.save(folder)
    return config


def _example_inputs(network: NanoConfig) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(0)
    side = network.image_side
    words = np.zeros((1, network.text_length), np.int64)
    words[0, :9] = rng.integers(1, network.vocabulary, min(9, network.text_length))
    depth = rng.uniform(0.5, 1.5, (1, side, side)).astype(np.float32)
    depth[:, : side // 4] = 0.0
    colour = rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    return torch.from_numpy(colour), torch.from_numpy(depth), torch.from_numpy(words)
