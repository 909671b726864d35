"""The trace grid: where a set of scene points will travel in 3D, as TraceGen predicts it.

A trace has no clock: its steps are equal lengths of arc, not of time. It has no orientation and no gripper
signal either; whoever executes it supplies those (see ``ik_controller``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracegen_model.camera import CameraIntrinsics

GRID_SIDE = 20
"""Points along each side of TraceGen's query grid."""


class TraceGridError(ValueError):
    """Arrays that do not form a trace grid."""


def grid_pixels(width: int, height: int, side: int = GRID_SIDE) -> NDArray[np.float64]:
    """Query pixels of TraceForge: a ``side`` x ``side`` lattice that includes the image's corners.

    Args:
        width: Image width [px].
        height: Image height [px].
        side: Points along each side.

    Returns:
        (side * side, 2) pixel coordinates (u, v), row-major, u fastest.
    """
    u, v = np.meshgrid(np.linspace(0, width - 1, side), np.linspace(0, height - 1, side))
    return np.stack([u.ravel(), v.ravel()], axis=-1)


@dataclass(frozen=True)
class TraceGrid:
    """Predicted paths of N points over S steps; row 0 is where each point is now.

    Attributes:
        points_in_camera: (S + 1, N, 3) float32 [m], camera optical frame of the source image; NaN = invalid.
        pixels: (S + 1, N, 2) float32 [px] in the source image; NaN = invalid.
        spread: (S + 1, N) float32 [m] how far samples of the same prediction are apart there, see
            ``runtime.consensus``; NaN = invalid; None where only one sample was drawn.
    """

    points_in_camera: NDArray[np.float32]
    pixels: NDArray[np.float32]
    spread: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        points = np.asarray(self.points_in_camera, dtype=np.float32)
        pixels = np.asarray(self.pixels, dtype=np.float32)
        if points.ndim != 3 or points.shape[2] != 3 or points.shape[0] < 2 or points.shape[1] < 1:
            raise TraceGridError(
                f"points_in_camera must be (steps + 1, points, 3) with a step and a point at least, got {points.shape}"
            )
        if pixels.shape != (*points.shape[:2], 2):
            raise TraceGridError(
                f"pixels must be {(*points.shape[:2], 2)} beside these points, got {pixels.shape}"
            )
        object.__setattr__(self, "points_in_camera", points)
        object.__setattr__(self, "pixels", pixels)
        if self.spread is not None:
            spread = np.asarray(self.spread, dtype=np.float32)
            if spread.shape != points.shape[:2]:
                raise TraceGridError(
                    f"spread must be {points.shape[:2]} beside these points, got {spread.shape}"
                )
            object.__setattr__(self, "spread", spread)

    @classmethod
    def from_pixels_and_depth(
        cls, pixels: ArrayLike, depth: ArrayLike, intrinsics: CameraIntrinsics
    ) -> TraceGrid:
        """Traces from ``pixels`` (S + 1, N, 2) [px] and ``depth`` (S + 1, N) [m], invalid where it is <= 0 or NaN."""
        z = np.asarray(depth, dtype=float)
        z = np.where(z > 0.0, z, np.nan)
        points = intrinsics.back_project(pixels, z)
        return cls(points.astype(np.float32), np.asarray(pixels, dtype=np.float32))

    @property
    def steps(self) -> int:
        """Number of steps S (rows less the start)."""
        return int(self.points_in_camera.shape[0]) - 1

    @property
    def point_count(self) -> int:
        """Number of points N."""
        return int(self.points_in_camera.shape[1])

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(S + 1, N): the point is finite at that step."""
        x, y, z = np.moveaxis(np.isfinite(self.points_in_camera), -1, 0)
        return x & y & z
