"""The geometry tower: DINOv3, frozen, and the layer norm behind it, trained."""

from __future__ import annotations

from functools import partial

import torch
from timm.models.eva import Eva
from torch import Tensor, nn

from tracegen_model.network.tracegen.config import Dinov3Config
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.frozen_tower import build_tower

COLOUR_MEAN = (0.485, 0.456, 0.406)
COLOUR_DEVIATION = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's red, green and blue, which DINOv3 was trained with."""

ROTARY_TEMPERATURE = 100.0
"""Base of the periods of DINOv3's rotary positions."""

LAYER_NORM_EPSILON = 1e-5
"""What DINOv3's layer norms add to the variance."""

INITIAL_LAYER_SCALE = 1e-5
"""What DINOv3's residual branches are scaled by before training."""


class GeometryTower(nn.Module):
    """Colour images to tokens of shape and place.

    Attributes:
        tower: DINOv3 with its own last layer norm; frozen, never in training mode.
        norm: The trained layer norm on its tokens.
    """

    colour_mean: Tensor
    colour_deviation: Tensor

    def __init__(self, config: Dinov3Config, image_side: int, source: EncoderSource) -> None:
        super().__init__()
        self._prefix_tokens = 1 + config.registers
        self.tower = build_tower(
            "dinov3", partial(_dinov3, config, image_side), _fill_buffers, _rename, source, config.name
        )
        self.norm = nn.LayerNorm(config.width)
        self.register_buffer("colour_mean", torch.tensor(COLOUR_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer(
            "colour_deviation", torch.tensor(COLOUR_DEVIATION).view(3, 1, 1), persistent=False
        )

    def train(self, mode: bool = True) -> GeometryTower:
        """Training mode, but for the frozen tower."""
        super().train(mode)
        self.tower.eval()
        return self

    @torch.no_grad()
    def features(self, colour: Tensor) -> Tensor:
        """(I, tokens, width) frozen features, row-major, of ``colour`` (I, 3, side, side) 0..1."""
        normalised = (colour - self.colour_mean) / self.colour_deviation
        return torch.as_tensor(self.tower(normalised))[:, self._prefix_tokens :]

    def forward(self, features: Tensor) -> Tensor:
        """(I, tokens, width) tokens from :meth:`features`."""
        return torch.as_tensor(self.norm(features))


def _dinov3(config: Dinov3Config, image_side: int) -> nn.Module:
    """DINOv3 with random weights; timm builds it from its ``Eva``."""
    return Eva(
        img_size=image_side,
        patch_size=config.patch_side,
        num_classes=0,
        global_pool="",
        embed_dim=config.width,
        depth=config.depth,
        num_heads=config.heads,
        mlp_ratio=config.feed_forward_width / config.width,
        qkv_bias=False,
        init_values=INITIAL_LAYER_SCALE,
        num_reg_tokens=config.registers,
        use_abs_pos_emb=False,
        use_rot_pos_emb=True,
        rope_type="dinov3",
        rope_temperature=ROTARY_TEMPERATURE,
        rope_rotate_half=True,
        use_fc_norm=False,
        norm_layer=partial(nn.LayerNorm, eps=LAYER_NORM_EPSILON),
    )


def _fill_buffers(tower: nn.Module) -> None:
    tower.get_submodule("rope").init_non_persistent_buffers()  # type: ignore[operator]


def _rename(name: str) -> str | None:
    """timm's names are the tower's own; a classifier and stored rotary positions are of no use."""
    return None if name.startswith(("head.", "rope.")) else name
