"""What goes into the follower and what comes out of it: plain data, no ROS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ik_controller.gates import Gate
from ik_controller.gripper_signal import GripperSignal
from ik_controller.joint_trajectory import JointTrajectory
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid

FloatArray = NDArray[np.float64]

Health = dict[str, float | int | str]
"""Numbers and words for ``/diagnostics``, by name."""


class FollowerState(StrEnum):
    """What the follower is doing."""

    IDLE = "IDLE"
    """No task, or the task is done: standing still."""
    FOLLOW = "FOLLOW"
    """At work; ``FollowerPhase`` says on what."""
    HOLD = "HOLD"
    """A gate is shut: slowed down, standing still, going on by itself as soon as the gate opens."""
    STOP = "STOP"
    """Stopped by a person or a device, or disabled: nothing moves until enabled again."""
    FAULT = "FAULT"
    """Something has happened that a person should look at: nothing moves until recovered."""


class FollowerPhase(StrEnum):
    """Where in its work the follower is."""

    TRACES = "traces"
    """Moving along the traces, replanning on each."""
    GRASP = "grasp"
    """Committed to a grasp: going to the object, closing, looking whether it holds."""
    RELEASE = "release"
    """Committed to a release: going down, opening."""
    RETREAT = "retreat"
    """Rising after a grasp that closed on nothing, or after a release."""


class Silence(StrEnum):
    """Inputs that can go silent; whoever hears them watches for it, each with its own time limit."""

    CLOCK = "clock"
    CAMERA = "camera"
    CAMERA_INFO = "camera-info"
    TRANSFORMS = "transforms"
    FINGERS = "fingers"

    @classmethod
    def named(cls, names: Iterable[str]) -> tuple[Silence, ...]:
        """Those of ``names`` that are known."""
        return tuple(cls(name) for name in names if name in cls)


@dataclass(frozen=True)
class GripperCommand:
    """Where the fingers shall go.

    Attributes:
        width: Opening between the fingertips [m]; a ``control_msgs/GripperCommand`` position is half of it where the
            driver counts one finger.
        max_effort: Grip force [N].
    """

    width: float
    max_effort: float


@dataclass(frozen=True)
class FollowerInput:
    """Everything one update looks at.

    Attributes:
        now_s: Current time [s], the clock of the stamps.
        trace_stamp_s: Stamp of the image that ``traces`` were predicted from [s], None without traces.
        traces: Predicted traces, or None for a watchdog tick.
        camera_in_base: (4, 4) pose of the camera's optical frame in the base frame; None where TF has none.
        intrinsics: Of the depth image; None where no CameraInfo has come.
        depth_m: (H, W) depth image of the traces' stamp [m], 0 or NaN = no reading; None where there is none.
        joints_at_trace: (J,) joint positions at the traces' stamp [rad]; None where no joint state was that near.
        joint_state_now: Newest joint positions (J,) [rad] and velocities (J,) [rad/s], None where none has come.
        finger_width_m: Newest opening between the fingers [m], None where unknown.
        gripper_busy: A gripper command is still being carried out.
        gripper_signal: What a policy or a person says about the fingers; None where nobody does.
        silent: Inputs that should be coming and have gone silent.
    """

    now_s: float
    trace_stamp_s: float | None
    traces: TraceGrid | None
    camera_in_base: FloatArray | None
    intrinsics: CameraIntrinsics | None
    depth_m: NDArray[np.float32] | None
    joints_at_trace: FloatArray | None
    joint_state_now: tuple[FloatArray, FloatArray] | None
    finger_width_m: float | None
    gripper_busy: bool
    gripper_signal: GripperSignal | None = None
    silent: tuple[Silence, ...] = ()


@dataclass(frozen=True)
class FollowerOutput:
    """What one update decided.

    Attributes:
        state: What the follower is doing.
        reason: Why, in words for people and ``/diagnostics``.
        trajectory: The motion that replaces the present one at ``start_s``; None when nothing is to be sent, which
            happens only where no traces were given, or nothing is known of joints or time.
        start_s: When ``trajectory`` starts [s], the clock of ``now_s``.
        gripper: Command for the fingers, to be sent before ``trajectory``; None = as before.
        hand_path_in_base: (K, 3) tool centre points that the hand is about to pass [m], for display.
        event: ``grasp``, ``release``, ``closed``, ``closed on nothing``, ``opened``, ``dropped`` or ``done`` where this
            update saw one.
        health: Numbers and words for ``/diagnostics``: points on the hand, IK error, planning time, ...
        phase: Where in its work the follower is; ``TRACES`` in every state but FOLLOW.
        gate: What is wrong, by name; None in the states IDLE and FOLLOW.
    """

    state: FollowerState
    reason: str
    trajectory: JointTrajectory | None
    start_s: float
    gripper: GripperCommand | None = None
    hand_path_in_base: FloatArray | None = None
    event: str | None = None
    health: Health = field(default_factory=dict)
    phase: FollowerPhase = FollowerPhase.TRACES
    gate: Gate | None = None

    @property
    def words(self) -> str:
        """State and reason for people, as ``HOLD: traces are 1.2 s old`` or ``FOLLOW (grasp): moving the fingers``."""
        return f"{say_state(self.state, self.phase)}: {self.reason}"


def say_state(state: FollowerState, phase: FollowerPhase = FollowerPhase.TRACES) -> str:
    """``state`` as ``words`` begin with it; a phase other than following traces is named."""
    return str(state) if phase is FollowerPhase.TRACES else f"{state} ({phase})"


def heard_state(words: str) -> tuple[FollowerState, FollowerPhase] | None:
    """The state and phase that ``words`` begin with; None where they begin with none."""
    name, _, phase = words.partition(":")[0].partition(" (")
    phase = phase.removesuffix(")") or FollowerPhase.TRACES
    if name not in FollowerState or phase not in FollowerPhase:
        return None
    return FollowerState(name), FollowerPhase(phase)
