"""Sizes and options of TraceGen as published."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tracegen_model.network.config_error import NetworkConfigError, require_exact_fields


@dataclass(frozen=True)
class TraceGenConfig:
    """What a TraceGen network is made of; the defaults are the preset ``base``, the authors' evaluation config.

    Attributes:
        image_side: Side of the square colour and depth images [px].
        grid_side: Points along each side of the query grid.
        horizon: Steps of a trace.
        patch_side: Points along each side of a trace token's patch.
        frames_in_channels: Consecutive steps that share a trace token; ``horizon`` is a multiple of it.
        heads: Attention heads of the transformer.
        head_width: Width of a head; the transformer's width is ``heads * head_width``.
        blocks: Blocks of the transformer.
        condition_width: Width of the conditioning tokens, that of SigLIP-base and T5-base.
        time_width: Width of the vector that modulates the blocks with the flow's time.
        text_length: T5 tokens read, padded; further ones are cut.
        spatial_scale: The positions of patches are divided by it before they are embedded.
        flow_times: Number of times the flow was trained at; the network takes t * flow_times as its time label.
        time_shift: Shift of the flow's time, see ``flow_times``; 1 = none, as published.
        dinov3: Model of the geometry tower: its timm name.
        siglip: Model of the appearance and depth towers: its Hugging Face name.
        t5: Model of the text tower: its Hugging Face name.
    """

    preparation: ClassVar[str] = "bilinear"

    image_side: int = 384
    grid_side: int = 20
    horizon: int = 32
    patch_side: int = 2
    frames_in_channels: int = 2
    heads: int = 12
    head_width: int = 64
    blocks: int = 6
    condition_width: int = 768
    time_width: int = 512
    text_length: int = 128
    spatial_scale: float = 1.875
    flow_times: int = 100
    time_shift: float = 1.0
    dinov3: str = "vit_large_patch16_dinov3.lvd1689m"
    siglip: str = "google/siglip-base-patch16-384"
    t5: str = "t5-base"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (not isinstance(value, int) or value < 1):
                raise NetworkConfigError(f"{field.name} must be a positive integer, got {value!r}")
        if self.grid_side % self.patch_side:
            raise NetworkConfigError(
                f"grid_side {self.grid_side} must be a multiple of patch_side {self.patch_side}"
            )
        if self.horizon % self.frames_in_channels:
            raise NetworkConfigError(
                f"horizon {self.horizon} must be a multiple of frames_in_channels {self.frames_in_channels}"
            )
        if self.width % 16:
            raise NetworkConfigError(
                f"heads * head_width = {self.width} must be a multiple of 16: positions take its parts"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TraceGenConfig:
        """Config from a mapping with exactly this class's fields."""
        require_exact_fields(cls, values)
        return cls(**values)

    @property
    def width(self) -> int:
        """Width of the transformer's tokens."""
        return self.heads * self.head_width

    @property
    def points(self) -> int:
        """Points of the query grid."""
        return self.grid_side**2

    @property
    def patches(self) -> int:
        """Patches of the query grid."""
        return (self.grid_side // self.patch_side) ** 2

    @property
    def frame_groups(self) -> int:
        """Trace tokens of one patch, along time."""
        return self.horizon // self.frames_in_channels

    @property
    def trace_channels(self) -> int:
        """Numbers that a trace token carries."""
        return 3 * self.frames_in_channels * self.patch_side**2
