"""Sizes and options of the nano network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tracegen_model.network.config_error import NetworkConfigError, require_exact_fields
from tracegen_model.network.nano.text_tokens import WORD_RULES
from tracegen_model.network.trace_tokens import TraceTokenSizes


@dataclass(frozen=True)
class NanoConfig(TraceTokenSizes):
    """What a nano network is made of; the defaults are the preset ``nano``.

    Attributes:
        encoder: Visual encoder, a key of ``encoders.ENCODERS``.
        image_side: Side of the square colour and depth images [px].
        grid_side: Points along each side of the query grid.
        horizon: Steps of a trace.
        patch_side: Points along each side of a trace token's patch.
        frames_in_channels: Consecutive steps that share a trace token; ``horizon`` is a multiple of it.
        width: Width of trace tokens and conditioning tokens.
        heads: Attention heads; a divisor of ``width``.
        blocks: Joint-attention blocks.
        modulation_width: Width of the vector that modulates the blocks (time, text and query points).
        encoder_width: Channels of the encoder's finest map.
        text_width: Width of word embeddings.
        text_blocks: Layers of the text transformer.
        text_length: Words read; further ones are cut.
        vocabulary: Number of word ids; 0 = padding, words are hashed to the others.
        free_points: Query points without supervision, beside object, zone and hand.
        point_width: Width of a query point's key and value.
        time_shift: Shift s of the flow's time, t = u / (u + s (1 - u)). Traces are redundant, so moderate noise leaks
            the answer; s > 1 spends the effort where the noise is strong.
        word_rules: How words become ids; weights only work with the rules that they were trained with.
    """

    preparation: ClassVar[str] = "nearest_depth"

    encoder: str = "conv_stem"
    image_side: int = 192
    grid_side: int = 20
    horizon: int = 32
    patch_side: int = 2
    frames_in_channels: int = 32
    width: int = 128
    heads: int = 2
    blocks: int = 3
    modulation_width: int = 128
    encoder_width: int = 48
    text_width: int = 64
    text_blocks: int = 2
    text_length: int = 24
    vocabulary: int = 4096
    free_points: int = 5
    point_width: int = 32
    time_shift: float = 10.0
    word_rules: str = WORD_RULES

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (
                not isinstance(value, int) or value < (0 if field.name == "free_points" else 1)
            ):
                raise NetworkConfigError(f"{field.name} must be a positive integer, got {value!r}")
        self._require(
            self.width % self.heads == 0, f"width {self.width} must be a multiple of heads {self.heads}"
        )
        self._require(
            self.width % 4 == 0, f"width {self.width} must be a multiple of 4: positions take its quarters"
        )
        self.require_whole_tokens()
        self._require(self.image_side % 8 == 0, f"image_side {self.image_side} must be a multiple of 8")
        self._require(self.text_width % 4 == 0, f"text_width {self.text_width} must be a multiple of 4")
        self._require(self.vocabulary > 1, f"vocabulary {self.vocabulary} must exceed 1: id 0 is padding")
        self._require(
            self.word_rules == WORD_RULES,
            f"made for the word rules {self.word_rules!r}, this is {WORD_RULES!r}",
        )
        self._require(self.time_shift >= 1.0, f"time_shift must be at least 1, got {self.time_shift}")

    @staticmethod
    def _require(condition: bool, message: str) -> None:
        if not condition:
            raise NetworkConfigError(message)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NanoConfig:
        """Config from a mapping with exactly this class's fields."""
        require_exact_fields(cls, values)
        return cls(**values)
