"""Exact truth for points on the hand: they ride with forward kinematics of the recorded joints, fingers included."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ik_controller.evaluation.recording import FloatArray, JointTrack
from ik_controller.hand_points import signed_distance
from ik_controller.robot_model import HandGeometry, RobotModel

SURE_MARGIN = 0.003
"""A point this near to the hand's boxes lies on the hand [m] ..."""

UNSURE_MARGIN = 0.012
"""... and one this near may: it is left out. Depth noise, calibration and the boxes' own error decide between."""


class HandPart(IntEnum):
    """What a point lies on."""

    NONE = 0
    PALM = 1
    LEFT_FINGER = 2
    """The one on the +y side of the hand's frame."""
    RIGHT_FINGER = 3
    UNSURE = 4
    """Too near to the hand to be called something else, too far to be called the hand."""


FINGER_DIRECTIONS = {HandPart.LEFT_FINGER: np.array([1.0, 0.0]), HandPart.RIGHT_FINGER: np.array([0.0, -1.0])}
"""Motion along y of the hand's frame for motions of the two fingers away from the middle."""


def find_hand_parts(
    points_in_base: FloatArray, hand_in_base: FloatArray, hand: HandGeometry, width: float
) -> NDArray[np.int8]:
    """(N,) ``HandPart`` that each of ``points_in_base`` (N, 3) [m] lies on; NONE where a point is NaN.

    Args:
        points_in_base: Seen points.
        hand_in_base: (4, 4) pose of the hand's frame at that time.
        hand: The hand's shape.
        width: Opening between the fingers [m]; NaN where unknown, and then no point is on a finger.
    """
    known = bool(np.isfinite(width))
    boxes = hand.boxes(width if known else hand.max_width)
    palm, fingers = len(hand.palm), len(hand.finger)
    groups = {
        HandPart.PALM: boxes[:palm],
        HandPart.LEFT_FINGER: boxes[palm : palm + fingers],
        HandPart.RIGHT_FINGER: boxes[palm + fingers :],
    }
    distances = np.stack([signed_distance(points_in_base, hand_in_base, group) for group in groups.values()])
    nearest = distances.min(axis=0)
    parts = np.array([int(part) for part in groups], np.int8)[distances.argmin(axis=0)]
    parts[nearest > SURE_MARGIN] = HandPart.UNSURE
    parts[nearest > UNSURE_MARGIN] = HandPart.NONE
    if not known:
        on_finger = (parts == HandPart.LEFT_FINGER) | (parts == HandPart.RIGHT_FINGER)
        parts[on_finger] = HandPart.UNSURE
    return parts


def hand_point_paths(
    robot: RobotModel,
    joints: JointTrack,
    points_in_base: FloatArray,
    parts: NDArray[np.int8],
    start_s: float,
    times_s: FloatArray,
) -> FloatArray:
    """Where points on the hand are at other times.

    Args:
        robot: Kinematics.
        joints: The recorded joints.
        points_in_base: (N, 3) places at ``start_s`` [m].
        parts: (N,) what each lies on; only points on the palm or a finger get a path.
        start_s: When the points were seen [s].
        times_s: (K,) [s]; NaN = nothing wanted there.

    Returns:
        (K, N, 3) [m, base frame]; NaN for other points and unknown times.
    """
    paths = np.full((len(times_s), len(points_in_base), 3), np.nan)
    rides = np.isin(parts, [HandPart.PALM, *FINGER_DIRECTIONS])
    at_start = robot.hand_in_base(joints.at(np.array([start_s]))[0])
    local = (points_in_base[rides] - at_start[:3, 3]) @ at_start[:3, :3]
    sides = np.array([FINGER_DIRECTIONS.get(HandPart(part), np.zeros(2)) for part in parts[rides]]).reshape(
        -1, 2
    )
    opened = np.nan_to_num(joints.fingers_at(times_s) - joints.fingers_at(np.array([start_s])))
    for row, (time_s, joint_positions) in enumerate(zip(times_s, joints.at(times_s), strict=True)):
        if not np.isfinite(time_s):
            continue
        pose = robot.hand_in_base(joint_positions)
        moved = local.copy()
        moved[:, 1] += sides @ opened[row]
        paths[row, rides] = moved @ pose[:3, :3].T + pose[:3, 3]
    return paths
