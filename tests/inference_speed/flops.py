"""How many floating-point operations a step of a transformer takes, by its config: a product and a sum are two.

Matrix products and attention count; norms, activations and sums, well below a percent, do not.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.tracegen.config import TraceGenConfig

FEED_FORWARD_FACTOR = 4
"""Width inside the feed-forward layers, in widths of a token."""

SUPERVISED_POINTS = 3
"""Query points of the nano network beside the free ones: object, zone, hand."""


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of one evaluation for one sample.

    Attributes:
        linear: Of products with weights.
        attention: Of queries with keys, and of what they choose with values.
    """

    linear: float
    attention: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.linear + self.attention


def published_step(config: TraceGenConfig) -> Operations:
    """A step of the published transformer as its authors construct it: nothing is kept from step to step."""
    trace, given, width = _trace_tokens(config), config.condition_length, config.width
    length = trace + given
    modulation = 2 * config.time_width * width * (config.blocks * 2 * 6 + 2)
    time = 2 * (width * config.time_width + config.time_width**2)
    ends = 2 * 2 * trace * config.trace_channels * width + 2 * given * config.condition_width * width
    return Operations(
        linear=config.blocks * _layers(length, width) + modulation + time + ends,
        attention=config.blocks * _attention(length, length, width),
    )


def executed_step(config: NetworkConfig) -> Operations:
    """A step as our transformers need it.

    The published one's last block leaves out the conditioning tokens; its conditioning is projected once per frame,
    and its modulation, which depends on the time alone, is kept.
    """
    if isinstance(config, NanoConfig):
        return _nano_step(config)
    trace, given, width = _trace_tokens(config), config.condition_length, config.width
    length = trace + given
    # Keys and values of the last block are those of all tokens; everything else there is the trace tokens'.
    last = _layers(trace, width) + 2 * 2 * given * width**2
    return Operations(
        linear=(config.blocks - 1) * _layers(length, width)
        + last
        + 2 * 2 * trace * config.trace_channels * width,
        attention=(config.blocks - 1) * _attention(length, length, width) + _attention(trace, length, width),
    )


def _nano_step(config: NanoConfig) -> Operations:
    """Modulation depends on the condition too, so it is made at every step."""
    trace, width, inner = _trace_tokens(config), config.width, config.modulation_width
    length = trace + config.text_length + SUPERVISED_POINTS + config.free_points
    modulation = 2 * 2 * inner**2 + 2 * inner * width * (config.blocks * 2 * 6 + 2)
    return Operations(
        linear=config.blocks * _layers(length, width)
        + modulation
        + 2 * 2 * trace * config.trace_channels * width,
        attention=config.blocks * _attention(length, length, width),
    )


def _trace_tokens(config: NetworkConfig) -> int:
    return config.frame_groups * (config.grid_side // config.patch_side) ** 2


def _layers(tokens: int, width: int) -> float:
    """Queries, keys, values, output and feed-forward layers."""
    return 2 * (4 + 2 * FEED_FORWARD_FACTOR) * tokens * width**2


def _attention(queries: int, keys: int, width: int) -> float:
    return 2 * 2 * queries * keys * width
