"""What the camera sees, as coloured points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics


def scene_points(
    rgb: NDArray[np.uint8],
    depth: NDArray[np.float32],
    intrinsics: CameraIntrinsics,
    every: int = 1,
    farthest: float = np.inf,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Points (M, 3) [m, camera optical frame] of the pixels that have a reading, and their colours (M, 3) RGB.

    Args:
        rgb: (H, W, 3) colour image.
        depth: (H, W) aligned to it [m]; 0 or NaN = no reading.
        intrinsics: Of both.
        every: Every so many pixels of each row and column.
        farthest: Readings beyond this depth are left out [m].
    """
    sampled = depth[::every, ::every]
    row, column = np.nonzero((sampled > 0.0) & (sampled <= farthest))
    v, u = row * every, column * every
    pixels = np.stack([u, v], axis=-1).astype(float)
    points = intrinsics.back_project(pixels, depth[v, u])
    return points.astype(np.float32), rgb[v, u]
