"""How the hand moves, according to the points that ride it.

The hand is a rigid body, so each step is one rotation and one translation of all its points (``rigid_fit``); the tool
centre point rides along. Rotations and positions are smoothed by their standard errors (``path_smoothing``); the
present pose, where the path begins, is known and stays.

Whether the points can tell the rotation is decided once for a path, by the standard error that their number, their
spread, their distance to the fit and the smoothing leave: where a full rotation would be noise its heading may still be
sound, and where that is noise too the orientation is held. It is held as well where the points fit no rigid motion.

The method *median displacement* knows no rotation: the tool centre point moves by the median of its points'
displacements, as in TraceGen's own executor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ik_controller import so3
from ik_controller.hand_orientation import OrientationFreedom
from ik_controller.path_smoothing import SmoothPath, smooth_rotations, smooth_rows
from ik_controller.rigid_fit import (
    MEDIAN_TO_SIGMA,
    RigidFit,
    fit_rigid,
    masked_medians,
    rotation_errors,
)

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

FARTHEST_POINT = 10.0
"""A point further than this from the tool centre point along an axis is no point of the scene [m]."""

LADDERS = {
    OrientationFreedom.FULL: (OrientationFreedom.FULL, OrientationFreedom.HEADING),
    OrientationFreedom.HEADING: (OrientationFreedom.HEADING,),
    OrientationFreedom.HELD: (),
}
"""Rotations that are tried in turn, by what the hand may do; where none can be told, it is held."""

LARGEST_STEP_ERROR = 0.3
"""Rotations that are off by more in each single step are spread all around the circle [rad]: no turn shows in them."""

SECOND_DIFFERENCE = (1.0, -2.0, 1.0)
"""Of three rows; independent errors are larger in it by the norm of these."""

FIT_PARAMETERS = 6
"""Numbers that a rigid motion has: so many coordinates fit exactly, whatever their error."""


class HandMotionMethod(StrEnum):
    """How the hand's motion is read from its points."""

    MEDIAN_DISPLACEMENT = "median-displacement"
    RIGID = "rigid"


@dataclass(frozen=True)
class HandMotionConfig:
    """Settings of the fit.

    Attributes:
        method: Rigid fit, or median displacement.
        min_points: The path ends before the first step with fewer valid points.
        max_rotation_error: A rotation with a larger standard error is not believed [rad] ...
        max_turn_error: ... unless it is up to this [rad] and the hand turns by ...
        significance: ... so many times as much.
        max_residual: Points with a larger median distance to every rigid motion tell no rotation [m].
        least_point_error: Points are off by this much at least, however well they fit [m].
        least_position_error: What the points of a step have in common in their error [m]; no number of points helps.
        least_rotation_error: Likewise for the rotation [rad].
        bend: Expected change of direction from step to step [rad], of position.
        turn_bend: Expected change of the turning rate from step to step, per metre of path [rad/m].
        least_step: Steps shorter than this are smoothed as if they were as long [m].
    """

    method: HandMotionMethod = HandMotionMethod.RIGID
    min_points: int = 1
    max_rotation_error: float = 0.06
    max_turn_error: float = 0.12
    significance: float = 4.0
    max_residual: float = 0.05
    least_point_error: float = 0.002
    least_position_error: float = 0.0007
    least_rotation_error: float = 0.004
    bend: float = 0.12
    turn_bend: float = 1.0
    least_step: float = 0.002

    def __post_init__(self) -> None:
        numbers = {name: value for name, value in vars(self).items() if name != "method"}
        if bad := {name: value for name, value in numbers.items() if not 0 < value < float("inf")}:
            raise ValueError(f"settings of the hand's motion must be positive and finite, got {bad}")


@dataclass(frozen=True)
class HandMotion:
    """Path of the tool centre point.

    Attributes:
        positions: (K + 1, 3) [m, base frame]; row 0 is the present pose. K may be shorter than the traces.
        rotations: (K + 1, 3, 3) turn of the hand in the base frame since row 0, which is the identity: the hand's
            orientation is ``rotations @ present``.
        support: (K + 1,) points that agree with the fit at each step.
        residual: (K + 1,) median distance of the points to the fit [m].
        observed: How much of the rotation the points could tell.
    """

    positions: FloatArray
    rotations: FloatArray
    support: NDArray[np.int64]
    residual: FloatArray
    observed: OrientationFreedom = OrientationFreedom.HELD

    @property
    def rotation_observed(self) -> bool:
        """The points could tell a rotation, or its heading."""
        return self.observed is not OrientationFreedom.HELD

    @property
    def reach(self) -> float:
        """Largest distance from the present position [m]."""
        return float(np.linalg.norm(self.positions - self.positions[0], axis=1).max())


