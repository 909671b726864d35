"""From camera images to what TraceGen is shown; demonstrations and the live predictor share it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

MODEL_IMAGE_SIDE = 192
"""Side of the square image that the nano preset sees [px]."""


def resize_colour(colour: NDArray[np.uint8], side: int = MODEL_IMAGE_SIDE) -> NDArray[np.uint8]:
    """Squash an RGB image (H, W, 3) to (side, side, 3); the aspect ratio is not kept, as in TraceGen."""
    return np.asarray(cv2.resize(colour, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def resize_depth(depth: NDArray[np.floating], side: int = MODEL_IMAGE_SIDE) -> NDArray[np.float32]:
    """Squash a depth image (H, W) [m] to (side, side) without mixing depths across edges.

    Each target pixel takes the reading under its centre, or, where that is a hole (0, NaN), a valid one beside it in
    the source; holes larger than that stay 0.
    """
    source = np.nan_to_num(np.asarray(depth, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    height, width = source.shape
    rows = np.minimum(((np.arange(side) + 0.5) * height / side).astype(int), height - 1)
    columns = np.minimum(((np.arange(side) + 0.5) * width / side).astype(int), width - 1)
    out = source[np.ix_(rows, columns)]
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        hole = out <= 0.0
        if not hole.any():
            break
        beside = source[np.ix_(np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1))]
        out[hole] = beside[hole]
    return np.maximum(out, 0.0)
