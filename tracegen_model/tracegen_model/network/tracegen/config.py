"""Sizes and options of TraceGen as published."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tracegen_model.network.config_error import NetworkConfigError, require_exact_fields
from tracegen_model.network.trace_tokens import TraceTokenSizes, require_multiple


@dataclass(frozen=True)
class Dinov3Config:
    """Sizes of a DINOv3 vision transformer; the defaults are those of ViT-L/16.

    Attributes:
        name: Name of the pretrained model at timm.
        width: Width of the tokens.
        depth: Number of blocks.
        heads: Attention heads; a divisor of ``width``.
        feed_forward_width: Width inside a block's feed-forward layers.
        patch_side: Side of the square that a token stands for [px].
        registers: Register tokens, which stand for no place in the image; a class token comes before them.
    """

    name: str = "vit_large_patch16_dinov3.lvd1689m"
    width: int = 1024
    depth: int = 24
    heads: int = 16
    feed_forward_width: int = 4096
    patch_side: int = 16
    registers: int = 4

    def __post_init__(self) -> None:
        _require_positive_integers(self, "dinov3", or_zero=("registers",))
        _require_heads(self.width, self.heads, "dinov3")
        if self.width // self.heads % 4:
            raise NetworkConfigError(
                f"dinov3: the width of a head, {self.width // self.heads}, must be a multiple of 4: "
                "rotary positions turn pairs of it, half of them by row and half by column"
            )


@dataclass(frozen=True)
class SiglipConfig:
    """Sizes of a SigLIP vision transformer; the defaults are those of the base model with patches of 16 px.

    Attributes:
        name: Name of the pretrained model at Hugging Face.
        width: Width of the tokens.
        depth: Number of blocks.
        heads: Attention heads; a divisor of ``width``.
        feed_forward_width: Width inside a block's feed-forward layers.
        patch_side: Side of the square that a token stands for [px].
    """

    name: str = "google/siglip-base-patch16-384"
    width: int = 768
    depth: int = 12
    heads: int = 12
    feed_forward_width: int = 3072
    patch_side: int = 16

    def __post_init__(self) -> None:
        _require_positive_integers(self, "siglip")
        _require_heads(self.width, self.heads, "siglip")


@dataclass(frozen=True)
class T5Config:
    """Sizes of a T5 text encoder; the defaults are those of T5-base.

    Attributes:
        name: Name of the pretrained model at Hugging Face.
        width: Width of the tokens.
        depth: Number of blocks.
        heads: Attention heads.
        head_width: Width of a head.
        feed_forward_width: Width inside a block's feed-forward layers.
        vocabulary: Rows of the word-piece table.
    """

    name: str = "t5-base"
    width: int = 768
    depth: int = 12
    heads: int = 12
    head_width: int = 64
    feed_forward_width: int = 3072
    vocabulary: int = 32128

    def __post_init__(self) -> None:
        _require_positive_integers(self, "t5")


@dataclass(frozen=True)
class TraceGenConfig(TraceTokenSizes):
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
        condition_width: Width of the conditioning tokens; that of T5.
        time_width: Width of the vector that modulates the blocks with the flow's time.
        text_length: T5 tokens read, padded; further ones are cut.
        spatial_scale: The positions of patches are divided by it before they are embedded.
        flow_times: Number of times the flow was trained at; see ``TraceGen.velocity``.
        time_shift: Shift of the flow's time, see ``flow_times.shifted_times``; 1 = none, as published.
        dinov3: The geometry tower.
        siglip: The appearance tower, which encodes depth too.
        t5: The text tower.
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
    dinov3: Dinov3Config = field(default_factory=Dinov3Config)
    siglip: SiglipConfig = field(default_factory=SiglipConfig)
    t5: T5Config = field(default_factory=T5Config)

    def __post_init__(self) -> None:
        _require_positive_integers(self, "network")
        for name in ("spatial_scale", "time_shift"):
            if not getattr(self, name) > 0.0:
                raise NetworkConfigError(f"{name} must be positive, got {getattr(self, name)!r}")
        self.require_whole_tokens()
        require_multiple("image_side", self.image_side, "dinov3.patch_side", self.dinov3.patch_side)
        if self.width % 16:
            raise NetworkConfigError(
                f"heads * head_width = {self.width} must be a multiple of 16: positions take its parts"
            )
        if self.dinov3.patch_side != self.siglip.patch_side:
            raise NetworkConfigError(
                "dinov3 and siglip must cut the image into the same patches, got "
                f"{self.dinov3.patch_side} px and {self.siglip.patch_side} px"
            )
        if self.t5.width != self.condition_width:
            raise NetworkConfigError(
                f"t5.width {self.t5.width} must be condition_width {self.condition_width}: "
                "text and image tokens stand in one sequence"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TraceGenConfig:
        """Config from a mapping with exactly this class's fields, its towers being mappings likewise."""
        require_exact_fields(cls, values)
        towers: dict[str, Any] = {}
        for name, kind in (("dinov3", Dinov3Config), ("siglip", SiglipConfig), ("t5", T5Config)):
            if not isinstance(values[name], Mapping):
                raise NetworkConfigError(
                    f"{name} must be a mapping with the tower's sizes, got {values[name]!r}"
                )
            try:
                require_exact_fields(kind, values[name])
            except NetworkConfigError as error:
                raise NetworkConfigError(f"{name}: {error}") from error
            towers[name] = kind(**values[name])
        return cls(**{**values, **towers})

    @property
    def width(self) -> int:
        """Width of the transformer's tokens."""
        return self.heads * self.head_width

    @property
    def image_tokens(self) -> int:
        """Tokens that stand for the image."""
        return (self.image_side // self.siglip.patch_side) ** 2

    @property
    def condition_length(self) -> int:
        """Conditioning tokens: those of the image, then those of the text."""
        return self.image_tokens + self.text_length


def _require_positive_integers(config: Any, owner: str, or_zero: tuple[str, ...] = ()) -> None:
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if entry.type != "int":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < (entry.name not in or_zero):
            raise NetworkConfigError(f"{owner}: {entry.name} must be a positive integer, got {value!r}")


def _require_heads(width: int, heads: int, owner: str) -> None:
    if width % heads:
        raise NetworkConfigError(f"{owner}: width {width} must be a multiple of heads {heads}")