def estimate_hand_motion(
    points_in_base: FloatArray,
    tcp_in_base: FloatArray,
    config: HandMotionConfig | None = None,
    freedom: OrientationFreedom = OrientationFreedom.HEADING,
) -> HandMotion:
    """Fit the hand's motion to the traces of its points.

    Args:
        points_in_base: (S + 1, H, 3) traces of the points that ride the hand [m], NaN where invalid.
        tcp_in_base: (4, 4) present pose of the tool centre point.
        config: Settings.
        freedom: Rotations that the hand may make; a fit that is asked for no more has less noise.

    Returns:
        The motion; with no usable step it has a single row.
    """
    config = config or HandMotionConfig()
    origin = tcp_in_base[:3, 3]
    local = points_in_base - origin
    with np.errstate(invalid="ignore"):
        valid = (np.abs(local) <= FARTHEST_POINT).all(axis=-1)
    valid &= valid[0]
    usable = valid.sum(axis=1) >= max(1, config.min_points)
    end = len(usable) if usable.all() else int(np.argmin(usable))
    if end < 2:
        support = np.array([int(valid[0].sum())])
        return HandMotion(origin[None].copy(), np.eye(3)[None], support, np.zeros(1))
    kept = valid[:end]
    moved = np.where(kept[..., None], local[:end], 0.0)
    step = max(_typical_step(moved, kept), config.least_step)
    fit, rotations, observed = _believed_fit(moved, kept, step, config, freedom)
    weights = fit.weights.sum(axis=1)
    if config.method is HandMotionMethod.MEDIAN_DISPLACEMENT:
        positions = masked_medians(moved - moved[0], kept)
    else:
        # Smoothed, the rotation brings less of its error into the position, a lever away from the points.
        share = fit.weights / weights[:, None]
        positions = np.einsum("kh,khi->ki", share, moved - moved[0] @ np.swapaxes(rotations, 1, 2))
    positions[0] = 0.0
    scatter = _point_error(fit.distances, kept, config) / np.sqrt(weights)
    errors = np.maximum(np.hypot(config.least_position_error, scatter), _jitter(positions))
    smooth = smooth_rows(positions, errors, config.bend * step)
    return HandMotion(origin + smooth.values, rotations, fit.support, fit.distances, observed)


def _believed_fit(
    moved: FloatArray, kept: BoolArray, step: float, config: HandMotionConfig, freedom: OrientationFreedom
) -> tuple[RigidFit, FloatArray, OrientationFreedom]:
    """The fit with as much rotation as ``freedom`` allows and the points can tell, and (K + 1, 3, 3) that, smoothed."""
    if config.method is HandMotionMethod.RIGID and kept[1:].sum(axis=1).max() > 1:
        for level in LADDERS[freedom]:
            fit = fit_rigid(moved[0], moved, kept, level)
            if np.median(fit.distances) > config.max_residual:
                continue
            sigma = _point_error(fit.distances, kept, config)
            about_z, about_any = rotation_errors(moved[0], fit.weights, sigma)
            errors = about_any if level is OrientationFreedom.FULL else about_z
            errors = np.hypot(errors, config.least_rotation_error)
            smooth = smooth_rotations(fit.rotations, errors, config.turn_bend * step)
            limit = _error_limit(smooth, float(np.median(errors[1:])), config)
            if np.median(smooth.errors[1:]) <= limit:
                return fit, _held_where_lost(smooth, limit), level
    held = fit_rigid(moved[0], moved, kept, OrientationFreedom.HELD)
    return held, np.broadcast_to(np.eye(3), (len(moved), 3, 3)).copy(), OrientationFreedom.HELD


def _error_limit(rotations: SmoothPath, step_error: float, config: HandMotionConfig) -> float:
    """Standard error [rad] up to which smoothed ``rotations`` are believed, each step's own being ``step_error``."""
    if step_error > LARGEST_STEP_ERROR:
        return config.max_rotation_error
    told = rotations.errors <= config.max_turn_error
    turn = float(so3.angles_between(rotations.values[:1], rotations.values[told]).max())
    return float(np.clip(turn / config.significance, config.max_rotation_error, config.max_turn_error))


def _held_where_lost(rotations: SmoothPath, max_error: float) -> FloatArray:
    """(K + 1, 3, 3) ``rotations``, the last one with an error up to ``max_error`` [rad] kept from there on."""
    last = int(np.flatnonzero(rotations.errors <= max_error)[-1])
    held = rotations.values.copy()
    held[last + 1 :] = held[last]
    return held


def _point_error(distances: FloatArray, kept: BoolArray, config: HandMotionConfig) -> float:
    """Standard deviation of a point's error an axis [m], from its distance to the fit over the whole path."""
    coordinates = 3.0 * float(kept[1:].sum(axis=1).mean())
    # What the fit itself takes up of the error does not show in the distances.
    lost = np.sqrt(coordinates / max(coordinates - FIT_PARAMETERS, 1.0))
    seen = float(np.median(distances[1:])) * MEDIAN_TO_SIGMA * lost
    return max(seen, config.least_point_error)


def _jitter(positions: FloatArray) -> float:
    """Standard deviation an axis [m] of what (K, 3) ``positions`` jump about from step to step.

    It is all that can be known of a single point's error, and shows what the points of a step have in common in theirs.
    """
    if len(positions) < len(SECOND_DIFFERENCE):
        return 0.0
    bends = np.diff(positions, n=2, axis=0)
    typical = float(np.median(np.sqrt(np.square(bends).sum(axis=1)))) * MEDIAN_TO_SIGMA
    return typical / float(np.linalg.norm(SECOND_DIFFERENCE))


def _typical_step(moved: FloatArray, kept: BoolArray) -> float:
    """Median over the steps of the way that the points make in one [m]."""
    count = np.maximum((kept[1:] & kept[:-1]).sum(axis=1), 1)
    both = (kept[1:] & kept[:-1])[..., None]
    mean = np.where(both, np.diff(moved, axis=0), 0.0).sum(axis=1) / count[:, None]
    return float(np.median(np.sqrt(np.square(mean).sum(axis=1))))
