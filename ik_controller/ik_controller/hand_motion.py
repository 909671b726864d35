"""How the hand moves, according to the points that ride it.

A rigid body's points move by one rotation and one translation per step; that is fitted robustly where the points can tell
a rotation, else the orientation is held and the median displacement taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

SMOOTHING_STEPS = 2
"""Half window of the triangular smoothing along the path [steps]."""


@dataclass(frozen=True)
class HandMotion:
    """Path of the tool centre point.

    Attributes:
        positions: (K + 1, 3) [m, base frame]; row 0 is the present pose. K may be shorter than the traces.
        yaws: (K + 1,) rotation about the base's z axis relative to the present orientation [rad]; row 0 is 0.
        support: (K + 1,) points that agree with the fit at each step.
        residual: (K + 1,) median distance of the points to the fit [m].
        rotation_observed: The points could tell a rotation.
    """

    positions: FloatArray
    yaws: FloatArray
    support: NDArray[np.int64]
    residual: FloatArray
    rotation_observed: bool

    @property
    def reach(self) -> float:
        """Largest distance from the present position [m]."""
        return float(np.linalg.norm(self.positions - self.positions[0], axis=1).max())

    def rotations(self, rotation: FloatArray) -> FloatArray:
        """(K + 1, 3, 3) orientation at each step for a hand whose present one is ``rotation`` (3, 3)."""
        cos, sin = np.cos(self.yaws), np.sin(self.yaws)
        turn = np.zeros((len(self.yaws), 3, 3))
        turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1] = cos, -sin, sin, cos
        turn[:, 2, 2] = 1.0
        return turn @ rotation


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
    start = points_in_base[0] - origin
    valid = np.isfinite(points_in_base).all(axis=-1) & np.isfinite(start).all(axis=-1)
    usable = valid.sum(axis=1) >= max(1, min_points)
    end = len(usable) if usable.all() else int(np.argmin(usable))
    positions, yaws, support, residuals = [origin.copy()], [0.0], [int(valid[0].sum())], [0.0]
    rotation_observed = False
    for step in range(1, end):
        here = valid[step]
        a, b = start[here], points_in_base[step, here] - origin
        kept = np.ones(len(a), dtype=bool)
        for _ in range(2):
            yaw = _fit_yaw(a[kept], b[kept])
            rotation_observed |= yaw is not None
            angle = (
                yaws[-1]
                if yaw is None
                else yaws[-1] + float(np.clip(_wrap(yaw - yaws[-1]), -MAX_TURN_PER_STEP, MAX_TURN_PER_STEP))
            )
            moved = b - _turn(a, angle)
            translation = np.median(moved[kept], axis=0)
            distance = np.linalg.norm(moved - translation, axis=1)
            agrees = distance <= max(OUTLIER_FLOOR, OUTLIER_FACTOR * float(np.median(distance)))
            if agrees.sum() < max(1, len(a) // 2):
                break
            kept = agrees
        # The mean of the points that agree has less noise than their median.
        translation = moved[kept].mean(axis=0)
        positions.append(origin + translation)
        yaws.append(angle)
        support.append(int(kept.sum()))
        residuals.append(float(np.median(distance)))
    return HandMotion(
        positions=_smooth(np.array(positions)),
        yaws=_smooth(np.array(yaws)[:, None])[:, 0],
        support=np.array(support),
        residual=np.array(residuals),
        rotation_observed=rotation_observed,
    )


def _fit_yaw(a: FloatArray, b: FloatArray) -> float | None:
    """Rotation about z that turns ``a`` (H, 3) towards ``b`` (H, 3) [rad]; None where the points cannot tell."""
    if len(a) < MIN_POINTS_FOR_ROTATION:
        return None
    a0, b0 = a[:, :2] - a[:, :2].mean(axis=0), b[:, :2] - b[:, :2].mean(axis=0)
    if np.sqrt(np.square(a0).sum() / len(a)) < MIN_SPREAD_FOR_ROTATION:
        return None
    sine = (a0[:, 0] * b0[:, 1] - a0[:, 1] * b0[:, 0]).sum()
    return float(np.arctan2(sine, (a0 * b0).sum()))


def _turn(points: FloatArray, yaw: float) -> FloatArray:
    cos, sin = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _wrap(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _smooth(values: FloatArray) -> FloatArray:
    """Triangular moving average along rows; windows shrink at the ends, so both end rows stay as they are."""
    out = values.copy()
    last = len(values) - 1
    for row in range(1, last):
        half = min(SMOOTHING_STEPS, row, last - row)
        weights = half + 1.0 - np.abs(np.arange(-half, half + 1))
        out[row] = weights @ values[row - half : row + half + 1] / weights.sum()
    return out
