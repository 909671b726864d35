"""The named reasons for which the arm does not move, or moves no further.

A gate that is shut brings the arm to rest on its way. Most open again by themselves as soon as their cause is gone
(HOLD); some wait for the person who shut them (STOP); a few wait until a person has looked and says so (FAULT).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Gate(StrEnum):
    """What is wrong, by name; ``/diagnostics`` carries it as ``gate``."""

    CLOCK_INVALID = "clock-invalid"
    """The time given is no number."""
    CLOCK_STOPPED = "clock-stopped"
    """Simulated time does not go on."""
    JOINTS_MISSING = "joints-missing"
    """No joint state, or none that is new enough."""
    JOINTS_INVALID = "joints-invalid"
    """Joint states of another arm, or with numbers that are not finite."""
    JOINT_RANGE = "joint-range"
    """A joint stands beyond its position limits."""
    OVERSPEED = "overspeed"
    """A joint moves faster than its limit."""
    TRACKING = "tracking"
    """The arm is not where it was told to be: contact, or a fault."""
    OUTSIDE_WORKSPACE = "outside-workspace"
    """The hand is far outside the box that it may work in."""
    TRACES_MISSING = "traces-missing"
    """No traces have come yet."""
    TRACES_STALE = "traces-stale"
    """The newest traces are too old."""
    TRACES_AHEAD = "traces-ahead"
    """Traces are stamped in the future: clocks disagree."""
    TRACES_INVALID = "traces-invalid"
    """Too few of the trace points are valid."""
    CAMERA_SILENT = "camera-silent"
    """Depth images have stopped coming."""
    CAMERA_INFO_MISSING = "camera-info-missing"
    """The camera's intrinsics are unknown, or have stopped coming."""
    CAMERA_POSE_MISSING = "camera-pose-missing"
    """Nobody says where the camera stands, or whoever said it is gone."""
    CAMERA_POSE_INVALID = "camera-pose-invalid"
    """The camera's pose is no rigid transform."""
    JOINTS_AT_TRACE_MISSING = "joints-at-trace-missing"
    """Nobody knows where the arm was when the image was taken."""
    DEPTH_EMPTY = "depth-empty"
    """The depth image has no reading at all."""
    BACK_PROJECTION = "back-projection"
    """The traces' points and pixels belong to another camera than the one that is said to have seen them."""
    START_OFF_HAND = "start-off-hand"
    """No trace starts at the hand: it is out of view, or not where the calibration puts it."""
    ENDPOINT_SPREAD = "endpoint-spread"
    """The traces on the hand do not agree on where it goes."""
    PATH_JUMP = "path-jump"
    """The hand's path leaps from one step to the next."""
    OUT_OF_WORKSPACE = "out-of-workspace"
    """The traces lead out of the workspace, whose edge the hand has reached."""
    OUT_OF_REACH = "out-of-reach"
    """No joint positions were found for the next stretch of the path."""
    SINGULARITY = "singularity"
    """The next stretch of the path leads into a singularity."""
    SELF_COLLISION = "self-collision"
    """The next stretch of the path brings parts of the robot too near to each other."""
    SCENE_COLLISION = "scene-collision"
    """The next stretch of the path brings the robot too near to the table."""
    GRIPPER_SILENT = "gripper-silent"
    """The fingers' opening has stopped coming while they are waited for."""
    DISABLED = "disabled"
    """Not enabled."""
    STOPPED = "stopped"
    """Somebody, or a device, has asked for standstill."""
    GRIPPER_STUCK = "gripper-stuck"
    """The fingers did not move when they were told to."""
    BLOCKED = "blocked"
    """The arm was held off its way again and again."""
    INTERNAL_ERROR = "internal-error"
    """This software has a defect, which has shown."""


STOP_GATES = frozenset({Gate.DISABLED, Gate.STOPPED})
"""Shut by people, opened by enabling."""

FAULT_GATES = frozenset({Gate.GRIPPER_STUCK, Gate.BLOCKED, Gate.INTERNAL_ERROR})
"""Shut by what a person should have looked at before anything moves again; opened by recovery."""


@dataclass(frozen=True)
class Shut:
    """A gate that is shut.

    Attributes:
        gate: Which one.
        reason: Why, in words for people, with the numbers.
    """

    gate: Gate
    reason: str
