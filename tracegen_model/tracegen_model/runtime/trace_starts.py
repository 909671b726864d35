"""Where traces start in an image, and how increments of the network become traces from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.runtime.start_depth import depth_at_pixels
from tracegen_model.trace_grid import TraceGrid, grid_pixels


@dataclass(frozen=True)
class TraceStarts:
    """The grid points of an image.

    Attributes:
        pixels: (N, 2) u, v [px of the source image].
        depth: (N,) [m]; NaN where nothing was measured.
        intrinsics: Camera of the image.
    """

    pixels: NDArray[np.float64]
    depth: NDArray[np.float32]
    intrinsics: CameraIntrinsics

    @classmethod
    def of(
        cls, depth: NDArray[np.float32], intrinsics: CameraIntrinsics, image_side: int, grid_side: int
    ) -> TraceStarts:
        """The points of a grid laid over the network's image (``image_side`` px squared), in ``depth`` (H, W) [m]."""
        scale = np.array([intrinsics.width, intrinsics.height], dtype=float)
        pixels = (grid_pixels(image_side, image_side, grid_side) + 0.5) * (scale / image_side) - 0.5
        return cls(pixels, depth_at_pixels(depth, pixels), intrinsics)

    @property
    def in_camera(self) -> NDArray[np.float64]:
        """(N, 3) [m, camera frame]; NaN where nothing was measured."""
        return self.intrinsics.back_project(self.pixels, self.depth)

    def lift(self, increments: NDArray[np.float32]) -> TraceGrid:
        """Traces along increments (N, S, 3): du, dv in fractions of the image, dz [m]."""
        size = np.array([self.intrinsics.width, self.intrinsics.height], dtype=float)
        moved = np.cumsum(increments.transpose(1, 0, 2), axis=0, dtype=float)
        pixels = self.pixels + np.concatenate([np.zeros_like(moved[:1, :, :2]), moved[..., :2] * size])
        depths = self.depth + np.concatenate([np.zeros_like(moved[:1, :, 2]), moved[..., 2]])
        return TraceGrid.from_pixels_and_depth(pixels, depths, self.intrinsics)
