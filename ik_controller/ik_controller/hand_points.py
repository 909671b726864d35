"""Which grid points ride the hand, told from the robot's own geometry, and how sure that is.

A trace rides the hand where it starts on the hand's shape as forward kinematics places it. Where the depth image has
a reading, the trace starts there (``lifting``), and its distance to the shape decides. Where it has none, the pixel's
ray decides (``hand_visibility``): if it meets the hand, and the predicted start is not far from there, it is the hand.
Where the depth image shows something in front of the hand, or behind it, the trace does not ride it, whatever was
predicted. None of this depends on how many grid points the hand covers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.hand_geometry import HandGeometry
from ik_controller.hand_visibility import (
    HAND_MARGIN,
    HandView,
    Sight,
    distance_to_boxes,
    look_at_hand,
)
from ik_controller.lifting import LiftedTraces
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid

FloatArray = NDArray[np.float64]

START_TOLERANCE = 0.04
"""Without a reading, a start predicted this near to the hand's surface along the ray is on it [m]."""


@dataclass(frozen=True)
class HandPoints:
    """Points found on the hand.

    Attributes:
        mask: (N,) the point rides the hand.
        distances: (N,) signed distance of each start to the hand's surface [m], negative inside; inf where invalid.
        confidence: How sure it is, 0..1, that the hand is where these points are: the share of the pixels that should
            show it which do, see ``hand_visibility``; 0 where no depth image could tell.
        expected: Grid points that should lie on the hand, as far as nothing is in front of it; 0 without a depth image.
        start_distance: Median distance between predicted starts and the hand's surface, along the rays that show the
            hand, at the sensor's depth scale [m]; NaN where that is not known. Large means traces of another scene,
            another time or another camera.
    """

    mask: NDArray[np.bool_]
    distances: FloatArray
    confidence: float = 0.0
    expected: int = 0
    start_distance: float = float("nan")

    @property
    def count(self) -> int:
        """How many points ride the hand."""
        return int(self.mask.sum())

    @property
    def mean_distance(self) -> float:
        """Mean absolute distance of the points found to the hand's surface [m]; large means a bad calibration."""
        return float(np.abs(self.distances[self.mask]).mean()) if self.mask.any() else float("inf")


def read_hand_points(
    traces: TraceGrid,
    lifted: LiftedTraces,
    intrinsics: CameraIntrinsics,
    camera_in_base: FloatArray,
    hand_in_base: FloatArray,
    hand: HandGeometry,
    finger_width: float,
) -> HandPoints:
    """Traces that ride the hand, as starts, rays and depth image tell.

    Args:
        traces: As predicted.
        lifted: The same in the robot's frame, with the depth that was read at their start pixels.
        intrinsics: Of the camera that ``traces`` belong to.
        camera_in_base: (4, 4) pose of its optical frame with which they were lifted.
        hand_in_base: (4, 4) pose of the hand's frame at the image's stamp.
        hand: The hand's shape.
        finger_width: Opening between the fingers at that time [m].
    """
    view = look_at_hand(
        traces.pixels[0],
        lifted.measured_depth,
        intrinsics,
        camera_in_base,
        hand_in_base,
        hand.boxes(finger_width),
    )
    starts, predicted = lifted.points_in_base[0], lifted.predicted_starts
    return find_hand_points(starts, hand_in_base, hand, finger_width, view=view, predicted_starts=predicted)


def find_hand_points(
    starts_in_base: FloatArray,
    hand_in_base: FloatArray,
    hand: HandGeometry,
    finger_width: float,
    margin: float = HAND_MARGIN,
    view: HandView | None = None,
    predicted_starts: FloatArray | None = None,
) -> HandPoints:
    """Grid points on the hand.

    Args:
        starts_in_base: (N, 3) start of each trace [m], NaN where invalid.
        hand_in_base: (4, 4) pose of the hand's frame at the image's stamp.
        hand: The hand's shape.
        finger_width: Opening between the fingers at that time [m].
        margin: How far outside the boxes still counts [m].
        view: What the depth image shows of the hand at the start pixels; None without a depth image.
        predicted_starts: (N, 3) starts before they were put on readings [m]; as ``starts_in_base`` where not given.
    """
    boxes = hand.boxes(finger_width)
    distances = signed_distance(starts_in_base, hand_in_base, boxes)
    mask = distances <= margin
    if view is None:
        return HandPoints(mask, distances)
    with np.errstate(invalid="ignore"):
        along_ray = np.linalg.norm(starts_in_base - view.expected_in_base, axis=-1) <= START_TOLERANCE
    mask &= (view.sight != Sight.HIDDEN) & (view.sight != Sight.SEEN_THROUGH)
    mask |= along_ray & (view.sight == Sight.UNREAD)
    shown = view.sight == Sight.SEEN
    predicted = starts_in_base if predicted_starts is None else predicted_starts
    off = np.linalg.norm(predicted[shown] - view.expected_in_base[shown], axis=-1)
    off = off[np.isfinite(off)]
    start_distance = float(np.median(off)) if off.size else float("nan")
    return HandPoints(mask, distances, view.confidence, view.expected, start_distance)


def signed_distance(points_in_base: FloatArray, frame_in_base: FloatArray, boxes: FloatArray) -> FloatArray:
    """(N,) distance [m] of points (N, 3) to the union of ``boxes`` (B, 2, 3), negative inside, inf where invalid."""
    local = (points_in_base - frame_in_base[:3, 3]) @ frame_in_base[:3, :3]
    distance = distance_to_boxes(local, boxes)
    return np.where(np.isnan(distance), np.inf, distance)
