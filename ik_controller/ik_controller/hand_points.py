"""Which grid points ride the hand: those whose start lies on the hand's shape, placed by forward kinematics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.robot_model import HandGeometry

FloatArray = NDArray[np.float64]

HAND_MARGIN = 0.008
"""How far outside the hand's boxes a point may lie and still be on it [m]: depth noise and calibration error."""


@dataclass(frozen=True)
class HandPoints:
    """Points found on the hand.

    Attributes:
        mask: (N,) the point rides the hand.
        distances: (N,) signed distance of each start to the hand's surface [m], negative inside; inf where invalid.
    """

    mask: NDArray[np.bool_]
    distances: FloatArray

    @property
    def count(self) -> int:
        """How many points ride the hand."""
        return int(self.mask.sum())

    @property
    def mean_distance(self) -> float:
        """Mean absolute distance of the points found to the hand's surface [m]; large means a bad calibration."""
        return float(np.abs(self.distances[self.mask]).mean()) if self.mask.any() else float("inf")


def find_hand_points(
    starts_in_base: FloatArray,
    hand_in_base: FloatArray,
    hand: HandGeometry,
    finger_width: float,
    margin: float = HAND_MARGIN,
) -> HandPoints:
    """Grid points on the hand.

    Args:
        starts_in_base: (N, 3) start of each trace [m], NaN where invalid.
        hand_in_base: (4, 4) pose of the hand's frame at the image's stamp.
        hand: The hand's shape.
        finger_width: Opening between the fingers at that time [m].
        margin: How far outside the boxes still counts [m].
    """
    distances = signed_distance(starts_in_base, hand_in_base, hand.boxes(finger_width))
    return HandPoints(distances <= margin, distances)


def signed_distance(points_in_base: FloatArray, frame_in_base: FloatArray, boxes: FloatArray) -> FloatArray:
    """(N,) distance [m] of points (N, 3) to the union of ``boxes`` (B, 2, 3), negative inside, inf where invalid."""
    local = (points_in_base - frame_in_base[:3, 3]) @ frame_in_base[:3, :3]
    centre, half = boxes.mean(axis=1), np.diff(boxes, axis=1)[:, 0] / 2
    beyond = np.abs(local[:, None] - centre) - half
    outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=-1)
    distance = (outside + np.minimum(beyond.max(axis=-1), 0.0)).min(axis=1)
    return np.where(np.isnan(distance), np.inf, distance)
