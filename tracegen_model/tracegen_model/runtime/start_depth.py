"""Measured depth where traces start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEARCH_RADIUS = 4
"""How far a reading may lie from a grid pixel to stand for it [px of the source image]."""


def depth_at_pixels(
    depth: NDArray[np.float32], pixels: NDArray[np.float64], radius: int = SEARCH_RADIUS
) -> NDArray[np.float32]:
    """(N,) [m] the valid reading nearest to each pixel (N, 2), within ``radius`` [px]; NaN where there is none.

    Args:
        depth: (H, W) [m]; 0, NaN and infinity are holes.
        pixels: (N, 2) u, v [px].
        radius: Largest distance along a row or column [px].
    """
    height, width = depth.shape
    columns, rows = np.rint(pixels).astype(int).T
    reach = np.arange(-radius, radius + 1)
    down, right = (offset.ravel() for offset in np.meshgrid(reach, reach, indexing="ij"))
    nearest_first = np.argsort(down**2 + right**2, kind="stable")
    down, right = down[nearest_first], right[nearest_first]
    near_rows, near_columns = rows[:, None] + down, columns[:, None] + right
    inside = (near_rows >= 0) & (near_rows < height) & (near_columns >= 0) & (near_columns < width)
    readings = depth[near_rows.clip(0, height - 1), near_columns.clip(0, width - 1)]
    valid = inside & np.isfinite(readings) & (readings > 0.0)
    first = valid.argmax(axis=1)
    found = readings[np.arange(len(first)), first]
    return np.where(valid.any(axis=1), found, np.nan).astype(np.float32)
