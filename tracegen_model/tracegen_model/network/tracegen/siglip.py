"""The appearance tower and the depth tower: one frozen SigLIP, and what is trained around it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from tracegen_model.network.tracegen.config import SiglipConfig
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.frozen_tower import build_tower

COLOUR_MIDDLE = COLOUR_HALF_RANGE = 0.5
"""SigLIP takes colours of -1..1."""


class AppearanceTower(nn.Module):
    """Colour images to tokens of what is there.

    Attributes:
        tower: SigLIP's vision transformer with its own last layer norm, without its pooling head; frozen, never in
            training mode.
        norm: The trained layer norm on its tokens.
    """

    def __init__(self, config: SiglipConfig, image_side: int, source: EncoderSource) -> None:
        super().__init__()
        self.tower = build_tower(
            "siglip", partial(_siglip, config, image_side), _fill_buffers, _rename, source, config.name
        )
        self.norm = nn.LayerNorm(config.width)

    def train(self, mode: bool = True) -> AppearanceTower:
        """Training mode, but for the frozen tower."""
        super().train(mode)
        self.tower.eval()
        return self

    @torch.no_grad()
    def features(self, colour: Tensor) -> Tensor:
        """(I, tokens, width) frozen features, row-major, of ``colour`` (I, 3, side, side) 0..1."""
        return self.encode((colour - COLOUR_MIDDLE) / COLOUR_HALF_RANGE)

    def encode(self, image: Tensor) -> Tensor:
        """(I, tokens, width) what the frozen tower makes of ``image`` (I, 3, side, side); lets gradients through."""
        return torch.as_tensor(self.tower(image).last_hidden_state)

    def forward(self, features: Tensor) -> Tensor:
        """(I, tokens, width) tokens from :meth:`features`."""
        return torch.as_tensor(self.norm(features))


class DepthAdapter(nn.Module):
    """Depth images to tokens, through the appearance tower: the published network has a copy of it for depth.

    Attributes:
        stem: Depth to three channels, which is all that fits depth to a tower made for colour.
        norm: The trained layer norm on the tower's tokens.
    """

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 3, kernel_size=1)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, depth: Tensor, appearance: AppearanceTower) -> Tensor:
        """(I, tokens, width) tokens of ``depth`` (I, side, side) in the dataset's unit, as it is."""
        return torch.as_tensor(self.norm(appearance.encode(self.stem(depth[:, None]))))


def _siglip(config: SiglipConfig, image_side: int) -> nn.Module:
    """SigLIP's vision transformer with random weights."""
    sizes = SiglipVisionConfig(
        hidden_size=config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        intermediate_size=config.feed_forward_width,
        patch_size=config.patch_side,
        image_size=image_side,
        vision_use_head=False,
    )
    return SiglipVisionModel(sizes)


def _fill_buffers(tower: nn.Module) -> None:
    positions = tower.get_buffer("embeddings.position_ids")
    positions.copy_(torch.arange(positions.shape[-1]))


def _rename(name: str) -> str | None:
    """Files of the whole SigLIP and of its vision half nest the vision transformer 0, 1 or 2 deep."""
    if name.startswith(("text_model.", "logit_")):
        return None
    while name.startswith("vision_model."):
        name = name.removeprefix("vision_model.")
    return None if name.startswith("head.") else name
