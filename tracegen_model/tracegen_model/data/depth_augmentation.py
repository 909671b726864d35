"""Random faults of depth images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALLEST_DEPTH = 1e-3
"""Readings stay readings: noise does not bring them below this [the depth's unit]."""


@dataclass(frozen=True)
class DepthConfig:
    """Faults of depth cameras. What was no reading stays none.

    Attributes:
        noise: Standard deviation of each pixel's error [the depth's unit, m where it is metric].
        scale: Standard deviation of the error of scale.
        holes: Up to this many rectangles lose their readings.
        hole_side: Longest side of such a rectangle, in fractions of the image.
        dropout: Share of images that lose their depth altogether: the network learns to do without.
    """

    noise: float = 0.0
    scale: float = 0.0
    holes: int = 0
    hole_side: float = 0.2
    dropout: float = 0.0


def disturb_depth(
    depth: NDArray[np.float32], config: DepthConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """``depth`` (H, W) with noise, an error of scale, and holes; dropout is the caller's."""
    seen = depth > 0.0
    changed = depth * np.float32(1.0 + config.scale * rng.standard_normal())
    if config.noise > 0.0:
        changed = changed + np.float32(config.noise) * rng.standard_normal(depth.shape, dtype=np.float32)
    changed = np.where(seen, np.maximum(changed, SMALLEST_DEPTH), depth).astype(np.float32)
    if config.holes:
        height, width = depth.shape
        for _ in range(int(rng.integers(config.holes + 1))):
            sides = rng.random(2) * config.hole_side * [height, width]
            top, left = (rng.random(2) * [height, width]).astype(int)
            changed[top : top + round(sides[0]), left : left + round(sides[1])] = 0.0
    return changed
