"""Writes a checkpoint of the published network as ONNX graphs, and checks them against torch.

``graph_files`` says which graphs there are and what their tensors are. What is the same at every step is computed
before the sampler: positions are constants, the conditioning is projected by ``condition.onnx``, the modulation of a
time comes from ``modulation.onnx``; the unrolled sampler holds the modulation of its times. Colour and depth go through
the one SigLIP tower together, as a batch of two.
"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError, file_digest
from tracegen_model.network.flow_times import shifted_times
from tracegen_model.network.onnx_graphs import check_graph, move_weights_out, write_graph
from tracegen_model.network.tracegen.bundle import BUNDLE_FILE, write_bundle
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.encoder_weights import HASHED_WORDS, TOKENISER_FILE, EncoderSource
from tracegen_model.network.tracegen.graph_files import (
    CONDITION_FILE,
    INPUTS,
    MODULATION_FILE,
    OUTPUTS,
    STEP_FILE,
    TEXT_ENCODER_FILE,
    UNROLLED_OUTPUT,
    VISION_ENCODER_FILE,
    unrolled_file,
    weights_file,
)
from tracegen_model.network.tracegen.siglip import COLOUR_HALF_RANGE, COLOUR_MIDDLE
from tracegen_model.network.tracegen.tokeniser import PADDING_ID, T5Tokeniser
from tracegen_model.network.tracegen.trace_transformer import TraceTransformer
from tracegen_model.network.tracegen.tracegen import TraceGen
from tracegen_model.network.unrolled_sampler import unroll

logger = logging.getLogger(__name__)

COLOUR_STEPS = 255.0
"""Largest value of a colour image's bytes."""

EXAMPLE_SENTENCE = "put the red block in the green zone"
"""What the text encoder is traced and checked with."""

EXAMPLE_SAMPLES = 2
"""Samples that the sampler is traced and checked with; any other number works too."""

DYNAMIC_AXES: dict[str, dict[str, dict[int, str]]] = {
    MODULATION_FILE: {"time": {0: "times"}, "modulation": {0: "times"}},
    STEP_FILE: {"state": {0: "samples"}, "next_state": {0: "samples"}},
}
"""Axes whose size may vary, by graph, tensor and axis."""


class VisionEncoderGraph(nn.Module):
    """Raw colour and depth to conditioning tokens."""

    def __init__(self, network: TraceGen) -> None:
        super().__init__()
        self.network = network

    def forward(self, colour: Tensor, depth: Tensor, depth_known: Tensor) -> Tensor:
        """(1, image_tokens, condition_width) of (1, side, side, 3) uint8, (1, side, side) and (1,) bool."""
        network = self.network
        image = colour.permute(0, 3, 1, 2).float() / COLOUR_STEPS
        as_colour = network.depth.stem(depth[:, None])
        both = network.siglip.encode(torch.cat([(image - COLOUR_MIDDLE) / COLOUR_HALF_RANGE, as_colour]))
        of_colour, of_depth = both[:1], network.depth.norm(both[1:])
        of_depth = torch.where(depth_known.view(-1, 1, 1), of_depth, network.depth_mask_token)
        parts = [network.dinov3(network.dinov3.features(image)), network.siglip(of_colour), of_depth]
        return torch.as_tensor(network.fusion(torch.cat(parts, dim=-1)))


class TextEncoderGraph(nn.Module):
    """Word pieces to conditioning tokens."""

    def __init__(self, network: TraceGen) -> None:
        super().__init__()
        self.text = network.t5

    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """(1, text_length, condition_width) of ids and mask (1, text_length) int64."""
        encoded = self.text.tower(input_ids=token_ids, attention_mask=token_mask)
        return torch.as_tensor(self.text.norm(encoded.last_hidden_state))


class ConditionGraph(nn.Module):
    """Conditioning tokens as the transformer takes them in."""

    def __init__(self, network: TraceGen) -> None:
        super().__init__()
        self.transformer = network.transformer

    def forward(self, image_tokens: Tensor, text_tokens: Tensor) -> Tensor:
        """(1, condition_length, width)."""
        return self.transformer.project_condition(torch.cat([image_tokens, text_tokens], dim=1))


class ModulationGraph(nn.Module):
    """Times of the flow to the transformer's modulation."""

    def __init__(self, network: TraceGen) -> None:
        super().__init__()
        self.network = network

    def forward(self, time: Tensor) -> Tensor:
        """(T, rows, width) of times (T,) from 0 (noise) to 1 (data)."""
        return self.network.transformer.modulation(self.network.labels(time))


class StepGraph(nn.Module):
    """One Euler step of K samples under one condition."""

    def __init__(self, network: TraceGen) -> None:
        super().__init__()
        self.transformer: TraceTransformer = network.transformer

    def forward(self, state: Tensor, modulation: Tensor, step_length: Tensor, condition: Tensor) -> Tensor:
        """(K, points, horizon, 3); modulation, step_length and condition are those of a single sample."""
        condition = condition.expand(state.shape[0], -1, -1)
        velocity = -self.transformer(state, modulation, condition)
        return state + step_length.view(1, 1, 1, 1) * velocity


GRAPHS: dict[str, type[nn.Module]] = {
    VISION_ENCODER_FILE: VisionEncoderGraph,
    TEXT_ENCODER_FILE: TextEncoderGraph,
    CONDITION_FILE: ConditionGraph,
    MODULATION_FILE: ModulationGraph,
    STEP_FILE: StepGraph,
}
"""What each graph computes."""


