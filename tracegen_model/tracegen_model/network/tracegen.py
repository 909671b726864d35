"""TraceGen assembled: colour, depth and words to how the points of the query grid will move."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tracegen_model.network.conditioning import Conditioner, Conditioning, QueryPoints
from tracegen_model.network.config import NetworkConfig
from tracegen_model.network.encoders import ENCODERS
from tracegen_model.network.transformer import TraceTransformer


class TraceGen(nn.Module):
    """Condition once per image and sentence, then denoise traces step by step.

    Attributes:
        config: Sizes and options.
        encoder: Images to visual features.
        conditioner: Visual features and words to conditioning.
        transformer: Noisy traces, time and conditioning to clean traces.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ENCODERS[config.encoder](config)
        self.conditioner = Conditioner(config, self.encoder.cell_channels, self.encoder.cells_per_side)
        self.transformer = TraceTransformer(config)

    def condition(
        self, colour: Tensor, depth: Tensor, words: Tensor, image_index: Tensor | None = None
    ) -> tuple[Conditioning, QueryPoints]:
        """Conditioning of B samples.

        Args:
            colour: (I, 3, side, side) -1..1.
            depth: (I, side, side) [m], 0 = hole.
            words: (B, text_length) word ids, 0 = padding.
            image_index: (B,) image of each sample; None when each sample has its own image (I = B).
        """
        features = self.encoder(colour, depth)
        return self.conditioner(features if image_index is None else features.of_samples(image_index), words)

    def forward(self, noisy: Tensor, time: Tensor, condition: Conditioning) -> Tensor:
        """Best guess of the clean normalised increments (B, points, horizon, 3); see :class:`TraceTransformer`."""
        return torch.as_tensor(self.transformer(noisy, time, condition))


def colour_from_bytes(colour: Tensor) -> Tensor:
    """(I, side, side, 3) uint8 to (I, 3, side, side) -1..1."""
    return colour.permute(0, 3, 1, 2).float() / 127.5 - 1.0
