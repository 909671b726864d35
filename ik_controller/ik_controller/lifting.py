"""From the camera's frame to the robot's: points, and traces anchored on measured depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid

FloatArray = NDArray[np.float64]

ANCHOR_WINDOW = 2
"""Half side of the pixel window that a missing depth reading may be taken from [px]."""

MAX_ANCHOR_SHIFT = 0.08
"""A reading further than this from the predicted start depth is another surface, seen past an edge [m]."""


class LiftingError(ValueError):
    """A camera pose or depth image that cannot be used."""


def transform_points(pose: ArrayLike, points: ArrayLike) -> FloatArray:
    """``points`` (..., 3) [m] moved by ``pose`` (4, 4): from the frame it describes to the frame it is given in."""
    matrix = np.asarray(pose, dtype=float)
    return np.asarray(points, dtype=float) @ matrix[:3, :3].T + matrix[:3, 3]


def lift_traces(
    traces: TraceGrid,
    camera_in_base: ArrayLike,
    depth: NDArray[np.floating] | None = None,
    intrinsics: CameraIntrinsics | None = None,
) -> FloatArray:
    """Traces in the base frame, shifted so that each starts on the measured surface.

    A network's depth may be off-scale, its displacements much less so. Where a depth image is given, each trace keeps
    its displacements and starts at the measured point of its start pixel; where the image has no reading, the trace's
    own start stays.

    Args:
        traces: Predicted traces in the camera frame.
        camera_in_base: (4, 4) pose of the camera's optical frame.
        depth: (H, W) measured depth [m], 0 or NaN = none; None to trust the traces' starts.
        intrinsics: Of the depth image.

    Returns:
        (S + 1, N, 3) [m, base frame], NaN where the trace is invalid.

    Raises:
        LiftingError: if the camera pose is not a rigid transform.
    """
    pose = np.asarray(camera_in_base, dtype=float)
    check_rigid(pose)
    points = traces.points_in_camera.astype(float)
    points[~traces.valid] = np.nan
    if depth is not None and intrinsics is not None:
        measured = measured_starts(traces.pixels[0], depth, intrinsics)
        shift = measured - points[0]
        usable = np.abs(shift[:, 2]) <= MAX_ANCHOR_SHIFT
        points = points + np.where(usable[:, None], shift, 0.0)
    return transform_points(pose, points)


def measured_starts(
    pixels: NDArray[np.floating], depth: NDArray[np.floating], intrinsics: CameraIntrinsics
) -> FloatArray:
    """(N, 3) measured points [m, camera frame] at ``pixels`` (N, 2) [px]; NaN where no reading is near.

    Holes are bridged by the nearest reading within ``ANCHOR_WINDOW`` pixels.
    """
    height, width = depth.shape
    finite = np.isfinite(pixels).all(axis=-1)
    centre = np.rint(np.where(finite[:, None], pixels, 0.0)).astype(int)
    found = np.full(len(pixels), np.nan)
    for du, dv in _spiral(ANCHOR_WINDOW):
        u, v = centre[:, 0] + du, centre[:, 1] + dv
        inside = finite & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        value = np.where(inside, depth[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)], np.nan)
        found = np.where(np.isnan(found) & (value > 0.0), value, found)
    return intrinsics.back_project(pixels, found)


def check_rigid(pose: FloatArray, tolerance: float = 1e-3) -> None:
    """Raise ``LiftingError`` unless ``pose`` is a (4, 4) rigid transform."""
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise LiftingError(
            f"the camera pose must be a finite (4, 4) matrix, got shape {pose.shape}; check TF"
        )
    rotation = pose[:3, :3]
    error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if error > tolerance or np.linalg.det(rotation) < 0.0:
        raise LiftingError(
            f"the camera pose's rotation is not orthonormal (off by {error:.2g}); check the calibration file"
        )


def _spiral(radius: int) -> list[tuple[int, int]]:
    """Pixel offsets within ``radius``, nearest first."""
    offsets = [(du, dv) for dv in range(-radius, radius + 1) for du in range(-radius, radius + 1)]
    return sorted(offsets, key=lambda offset: (offset[0] ** 2 + offset[1] ** 2, offset))