@torch.no_grad()
def export_tracegen(folder: Path, encoders: EncoderSource | None = None) -> CheckpointConfig:
    """Write the graphs of the checkpoint in ``folder`` beside its tensors; returns the config with all digests.

    The folder changes only after every graph has been checked. All steps of the unrolled sampler are checked, which
    takes as long as two predictions.

    Args:
        folder: The checkpoint.
        encoders: Where its pretrained encoders come from; None = where the checkpoint says.

    Raises:
        CheckpointError: The checkpoint is damaged, or of another architecture.
        EncoderWeightsError: Pretrained weights cannot be found.
        ExportError: A graph differs from torch by more than the tolerance.
    """
    config, network = load_checkpoint(folder, encoders)
    if not isinstance(network, TraceGen):
        raise CheckpointError(
            f"{folder}: expected a network of the architecture tracegen, found {config.architecture}"
        )
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as name:
        work = Path(name)
        graphs = _write_graphs(work, config, network)
        tokeniser = _write_tokeniser(work, network)
        files = sorted(path.name for path in work.iterdir())
        write_bundle(work, config, network.config, graphs, files, tokeniser)
        digests = {name: file_digest(work / name) for name in [*files, BUNDLE_FILE]}
        stale = {path.name for path in folder.glob(unrolled_file("*"))} - set(digests)
        for name in stale:
            (folder / name).unlink()
        for name in digests:
            (work / name).replace(folder / name)
    kept = {name: digest for name, digest in config.sha256.items() if name not in stale | {TOKENISER_FILE}}
    config = dataclasses.replace(config, sha256={**kept, **digests})
    config.save(folder)
    return config


def _write_graphs(work: Path, config: CheckpointConfig, network: TraceGen) -> list[str]:
    """Write and check all graphs; their names."""
    found = _examples(network)
    for name, kind in GRAPHS.items():
        graph = kind(network).eval()
        inputs = [found[entry] for entry in INPUTS[name]]
        output = found[OUTPUTS[name]] = graph(*inputs)
        axes = DYNAMIC_AXES.get(name, {})
        write_graph(graph, inputs, work / name, INPUTS[name], [OUTPUTS[name]], axes)
        varying = axes.get(OUTPUTS[name], {})
        shape = [varying.get(axis, size) for axis, size in enumerate(output.shape)]
        move_weights_out(work / name, weights_file(name), {OUTPUTS[name]: shape})
        check_graph(work / name, INPUTS[name], inputs, [output])
    unrolled = unrolled_file(config.sampler_steps)
    _write_unrolled(work / unrolled, config, network, found)
    return [*GRAPHS, unrolled]


def _write_unrolled(
    path: Path, config: CheckpointConfig, network: TraceGen, found: Mapping[str, Tensor]
) -> None:
    times = shifted_times(config.sampler_steps, network.config.time_shift)
    modulation = ModulationGraph(network)(torch.tensor(times[:-1], dtype=torch.float32))
    lengths = torch.tensor(np.diff(times), dtype=torch.float32)
    steps = list(zip(modulation.split(1), lengths.split(1), strict=True))
    constants = [{"modulation": m.numpy(), "step_length": length.numpy()} for m, length in steps]
    unroll(path.with_name(STEP_FILE), path, ("state", OUTPUTS[STEP_FILE]), constants, UNROLLED_OUTPUT)
    first = found["state"][:1]
    state = first
    # Not the graph of a step again: the network's own velocity, as every other user of it takes it.
    condition = network.condition_from_tokens(torch.cat([found["image_tokens"], found["text_tokens"]], dim=1))
    for now, after in pairwise(times):
        velocity = network.velocity(state, torch.tensor([now], dtype=torch.float32), condition)
        state = state + float(after - now) * velocity
    check_graph(path, ["state", "condition"], [first, found["condition"]], [state])


def _write_tokeniser(work: Path, network: TraceGen) -> str:
    """Store the tokeniser where it is a file; the file's name, else the name of the rule."""
    tokeniser = network.t5.tokeniser
    if not isinstance(tokeniser, T5Tokeniser):
        return HASHED_WORDS
    tokeniser.save(work)
    return TOKENISER_FILE


def _examples(network: TraceGen) -> dict[str, Tensor]:
    """Inputs to trace and check with, by name: an image with holes in its depth, a sentence, noise."""
    sizes: TraceGenConfig = network.config
    rng = np.random.default_rng(0)
    side = sizes.image_side
    colour = rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    depth = rng.uniform(0.5, 1.5, (1, side, side)).astype(np.float32)
    depth[:, : side // 4] = 0.0
    token_ids = torch.from_numpy(network.t5.tokeniser([EXAMPLE_SENTENCE]))
    noise = rng.standard_normal((EXAMPLE_SAMPLES, sizes.points, sizes.horizon, 3), dtype=np.float32)
    return {
        "colour": torch.from_numpy(colour),
        "depth": torch.from_numpy(depth),
        "depth_known": torch.tensor([True]),
        "token_ids": token_ids,
        "token_mask": (token_ids != PADDING_ID).long(),
        "time": torch.tensor([0.25]),
        "step_length": torch.tensor([0.125]),
        "state": torch.from_numpy(noise),
    }
