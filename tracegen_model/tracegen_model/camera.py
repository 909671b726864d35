"""Pinhole camera intrinsics: pixels to rays and back.

Conventions: an integer pixel coordinate is the *centre* of that pixel (ROS and OpenCV); the camera frame is
REP-103 optical (x right, y down, z forward); lengths are metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


class IntrinsicsError(ValueError):
    """The numbers given do not describe a pinhole camera."""


@dataclass(frozen=True)
class CameraIntrinsics:
    """Rectified pinhole camera.

    Attributes:
        fx: Focal length along the image's columns [px].
        fy: Focal length along the image's rows [px].
        cx: Principal point's column [px].
        cy: Principal point's row [px].
        width: Image width [px].
        height: Image height [px].
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        numbers = np.array([self.fx, self.fy, self.cx, self.cy, self.width, self.height], dtype=float)
        if not np.isfinite(numbers).all():
            raise IntrinsicsError(
                f"camera intrinsics must be finite, got {self}; check the CameraInfo source"
            )
        if self.fx <= 0 or self.fy <= 0:
            raise IntrinsicsError(
                f"focal lengths must be positive pixels, got fx={self.fx}, fy={self.fy}; "
                "an all-zero CameraInfo means that the camera is not calibrated"
            )
        if self.width <= 0 or self.height <= 0:
            raise IntrinsicsError(f"image size must be positive, got {self.width}x{self.height}")

    @classmethod
    def from_matrix(cls, matrix: ArrayLike, width: int, height: int) -> CameraIntrinsics:
        """Intrinsics from a 3x3 camera matrix K (row-major, as in ``sensor_msgs/CameraInfo.k``)."""
        k = np.asarray(matrix, dtype=float)
        if k.size != 9:
            raise IntrinsicsError(f"a camera matrix has 9 entries, got {k.size}")
        k = k.reshape(3, 3)
        return cls(
            fx=float(k[0, 0]),
            fy=float(k[1, 1]),
            cx=float(k[0, 2]),
            cy=float(k[1, 2]),
            width=int(width),
            height=int(height),
        )

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The 3x3 camera matrix K [px]."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def resized(self, width: int, height: int) -> CameraIntrinsics:
        """Intrinsics of the same view after the image was resized to ``width`` x ``height``.

        The axes scale separately: TraceGen squashes images to a square. Pixel centres stay at integers, hence
        the half-pixel shift: c' = (c + 1/2) s - 1/2.
        """
        sx, sy = width / self.width, height / self.height
        return CameraIntrinsics(
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=int(width),
            height=int(height),
        )

    def back_project(self, pixels: ArrayLike, depth: ArrayLike) -> NDArray[np.float64]:
        """Points seen at ``pixels`` (..., 2) [px] at ``depth`` (...) [m along z], as (..., 3) [m, camera frame]."""
        uv = np.asarray(pixels, dtype=float)
        z = np.asarray(depth, dtype=float)
        x = (uv[..., 0] - self.cx) / self.fx * z
        y = (uv[..., 1] - self.cy) / self.fy * z
        return np.stack([x, y, np.broadcast_to(z, x.shape)], axis=-1)

    def project(self, points_in_camera: ArrayLike) -> NDArray[np.float64]:
        """Pixels (..., 2) of ``points_in_camera`` (..., 3) [m]; NaN for points on or behind the image plane."""
        points = np.asarray(points_in_camera, dtype=float)
        z = np.where(points[..., 2] > 0.0, points[..., 2], np.nan)
        u = points[..., 0] / z * self.fx + self.cx
        v = points[..., 1] / z * self.fy + self.cy
        return np.stack([u, v], axis=-1)
