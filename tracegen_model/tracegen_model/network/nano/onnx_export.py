"""Writes a checkpoint's network as two ONNX graphs, and checks them against torch.

``condition_encoder``: colour (1, side, side, 3) uint8, depth (1, side, side) float32 [m], words (1, L) int64
    -> trace, tokens, modulation (the conditioning), query_points (1, 3, 3) u, v, z of object, zone and hand.
``sampler``: state (1, points, horizon, 3), time (1,), next_time (1,), trace, tokens, modulation -> next_state,
    one Euler step of the flow in normalised increments.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
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

logger = logging.getLogger(__name__)

OPSET = 17
"""ONNX operator set: old enough for the TensorRT releases in use, new enough for LayerNormalization."""

TOLERANCE = 1e-4
"""Largest difference between torch and ONNX Runtime, relative to the outputs' largest magnitude."""

CONDITION_INPUTS = ("colour", "depth", "words")
CONDITION_OUTPUTS = ("trace", "tokens", "modulation", "query_points")
SAMPLER_INPUTS = ("state", "time", "next_time", "trace", "tokens", "modulation")
SAMPLER_OUTPUTS = ("next_state",)


class ExportError(RuntimeError):
    """An exported graph does not compute what torch computes."""


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
            f"{folder}: only networks of the architecture nano can be exported so far, this is {config.architecture}"
        )
    inputs = _example_inputs(network.config)
    with torch.no_grad():
        encoder = ConditionEncoderGraph(network).eval()
        condition = encoder(*inputs)
        _export(encoder, inputs, folder / CONDITION_ENCODER_FILE, CONDITION_INPUTS, CONDITION_OUTPUTS)
        sampler = SamplerGraph(network).eval()
        state = torch.randn(
            1, network.config.points, network.config.horizon, 3, generator=torch.Generator().manual_seed(0)
        )
        steps = (state, torch.tensor([0.25]), torch.tensor([0.5]), *condition[:3])
        _export(sampler, steps, folder / SAMPLER_FILE, SAMPLER_INPUTS, SAMPLER_OUTPUTS)
        _check(folder / CONDITION_ENCODER_FILE, CONDITION_INPUTS, inputs, condition)
        _check(folder / SAMPLER_FILE, SAMPLER_INPUTS, steps, (sampler(*steps),))
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


def _export(
    graph: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
) -> None:
    with warnings.catch_warnings():
        # The exporter that traces is deprecated, but needs no extra package and writes plain, fixed-size graphs.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            inputs,
            str(path),
            input_names=list(input_names),
            output_names=list(output_names),
            opset_version=OPSET,
            dynamo=False,
        )


def _check(
    path: Path, names: tuple[str, ...], inputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
    for output, found, wanted in zip(session.get_outputs(), session.run(None, given), expected, strict=True):
        error = float(np.abs(found - wanted.numpy()).max() / max(1.0, float(wanted.abs().max())))
        logger.info("%s %s: differs from torch by %.1e", path.name, output.name, error)
        if not error <= TOLERANCE:
            raise ExportError(
                f"{path}: {output.name} differs from torch by {error:.1e}, more than {TOLERANCE:.0e}"
            )
