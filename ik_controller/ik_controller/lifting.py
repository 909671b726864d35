"""From the camera's frame to the robot's: points, and traces at the sensor's depth scale, anchored on its readings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ik_controller.depth_scale import UNKNOWN_SCALE, DepthScale, estimate_depth_scale
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid

FloatArray = NDArray[np.float64]

ANCHOR_WINDOW = 2
"""Half side of the pixel window that a missing depth reading may be taken from [px]."""

MAX_ANCHOR_SHIFT = 0.08
"""A reading further than this from the predicted start depth is another surface, seen past an edge [m]."""


def _spiral(radius: int) -> NDArray[np.int64]:
    """(M, 2) pixel offsets (du, dv) within ``radius``, nearest first."""
    offsets = [(du, dv) for dv in range(-radius, radius + 1) for du in range(-radius, radius + 1)]
    return np.array(sorted(offsets, key=lambda offset: (offset[0] ** 2 + offset[1] ** 2, offset)))


_SPIRAL = _spiral(ANCHOR_WINDOW)


class LiftingError(ValueError):
    """A camera pose or depth image that cannot be used."""


def transform_points(pose: ArrayLike, points: ArrayLike) -> FloatArray:
    """``points`` (..., 3) [m] moved by ``pose`` (4, 4): from the frame it describes to the frame it is given in."""
    matrix = np.asarray(pose, dtype=float)
    turn = np.ascontiguousarray(matrix[:3, :3].T)  # products with one that is not are slow
    with np.errstate(invalid="ignore"):  # NaN stays NaN; some machines' matrix products also warn of it
        return np.asarray(points, dtype=float) @ turn + matrix[:3, 3]


@dataclass(frozen=True)
class LiftedTraces:
    """Traces in the robot's frame.

    Attributes:
        points_in_base: (S + 1, N, 3) [m, base frame], NaN where the trace is invalid.
        predicted_starts: (N, 3) where the traces start without their anchor [m, base frame]: predicted, at the depth
            scale of the sensor.
        measured_depth: (N,) depth read at each start pixel, or just beside it [m]; NaN = no reading.
        anchored: (N,) the trace starts at that reading.
        scale: Of the predicted depth against the sensor.
    """

    points_in_base: FloatArray
    predicted_starts: FloatArray
    measured_depth: FloatArray
    anchored: NDArray[np.bool_]
    scale: DepthScale


def lift_traces(
    traces: TraceGrid,
    camera_in_base: ArrayLike,
    depth: NDArray[np.floating] | None = None,
    intrinsics: CameraIntrinsics | None = None,
) -> LiftedTraces:
    """Traces in the base frame, rescaled to the sensor's depth, each starting on the measured surface.

    A network's depth may be off-scale: one factor for the whole grid, found robustly against the readings, puts starts
    and displacements right along the rays (``depth_scale``). What remains differs from point to point and is an error
    of the start, not of the motion: each trace keeps its displacements and is shifted to the measured point of its
    start pixel. Where the image has no reading, or one of another surface, the trace's own start stays.

    Args:
        traces: Predicted traces in the camera frame. Points that are not finite, or not in front of the camera, are
            invalid.
        camera_in_base: (4, 4) pose of the camera's optical frame.
        depth: (H, W) measured depth [m], 0 or NaN = none; None to trust the traces' depth.
        intrinsics: Of the depth image.

    Raises:
        LiftingError: if the camera pose is not a rigid transform.
    """
    pose = np.asarray(camera_in_base, dtype=float)
    check_rigid(pose)
    points = traces.points_in_camera.astype(float)
    with np.errstate(invalid="ignore"):
        invalid = ~(traces.valid & (points[..., 2] > 0.0))
    if invalid.any():
        points[invalid] = np.nan
    anchored = np.zeros(traces.point_count, dtype=bool)
    if depth is None or intrinsics is None:
        starts = transform_points(pose, points[0])
        unread = np.full(traces.point_count, np.nan)
        return LiftedTraces(transform_points(pose, points), starts, unread, anchored, UNKNOWN_SCALE)
    measured = measured_starts(traces.pixels[0], depth, intrinsics)
    scale = estimate_depth_scale(points[0, :, 2], measured[:, 2])
    points *= scale.scale
    starts = transform_points(pose, points[0])
    shift = measured - points[0]
    with np.errstate(invalid="ignore"):
        anchored = np.abs(shift[:, 2]) <= MAX_ANCHOR_SHIFT
    points += np.where(anchored[:, None], shift, 0.0)
    return LiftedTraces(transform_points(pose, points), starts, measured[:, 2], anchored, scale)


def measured_starts(
    pixels: NDArray[np.floating], depth: NDArray[np.floating], intrinsics: CameraIntrinsics
) -> FloatArray:
    """(N, 3) measured points [m, camera frame] at ``pixels`` (N, 2) [px]; NaN where no reading is near.

    Holes are bridged by the nearest reading within ``ANCHOR_WINDOW`` pixels.
    """
    height, width = depth.shape
    found = np.full(len(pixels), np.nan)
    with np.errstate(invalid="ignore"):
        near = (pixels > -ANCHOR_WINDOW - 1.0) & (pixels < np.array([width, height]) + ANCHOR_WINDOW)
    missing = np.flatnonzero(near[:, 0] & near[:, 1])
    centre = np.rint(pixels[missing]).astype(int)
    for offsets in (_SPIRAL[:1], _SPIRAL[1:]):
        column, row = (centre[:, None, axis] + offsets[:, axis] for axis in (0, 1))
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        values = np.asarray(depth[np.where(inside, row, 0), np.where(inside, column, 0)], dtype=float)
        usable = inside & (values > 0.0) & np.isfinite(values)
        first = usable.argmax(axis=1)
        some = usable.any(axis=1)
        found[missing[some]] = values[some, first[some]]
        missing, centre = missing[~some], centre[~some]
    return intrinsics.back_project(pixels, found)


def back_projection_error(traces: TraceGrid, intrinsics: CameraIntrinsics) -> float:
    """Median distance [px] between start pixels and where ``intrinsics`` see the start points; NaN without any.

    Zero for traces made with these intrinsics, whatever their depth scale: large means a network, or a resizing of the
    image, that assumed another camera.
    """
    start, pixels = traces.points_in_camera[0].astype(float), traces.pixels[0].astype(float)
    known = np.isfinite(start).all(axis=-1) & np.isfinite(pixels).all(axis=-1)
    off = np.linalg.norm(intrinsics.project(start[known]) - pixels[known], axis=-1)
    off = off[np.isfinite(off)]
    return float(np.median(off)) if off.size else float("nan")


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
