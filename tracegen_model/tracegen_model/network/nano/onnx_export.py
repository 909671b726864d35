"""The nano network as ONNX graphs; ``graph_files`` says which there are and what their tensors are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tracegen_model.network.checkpoint_config import VELOCITY_FILE
from tracegen_model.network.graph_set import EXAMPLE_SAMPLES, GraphSet
from tracegen_model.network.nano.conditioning import SUPERVISED_POINTS, Conditioning
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.graph_files import (
    CONDITION,
    CONDITION_ENCODER_FILE,
    CONDITION_INPUTS,
    MEANINGS,
    QUERY_POINTS,
)
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen, colour_from_bytes
from tracegen_model.network.onnx_graphs import TracedGraph

EXAMPLE_WORDS = 9
"""Words of the sentence that the graphs are traced and checked with."""


class ConditionEncoderGraph(nn.Module):
    """The part of the network that runs once per image and sentence, from raw bytes."""

    def __init__(self, network: NanoTraceGen) -> None:
        super().__init__()
        self.network = network

    def forward(self, colour: Tensor, depth: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Conditioning and query points (1, 3, 3) of (1, side, side, 3) uint8, (1, side, side) [m] and word ids."""
        condition, points = self.network.find_points(colour_from_bytes(colour), depth, words)
        found = points.uvz[:, : len(SUPERVISED_POINTS)]
        return condition.trace, condition.tokens, condition.modulation, found


class VelocityGraph(nn.Module):
    """The part of the network that runs at every time."""

    def __init__(self, network: NanoTraceGen) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, state: Tensor, time: Tensor, trace: Tensor, tokens: Tensor, modulation: Tensor
    ) -> Tensor:
        """(K, points, horizon, 3); time (1,) and the conditioning are those of a single sample."""
        condition = Conditioning(trace, tokens.expand(state.shape[0], -1, -1), modulation)
        return self.network.velocity(state, time, condition)


def nano_graphs(network: NanoTraceGen) -> GraphSet:
    """What ``network`` is exported as."""
    samples = {0: "samples"}
    return GraphSet(
        network,
        (
            TracedGraph(
                CONDITION_ENCODER_FILE,
                ConditionEncoderGraph(network).eval(),
                CONDITION_INPUTS,
                (*CONDITION, QUERY_POINTS),
            ),
            TracedGraph(
                VELOCITY_FILE,
                VelocityGraph(network).eval(),
                ("state", "time", *CONDITION),
                ("velocity",),
                {"state": samples, "velocity": samples},
            ),
        ),
        _examples(network.config),
        lambda found: Conditioning(*(found[name] for name in CONDITION)),
        MEANINGS,
        {
            "words": {
                "rules": network.config.word_rules,
                "length": network.config.text_length,
                "vocabulary": network.config.vocabulary,
                "padding_id": 0,
            }
        },
    )


def _examples(network: NanoConfig) -> dict[str, Tensor]:
    """An image with holes in its depth, a sentence, noise."""
    rng = np.random.default_rng(0)
    side = network.image_side
    words = np.zeros((1, network.text_length), np.int64)
    words[0, :EXAMPLE_WORDS] = rng.integers(1, network.vocabulary, min(EXAMPLE_WORDS, network.text_length))
    depth = rng.uniform(0.5, 1.5, (1, side, side)).astype(np.float32)
    depth[:, : side // 4] = 0.0
    colour = rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    noise = rng.standard_normal((EXAMPLE_SAMPLES, network.points, network.horizon, 3), dtype=np.float32)
    return {
        "colour": torch.from_numpy(colour),
        "depth": torch.from_numpy(depth),
        "words": torch.from_numpy(words),
        "time": torch.tensor([0.25]),
        "state": torch.from_numpy(noise),
    }
