"""Depth as an active-stereo camera (RealSense D435) measures it: noisy, quantised, with shadows and holes.

Depth z and disparity d are tied by d = f B / z; the camera's error is about constant in disparity, so it grows
with z². To the left of a near object lies a band that only one of the two imagers sees: no depth there.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

STEREO_BASELINE = 0.050
"""Distance between the D435's infrared imagers [m]."""

DISPARITY_NOISE = 0.08
"""Standard deviation of the disparity error [px], the data sheet's sub-pixel figure."""

DISPARITY_STEP = 1.0 / 32.0
"""Quantum of the disparity [px]."""

NOISE_CELL = 4
"""Disparity errors are alike over this many pixels: the matching window smooths them."""

DROPOUT_CELL = 16
"""Size of spontaneous holes [px]."""

DROPOUT_SHARE = 0.006
"""Share of the image lost in spontaneous holes at level 1."""

EDGE_DISPARITY_STEP = 0.5
"""A disparity jump this large [px] between neighbours is an edge, where matching fails."""

EDGE_LOSS = 0.5
"""Share of edge pixels lost at level 1."""

MIN_RANGE = 0.28
"""Nearest depth that the camera measures at 640x480 [m]."""

MAX_RANGE = 6.0
"""Farthest depth that it reports [m]."""


def noisy_depth(
    depth: NDArray[np.float32], focal_length: float, level: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """What the camera reports for an exact ``depth`` (H, W) [m]; 0 where it reports nothing.

    Args:
        depth: Exact depth along the optical axis [m].
        focal_length: [px].
        level: 0 gives the exact depth back (within range), 1 a D435, 2 twice its noise and losses.
        rng: Source of the noise.
    """
    in_range = (depth > MIN_RANGE) & (depth < MAX_RANGE)
    if level <= 0.0:
        return np.where(in_range, depth, 0.0).astype(np.float32)
    height, width = depth.shape
    disparity = focal_length * STEREO_BASELINE / np.maximum(depth, MIN_RANGE)
    seen = in_range & _seen_by_both(disparity)

    coarse = rng.normal(size=(height // NOISE_CELL, width // NOISE_CELL)).astype(np.float32)
    error = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR) * (
        1.5 * DISPARITY_NOISE * level
    )
    measured = np.rint((disparity + error) / DISPARITY_STEP) * DISPARITY_STEP
    measured = np.maximum(measured, DISPARITY_STEP)

    jump = np.zeros(depth.shape, bool)
    jump[:, 1:] |= np.abs(np.diff(disparity, axis=1)) > EDGE_DISPARITY_STEP
    jump[1:] |= np.abs(np.diff(disparity, axis=0)) > EDGE_DISPARITY_STEP
    edge = cv2.dilate(jump.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    coin = cv2.resize(
        rng.uniform(size=(height // 2, width // 2)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_NEAREST,
    )
    seen &= ~(edge & (coin < min(EDGE_LOSS * level, 0.95)))

    cells = rng.uniform(size=(height // DROPOUT_CELL + 1, width // DROPOUT_CELL + 1)).astype(np.float32)
    smooth = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    seen &= smooth > np.quantile(cells, min(DROPOUT_SHARE * level, 0.5))

    return np.where(seen, focal_length * STEREO_BASELINE / measured, 0.0).astype(np.float32)


def _seen_by_both(disparity: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Pixels that are not hidden from the right imager: no pixel further right lands at or left of theirs there."""
    in_right_image = np.arange(disparity.shape[1], dtype=np.float32) - disparity
    leftmost_after = np.minimum.accumulate(in_right_image[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(disparity.shape, bool)
    hidden[:, :-1] = leftmost_after[:, 1:] <= in_right_image[:, :-1]
    return ~hidden
