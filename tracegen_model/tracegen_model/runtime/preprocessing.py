"""From camera images to what TraceGen is shown; demonstrations, training and the live predictor share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    source = _without_unknowns(depth)
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


def resize_colour_bilinear(colour: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Squash an RGB image (H, W, 3) to (side, side, 3) by Pillow's bilinear filter, as the published TraceGen does."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(colour))
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), dtype=np.uint8)


def resize_depth_bilinear(depth: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    """Squash a depth image (H, W) to (side, side) by an antialiased bilinear filter, as the published TraceGen does.

    It mixes depths across edges and with holes: the published weights have seen depth in this way. NaN and infinite
    readings, which the original lets spread, count as 0.
    """
    from PIL import Image

    image = Image.fromarray(_without_unknowns(depth))
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)


@dataclass(frozen=True)
class ImagePreparation:
    """How images become the square ones of a network. An image that already has the size is taken as it is.

    Attributes:
        resize_colour: From (H, W, 3) uint8 and a side [px] to (side, side, 3) uint8.
        resize_depth: From (H, W) and a side [px] to (side, side) float32, 0 = no reading.
    """

    resize_colour: Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]
    resize_depth: Callable[[NDArray[np.floating], int], NDArray[np.float32]]

    def colour(self, colour: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
        """(side, side, 3) uint8 RGB from an image (H, W, 3)."""
        return colour if colour.shape[:2] == (side, side) else self.resize_colour(colour, side)

    def depth(self, depth: NDArray[np.floating], side: int) -> NDArray[np.float32]:
        """(side, side) float32 from a depth image (H, W); unknown readings (NaN, infinite) become 0."""
        if depth.shape == (side, side):
            return _without_unknowns(depth)
        return self.resize_depth(depth, side)


PREPARATIONS: dict[str, ImagePreparation] = {
    "nearest_depth": ImagePreparation(resize_colour, resize_depth),
    "bilinear": ImagePreparation(resize_colour_bilinear, resize_depth_bilinear),
}
"""Preparations by the name that network configs call them: ``bilinear`` is the published TraceGen's."""


def _without_unknowns(depth: NDArray[np.floating]) -> NDArray[np.float32]:
    """A float32 copy with 0 in place of NaN and infinite readings."""
    return np.nan_to_num(np.asarray(depth, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
