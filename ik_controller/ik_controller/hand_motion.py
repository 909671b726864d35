"""How the hand moves, according to the points that ride it.

A rigid body's points move by one rotation and one translation per step; that is fitted robustly where the points can
tell a rotation, else the orientation is held and the median displacement taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller import so3

FloatArray = NDArray[np.float64]

MIN_POINTS_FOR_ROTATION = 4
"""Fewer points than this cannot tell a rotation from noise."""

MIN_SPREAD_FOR_ROTATION = 0.015
"""Horizontal RMS spread of the points below which a rotation is noise [m]."""

MAX_TURN_PER_STEP = 0.20
"""A hand that follows a trace turns less than this between steps [rad]; what is beyond is noise."""

OUTLIER_FACTOR = 3.0
"""Points further from the fit than this many median distances are left out."""

OUTLIER_FLOOR = 0.006
"""Distance below which no point is an outlier [m]."""

FITTING_ROUNDS = 2
"""Fits, each without the outliers of the one before."""

SMOOTHING_STEPS = 2
"""Half window of the triangular smoothing along the path [steps]."""


@dataclass(frozen=True)
class HandMotion:
    """Path of the tool centre point.

    Attributes:
        positions: (K + 1, 3) [m, base frame]; row 0 is the present pose. K may be shorter than the traces.
        rotations: (K + 1, 3, 3) turn of the hand in the base frame since row 0, which is the identity: the hand's
            orientation is ``rotations @ present``.
        support: (K + 1,) points that agree with the fit at each step.
        residual: (K + 1,) median distance of the points to the fit [m].
        rotation_observed: The points could tell a rotation.
    """

    positions: FloatArray
    rotations: FloatArray
    support: NDArray[np.int64]
    residual: FloatArray
    rotation_observed: bool

    @property
    def reach(self) -> float:
        """Largest distance from the present position [m]."""
        return float(np.linalg.norm(self.positions - self.positions[0], axis=1).max())


def estimate_hand_motion(
    points_in_base: FloatArray, tcp_in_base: FloatArray, min_points: int = 1
) -> HandMotion:
    """Fit the hand's motion to the traces of its points.

    Args:
        points_in_base: (S + 1, H, 3) traces of the points that ride the hand [m], NaN where invalid.
        tcp_in_base: (4, 4) present pose of the tool centre point.
        min_points: The path ends before the first step with fewer valid points.

    Returns:
        The motion; with no usable step it has a single row.
    """
    origin = tcp_in_base[:3, 3]
    valid = np.isfinite(points_in_base).all(axis=-1)
    valid &= valid[0]
    usable = valid.sum(axis=1) >= max(1, min_points)
    end = len(usable) if usable.all() else int(np.argmin(usable))
    if end < 2:
        single = np.zeros(1)
        return HandMotion(
            origin[None].copy(), np.eye(3)[None], np.array([int(valid[0].sum())]), single, False
        )
    kept = valid[:end]
    moved = np.where(kept[..., None], points_in_base[:end] - origin, 0.0)
    start = moved[0]
    for _ in range(FITTING_ROUNDS):
        observed, yaws = _fit_yaws(start, moved, kept)
        shifts = moved - _turned(start, yaws)
        centre = _medians(shifts, kept[..., None])
        distance = np.linalg.norm(shifts - centre[:, None], axis=-1)
        typical = _medians(distance, kept)
        agrees = kept & (distance <= np.maximum(OUTLIER_FLOOR, OUTLIER_FACTOR * typical)[:, None])
        enough = 2 * agrees.sum(axis=1) >= kept.sum(axis=1)
        kept = np.where(enough[:, None], agrees, kept)
    # The mean of the points that agree has less noise than their median.
    weights = kept / np.maximum(kept.sum(axis=1), 1)[:, None]
    positions = origin + np.einsum("kh,khi->ki", weights, moved - _turned(start, yaws))
    positions[0] = origin
    return HandMotion(
        positions=_smooth(positions),
        rotations=so3.about_vertical(_smooth(yaws[:, None])[:, 0]),
        support=kept.sum(axis=1),
        residual=typical,
        rotation_observed=bool(observed.any()),
    )


def _fit_yaws(
    start: FloatArray, moved: FloatArray, kept: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Rotation about z from ``start`` (H, 3) to each step of ``moved`` (K, H, 3), using the ``kept`` (K, H) points.

    Returns:
        (K,) whether the points can tell, and (K,) the rotation [rad]; where they cannot, the one before goes on.
    """
    count = kept.sum(axis=1)
    weights = kept / np.maximum(count, 1)[:, None]
    a = start[None, :, :2] - np.einsum("kh,hi->ki", weights, start[:, :2])[:, None]
    b = moved[..., :2] - np.einsum("kh,khi->ki", weights, moved[..., :2])[:, None]
    spread = np.sqrt(np.einsum("kh,khi->k", weights, np.square(a)))
    observed = (count >= MIN_POINTS_FOR_ROTATION) & (spread >= MIN_SPREAD_FOR_ROTATION)
    sine = np.einsum("kh,kh->k", weights, a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
    measured = np.arctan2(sine, np.einsum("kh,khi->k", weights, a * b))
    yaws = np.zeros(len(moved))
    for step in range(1, len(yaws)):
        turn = (measured[step] - yaws[step - 1] + np.pi) % (2 * np.pi) - np.pi if observed[step] else 0.0
        yaws[step] = yaws[step - 1] + min(max(turn, -MAX_TURN_PER_STEP), MAX_TURN_PER_STEP)
    return observed, yaws


def _turned(points: FloatArray, yaws: FloatArray) -> FloatArray:
    """(K, H, 3) ``points`` (H, 3) rotated about z by each of ``yaws`` (K,) [rad]."""
    cos, sin = np.cos(yaws)[:, None], np.sin(yaws)[:, None]
    x, y, z = points.T
    return np.stack([cos * x - sin * y, sin * x + cos * y, np.broadcast_to(z, (len(yaws), len(z)))], axis=-1)


def _medians(values: FloatArray, kept: NDArray[np.bool_]) -> FloatArray:
    """Median of ``values`` (K, H, ...) over axis 1, of those ``kept``; at least one of each row is."""
    ordered = np.sort(np.where(kept, values, np.inf), axis=1)
    count = np.broadcast_to(kept, values.shape).sum(axis=1, keepdims=True)
    low = np.take_along_axis(ordered, (count - 1) // 2, axis=1)
    high = np.take_along_axis(ordered, count // 2, axis=1)
    return (low[:, 0] + high[:, 0]) / 2


def _smooth(values: FloatArray) -> FloatArray:
    """Triangular moving average along rows; windows shrink at the ends, so both end rows stay as they are."""
    out = values.copy()
    last = len(values) - 1
    for row in range(1, last):
        half = min(SMOOTHING_STEPS, row, last - row)
        weights = half + 1.0 - np.abs(np.arange(-half, half + 1))
        out[row] = weights @ values[row - half : row + half + 1] / weights.sum()
    return out
