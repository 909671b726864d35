"""Courses for the hand: curves with an orientation at each place, which ground-truth traces lead along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller import so3
from ik_controller.hand_orientation import OrientationFreedom

FloatArray = NDArray[np.float64]

TURN_LENGTH = 0.08
"""A turn of one radian counts as this much path [m], as in the demonstrations."""

SPACING = 0.001
"""Distance between the samples of a course, about [m]."""

ACROSS, AHEAD, DOWN = 0.24, 0.08, -0.06
"""Extent of a straight course: towards the far side of the table, away from the base, down [m]."""

CURVE_RADIUS = 0.11
CURVE_DIP = 0.04
"""Radius of a curved course, half a circle, and how far it goes down on its way [m]."""

TURNING = (0.0, 0.0, np.radians(50.0))
TILTING = (np.radians(14.0), np.radians(8.0), np.radians(30.0))
"""Rotation vectors of the turn that the hand makes on a course [rad, base frame]."""

SEARCH_AHEAD = 0.06
SEARCH_BACK = 0.10
"""Part of the course that is searched for where the hand is, from where it was last [m]."""


@dataclass(frozen=True)
class Course:
    """Where the hand shall go.

    Attributes:
        positions: (K, 3) tool centre points [m, base frame].
        rotations: (K, 3, 3).
        lengths: (K,) path length, from 0 [m].
        freedom: How much of its rotation the follower is allowed to make.
    """

    positions: FloatArray
    rotations: FloatArray
    lengths: FloatArray
    freedom: OrientationFreedom

    @property
    def length(self) -> float:
        """Of the whole course [m]."""
        return float(self.lengths[-1])

    def at(self, lengths: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Positions (T, 3) [m] and rotations (T, 3, 3) at ``lengths`` (T,) [m]; past the end, the end."""
        index = np.searchsorted(self.lengths, np.clip(lengths, 0.0, self.length)).clip(
            max=len(self.lengths) - 1
        )
        return self.positions[index], self.rotations[index]

    def nearest(self, point: FloatArray, last: float) -> float:
        """Length [m] at which the course passes nearest to ``point`` (3,) [m], near ``last`` [m]."""
        near = (self.lengths >= last - SEARCH_BACK) & (self.lengths <= last + SEARCH_AHEAD)
        distance = np.linalg.norm(self.positions - point, axis=1)
        return float(self.lengths[np.argmin(np.where(near, distance, np.inf))])

    def distance(self, points: FloatArray) -> FloatArray:
        """(T,) distance of ``points`` (T, 3) [m] to the course [m]."""
        return np.linalg.norm(points[:, None] - self.positions[::4], axis=-1).min(axis=1)


def straight(pose: FloatArray) -> Course:
    """A straight line; the hand does not turn."""
    return _line(pose, (0.0, 0.0, 0.0), OrientationFreedom.HEADING)


def turning(pose: FloatArray) -> Course:
    """A straight line on which the hand turns about the vertical."""
    return _line(pose, TURNING, OrientationFreedom.HEADING)


def tilting(pose: FloatArray) -> Course:
    """A straight line on which the hand turns and tilts."""
    return _line(pose, TILTING, OrientationFreedom.FULL)


def curved(pose: FloatArray) -> Course:
    """Half a circle that goes down and up again; the hand does not turn."""
    angle = np.linspace(0.0, np.pi, 1 + round(np.pi * CURVE_RADIUS / SPACING))
    side = _far_side(pose)
    moved = np.column_stack(
        [
            CURVE_RADIUS * np.sin(angle),
            side * CURVE_RADIUS * (1.0 - np.cos(angle)),
            -CURVE_DIP * np.sin(angle),
        ]
    )
    return _course(pose, moved, np.zeros((len(angle), 3)), OrientationFreedom.HEADING)


COURSES: dict[str, Callable[[FloatArray], Course]] = {
    "straight": straight,
    "curved": curved,
    "turning": turning,
    "tilting": tilting,
}
"""Courses by name; each is made for a pose (4, 4) of the tool centre point where it begins."""


def _line(pose: FloatArray, turn: tuple[float, float, float], freedom: OrientationFreedom) -> Course:
    goal = np.array([AHEAD, _far_side(pose) * ACROSS, DOWN])
    share = np.linspace(0.0, 1.0, 1 + round(float(np.linalg.norm(goal)) / SPACING))[:, None]
    return _course(pose, share * goal, share * np.array(turn), freedom)


def _course(pose: FloatArray, moved: FloatArray, turns: FloatArray, freedom: OrientationFreedom) -> Course:
    steps = np.maximum(
        np.linalg.norm(np.diff(moved, axis=0), axis=1),
        TURN_LENGTH * np.linalg.norm(np.diff(turns, axis=0), axis=1),
    )
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    return Course(pose[:3, 3] + moved, so3.exp(turns) @ pose[:3, :3], lengths, freedom)


def _far_side(pose: FloatArray) -> float:
    """Sign of y on the other side of the table."""
    return -1.0 if pose[1, 3] > 0.0 else 1.0
