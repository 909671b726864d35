"""The published network as ONNX graphs; ``graph_files`` says which there are and what their tensors are.

What is the same at every step is computed before the sampler: positions are constants, the conditioning is projected by
``condition.onnx``, the modulation of a time comes from ``modulation.onnx``. Colour and depth go through the one SigLIP
tower together, as a batch of two.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tracegen_model.network.checkpoint_config import VELOCITY_FILE
from tracegen_model.network.graph_set import EXAMPLE_SAMPLES, GraphSet
from tracegen_model.network.onnx_graphs import TracedGraph
from tracegen_model.network.tracegen.condition import TraceCondition
from tracegen_model.network.tracegen.encoder_weights import HASHED_WORDS, TOKENISER_FILE
from tracegen_model.network.tracegen.graph_files import (
    CONDITION_FILE,
    INPUTS,
    MEANINGS,
    MODULATION_FILE,
    OUTPUTS,
    TEXT_ENCODER_FILE,
    VISION_ENCODER_FILE,
)
from tracegen_model.network.tracegen.siglip import COLOUR_HALF_RANGE, COLOUR_MIDDLE
from tracegen_model.network.tracegen.tokeniser import END_ID, PADDING_ID, T5Tokeniser
from tracegen_model.network.tracegen.trace_transformer import TraceTransformer
from tracegen_model.network.tracegen.tracegen import TraceGen

COLOUR_STEPS = 255.0
"""Largest value of a colour image's bytes."""

EXAMPLE_SENTENCE = "put the red block in the green zone"
"""What the text encoder is traced and checked with."""

VARYING: dict[str, dict[str, dict[int, str]]] = {
    MODULATION_FILE: {"time": {0: "times"}, "modulation": {0: "times"}},
    VELOCITY_FILE: {"state": {0: "samples"}, "velocity": {0: "samples"}},
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
        # Cast first: TensorRT takes bytes as an input only where a cast reads them.
        image = colour.float().permute(0, 3, 1, 2) / COLOUR_STEPS
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


class VelocityGraph(nn.Module):
    """Which way K samples flow under one condition."""

    def __init__(self, network: TraceGen) -> None:
        super().__init__()
        self.transformer: TraceTransformer = network.transformer

    def forward(self, state: Tensor, modulation: Tensor, condition: Tensor) -> Tensor:
        """(K, points, horizon, 3); modulation and condition are those of a single sample."""
        return -self.transformer(state, modulation, condition.expand(state.shape[0], -1, -1))


GRAPHS: dict[str, type[nn.Module]] = {
    VISION_ENCODER_FILE: VisionEncoderGraph,
    TEXT_ENCODER_FILE: TextEncoderGraph,
    CONDITION_FILE: ConditionGraph,
    MODULATION_FILE: ModulationGraph,
    VELOCITY_FILE: VelocityGraph,
}
"""What each graph computes."""


def tracegen_graphs(network: TraceGen) -> GraphSet:
    """What ``network`` is exported as."""
    tokeniser = network.t5.tokeniser
    return GraphSet(
        network,
        tuple(
            TracedGraph(name, kind(network).eval(), INPUTS[name], (OUTPUTS[name],), VARYING.get(name, {}))
            for name, kind in GRAPHS.items()
        ),
        _examples(network),
        partial(_condition, network),
        MEANINGS,
        {
            "tokeniser": {
                "source": TOKENISER_FILE if isinstance(tokeniser, T5Tokeniser) else HASHED_WORDS,
                "length": network.config.text_length,
                "end_id": END_ID,
                "padding_id": PADDING_ID,
            },
        },
        partial(_write_tokeniser, network),
    )


def _condition(network: TraceGen, found: Mapping[str, Tensor]) -> TraceCondition:
    return network.condition_from_tokens(torch.cat([found["image_tokens"], found["text_tokens"]], dim=1))


def _write_tokeniser(network: TraceGen, folder: Path) -> tuple[str, ...]:
    """Store the tokeniser where it is a file, not the rule that hashes words."""
    tokeniser = network.t5.tokeniser
    if not isinstance(tokeniser, T5Tokeniser):
        return ()
    tokeniser.save(folder)
    return (TOKENISER_FILE,)


def _examples(network: TraceGen) -> dict[str, Tensor]:
    """An image with holes in its depth, a sentence, noise."""
    sizes = network.config
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
        "state": torch.from_numpy(noise),
    }
