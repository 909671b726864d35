"""How the hand is held along a path: straight down, turned as the traces say, tilted where the arm could not reach
otherwise.

Traces carry no orientation. On a table the hand points down; only its heading (rotation about the vertical) is
observed. Close to its base the arm would have to fold its fourth joint beyond the limit to point straight down, so
the fingertips lean towards the base there (``test_hand_orientation`` checks that the rectangular limits suffice for
every table position of the demo).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

TILT_FREE_RADIUS = 0.44
"""From this distance to the base's axis on, the hand points straight down [m]."""

FULL_TILT_RADIUS = 0.32
"""At this distance the tilt is at its largest [m]."""

FULL_TILT = np.radians(16.0)
"""Largest tilt [rad]."""


def heading(rotation: FloatArray) -> float:
    """Rotation about the vertical [rad] of a hand that points about down, from its x axis."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def hand_rotations(positions: FloatArray, headings: FloatArray) -> FloatArray:
    """(K, 3, 3) orientation of the hand at ``positions`` (K, 3) [m, base frame] with ``headings`` (K,) [rad]."""
    cos, sin = np.cos(headings), np.sin(headings)
    down = np.zeros((len(positions), 3, 3))
    down[:, 0, 0], down[:, 0, 1], down[:, 1, 0], down[:, 1, 1], down[:, 2, 2] = cos, sin, sin, -cos, -1.0
    return reach_tilt(positions) @ down


def reach_tilt(positions: FloatArray) -> FloatArray:
    """(K, 3, 3) lean of the fingertips towards the base, the more the nearer ``positions`` (K, 3) [m] are to it."""
    radius = np.maximum(np.linalg.norm(positions[:, :2], axis=1), 1e-6)
    share = np.clip((TILT_FREE_RADIUS - radius) / (TILT_FREE_RADIUS - FULL_TILT_RADIUS), 0.0, 1.0)
    angle = FULL_TILT * share**2 * (3.0 - 2.0 * share)
    # Axis: horizontal, a quarter turn left of the direction away from the base. Rodrigues' formula.
    x, y = -positions[:, 1] / radius, positions[:, 0] / radius
    cross = np.zeros((len(positions), 3, 3))
    cross[:, 0, 2], cross[:, 1, 2], cross[:, 2, 0], cross[:, 2, 1] = y, -x, -y, x
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + sine * cross + (1.0 - cosine) * (cross @ cross)
