"""The nano network assembled: colour, depth and words to how the points of the query grid will move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tracegen_model.network.images import ImageBatch
from tracegen_model.network.nano.conditioning import Conditioner, Conditioning, QueryPoints
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.encoders import ENCODERS
from tracegen_model.network.nano.text_tokens import word_ids
from tracegen_model.network.nano.trace_transformer import TraceTransformer
from tracegen_model.network.trace_network import TraceNetwork

SMALLEST_TIME_LEFT = 1e-4
"""The velocity divides by 1 - t; closer to the data than this it stays finite."""


class NanoTraceGen(TraceNetwork):
    """Predicts the data itself; the velocity follows as (data - state) / (1 - t).

    Attributes:
        config: Sizes and options.
        encoder: Images to visual features.
        conditioner: Visual features and words to conditioning.
        transformer: Noisy traces, time and conditioning to clean traces.
    """

    config: NanoConfig

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ENCODERS[config.encoder](config)
        self.conditioner = Conditioner(config, self.encoder.cell_channels, self.encoder.cells_per_side)
        self.transformer = TraceTransformer(config)

    def condition(
        self, images: ImageBatch, sentences: Sequence[str], image_index: Tensor | None = None
    ) -> Conditioning:
        """See :class:`~tracegen_model.network.trace_network.TraceNetwork`."""
        words = self.words(sentences).to(images.colour.device)
        return self.find_points(2.0 * images.colour - 1.0, images.depth, words, image_index)[0]

    def find_points(
        self, colour: Tensor, depth: Tensor, words: Tensor, image_index: Tensor | None = None
    ) -> tuple[Conditioning, QueryPoints]:
        """Conditioning of B samples, and the points that their sentences ask for.

        Args:
            colour: (I, 3, side, side) -1..1.
            depth: (I, side, side) [m], 0 = hole.
            words: (B, text_length) word ids, 0 = padding.
            image_index: (B,) image of each sample; None when each sample has its own image (I = B).
        """
        features = self.encoder(colour, depth)
        return self.conditioner(features if image_index is None else features.of_samples(image_index), words)

    def words(self, sentences: Sequence[str]) -> Tensor:
        """(B, text_length) word ids of ``sentences``."""
        length, vocabulary = self.config.text_length, self.config.vocabulary
        return torch.from_numpy(np.stack([word_ids(sentence, length, vocabulary) for sentence in sentences]))

    def forward(self, noisy: Tensor, time: Tensor, condition: Conditioning) -> Tensor:
        """Best guess of the clean normalised increments (B, points, horizon, 3); see :class:`TraceTransformer`."""
        return torch.as_tensor(self.transformer(noisy, time, condition))

    def velocity(self, state: Tensor, time: Tensor, condition: Conditioning) -> Tensor:
        """See :class:`~tracegen_model.network.trace_network.TraceNetwork`."""
        left = (1.0 - time).clamp(min=SMALLEST_TIME_LEFT).view(-1, 1, 1, 1)
        return (self(state, time, condition).to(state.dtype) - state) / left

    def compile_parts(self) -> None:
        """Compile transformer and conditioner, in place."""
        self.transformer.compile()
        self.conditioner.compile()


def colour_from_bytes(colour: Tensor) -> Tensor:
    """(I, side, side, 3) uint8 to (I, 3, side, side) -1..1."""
    # Cast first: TensorRT takes bytes as an input only where a cast reads them.
    return colour.float().permute(0, 3, 1, 2) / 127.5 - 1.0
