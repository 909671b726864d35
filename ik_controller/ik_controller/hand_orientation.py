"""How the hand is held along a path, by how much of its orientation the traces may decide.

Traces carry no orientation; a rigid fit to the points on the hand gives one (``hand_motion``). How much of it is
obeyed is a choice:

- *held*: none; the hand keeps the orientation it has, as TraceGen's authors do.
- *heading*: the rotation about the vertical. The hand points straight down, as one does over a table, and leans towards
  the base where the arm could not reach otherwise: close to its base it would have to fold its fourth joint beyond the
  limit (``test_rectangular_limits_reach_every_place_on_the_table``).
- *full*: all of it.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ik_controller import so3

FloatArray = NDArray[np.float64]

TILT_FREE_RADIUS = 0.44
"""From this distance to the base's axis on, the hand points straight down [m]."""

FULL_TILT_RADIUS = 0.32
"""At this distance the tilt is at its largest [m]."""

FULL_TILT = np.radians(16.0)
"""Largest tilt [rad]."""


class OrientationFreedom(StrEnum):
    """How much of the hand's orientation follows the traces."""

    HELD = "held"
    HEADING = "heading"
    FULL = "full"


def allowed_rotations(
    freedom: OrientationFreedom, positions: FloatArray, rotations: FloatArray
) -> FloatArray:
    """(K, 3, 3) orientations nearest to what is wanted that ``freedom`` allows.

    Args:
        freedom: How much of ``rotations`` is obeyed.
        positions: (K, 3) tool centre points [m, base frame].
        rotations: (K, 3, 3) wanted orientations; the first one is the present one.
    """
    match freedom:
        case OrientationFreedom.HELD:
            return np.broadcast_to(rotations[:1], rotations.shape).copy()
        case OrientationFreedom.HEADING:
            return hand_rotations(positions, np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0]))
        case OrientationFreedom.FULL:
            return rotations


def turned_to(rotation: FloatArray, wanted: float) -> FloatArray:
    """``rotation`` (3, 3) turned about the vertical until its heading is ``wanted`` [rad]."""
    return so3.about_vertical(wanted - heading(rotation)) @ rotation


def heading(rotation: FloatArray) -> float:
    """Rotation about the vertical [rad] of a hand that points about down, from its x axis."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def hand_rotations(positions: FloatArray, headings: FloatArray) -> FloatArray:
    """(K, 3, 3) orientation of a hand pointing down at ``positions`` (K, 3) [m], turned to ``headings`` (K,) [rad]."""
    down = so3.about_vertical(headings) * np.array([1.0, -1.0, -1.0])
    return reach_tilt(positions) @ down


def reach_tilt(positions: FloatArray) -> FloatArray:
    """(K, 3, 3) lean of the fingertips towards the base, the more the nearer ``positions`` (K, 3) [m] are to it."""
    radius = np.maximum(np.linalg.norm(positions[:, :2], axis=1), 1e-6)
    share = np.clip((TILT_FREE_RADIUS - radius) / (TILT_FREE_RADIUS - FULL_TILT_RADIUS), 0.0, 1.0)
    angle = FULL_TILT * share**2 * (3.0 - 2.0 * share)
    # Axis: horizontal, a quarter turn left of the direction away from the base.
    sideways = np.column_stack([-positions[:, 1], positions[:, 0], np.zeros(len(positions))])
    return so3.exp(sideways * (angle / radius)[:, None])
