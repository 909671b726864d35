"""What a fuzzed follower is given: traces, stamps and other inputs, each with a fault of a named kind or with none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from tests.motion_layer.trace_grid_fuzzer import GridFault

from ik_controller.follower import FollowerInput
from ik_controller.follower_interface import Silence
from ik_controller.gripper_signal import GripperSignal
from tracegen_model.camera import CameraIntrinsics


class StampFault(StrEnum):
    """What is wrong with a stamp."""

    FRESH = "fresh"
    DUPLICATE = "the one before again"
    REVERSED = "before the one before"
    OLD = "seconds old"
    FUTURE = "in the future"
    MISSING = "missing"
    NAN = "NaN"
    INFINITE = "infinite"


class InputFault(StrEnum):
    """What is wrong beside traces and stamp."""

    NONE = "none"
    NO_CAMERA = "no camera pose"
    SKEWED_CAMERA = "camera pose not rigid"
    NAN_CAMERA = "camera pose NaN"
    FLAT_CAMERA = "camera pose of another shape"
    OTHER_CAMERA = "camera pose off"
    NO_INTRINSICS = "no intrinsics"
    OTHER_INTRINSICS = "intrinsics of another image"
    NO_DEPTH = "no depth"
    EMPTY_DEPTH = "depth without readings"
    NAN_DEPTH = "depth NaN"
    NOISY_DEPTH = "depth noise and holes"
    ODD_DEPTH = "depth of another shape"
    NEGATIVE_DEPTH = "depth of any number"
    NO_JOINTS_AT_TRACE = "no joints at the stamp"
    NAN_JOINTS_AT_TRACE = "NaN joints at the stamp"
    FEW_JOINTS_AT_TRACE = "too few joints at the stamp"
    OTHER_JOINTS_AT_TRACE = "other joints at the stamp"
    NO_JOINTS = "no joint state"
    NAN_JOINTS = "NaN joint state"
    FEW_JOINTS = "too few joints"
    FAR_JOINTS = "joint state beyond all limits"
    NOISY_JOINTS = "noisy joint state"
    NO_FINGERS = "no finger width"
    NAN_FINGERS = "NaN finger width"
    BUSY_GRIPPER = "gripper busy"
    GRIPPER_SIGNAL = "gripper signal of any kind"
    SILENCE = "an input gone silent"


FALSE_JOINTS = frozenset({InputFault.FAR_JOINTS, InputFault.NOISY_JOINTS})
"""Joint states that say that the arm is where it is not."""


class Act(StrEnum):
    """What somebody does between two updates."""

    NONE = "none"
    DISABLE = "disable"
    ENABLE = "enable"
    STOP = "stop"
    RECOVER = "recover"
    NEW_TASK = "new task"
    NO_TASK = "task taken back"
    CLOCK_RESET = "clock and simulation reset"
    PUSH = "arm pushed"
    MOVE_BLOCK = "block moved"


@dataclass(frozen=True)
class Stimulus:
    """One set of inputs for the follower, and what happens before it.

    Attributes:
        wait_s: Time since the stimulus before [s].
        age_s: Age of the image then [s].
        transport_s: Time that the command takes to the arm [s].
        magnitude: How strong faults are, 0 to 1.
        seed: Of all that is left to chance.
        ticks: Updates without traces come in between, as the node's watchdog makes them.
        grid: What is wrong with the traces; None for an update without traces.
        stamp: What is wrong with their stamp.
        inputs: What is wrong beside.
        act: What somebody does before.
    """

    wait_s: float
    age_s: float
    transport_s: float
    magnitude: float
    seed: int
    ticks: bool
    grid: GridFault | None
    stamp: StampFault
    inputs: InputFault
    act: Act


def with_input_fault(inputs: FollowerInput, stimulus: Stimulus, rng: np.random.Generator) -> FollowerInput:
    """``inputs`` with what ``stimulus`` does to all but traces and stamp."""
    fault, much = stimulus.inputs, stimulus.magnitude
    camera, joints = np.array(inputs.camera_in_base), inputs.joint_state_now
    assert joints is not None
    position, velocity = joints
    depth = np.zeros((4, 4), np.float32) if inputs.depth_m is None else inputs.depth_m
    there = position if inputs.joints_at_trace is None else inputs.joints_at_trace
    changed: dict[str, object]
    match fault:
        case InputFault.NONE:
            changed = {}
        case InputFault.NO_CAMERA:
            changed = {"camera_in_base": None}
        case InputFault.SKEWED_CAMERA:
            changed = {"camera_in_base": camera * rng.uniform(0.5, 1.5, (4, 4))}
        case InputFault.NAN_CAMERA:
            changed = {"camera_in_base": np.full((4, 4), np.nan)}
        case InputFault.FLAT_CAMERA:
            changed = {"camera_in_base": camera[:3]}
        case InputFault.OTHER_CAMERA:
            camera[:3, 3] += rng.normal(0.0, 0.2 * much, 3)
            changed = {"camera_in_base": camera}
        case InputFault.NO_INTRINSICS:
            changed = {"intrinsics": None}
        case InputFault.OTHER_INTRINSICS:
            changed = {"intrinsics": CameraIntrinsics(*rng.uniform(10.0, 900.0, 4), 640, 480)}
        case InputFault.NO_DEPTH:
            changed = {"depth_m": None}
        case InputFault.EMPTY_DEPTH:
            changed = {"depth_m": np.zeros_like(depth)}
        case InputFault.NAN_DEPTH:
            changed = {"depth_m": np.where(rng.random(depth.shape) < 0.3 + much, np.nan, depth)}
        case InputFault.NOISY_DEPTH:
            noisy = depth + rng.normal(0.0, 0.05 * much, depth.shape)
            changed = {"depth_m": np.where(rng.random(depth.shape) < 0.5 * much, 0.0, noisy)}
        case InputFault.ODD_DEPTH:
            shape = ((3, 5), (0, 0), (1, 1), (7,), (4, 4, 2))[int(rng.integers(5))]
            changed = {"depth_m": np.ones(shape, np.float32)}
        case InputFault.NEGATIVE_DEPTH:
            wild = rng.choice([-1.0, 0.0, 1e-3, 1.0, 1e30, np.inf, -np.inf], depth.shape)
            changed = {"depth_m": wild.astype(np.float32)}
        case InputFault.NO_JOINTS_AT_TRACE:
            changed = {"joints_at_trace": None}
        case InputFault.NAN_JOINTS_AT_TRACE:
            changed = {"joints_at_trace": np.full_like(there, np.nan)}
        case InputFault.FEW_JOINTS_AT_TRACE:
            changed = {"joints_at_trace": there[:-1]}
        case InputFault.OTHER_JOINTS_AT_TRACE:
            changed = {"joints_at_trace": there + rng.normal(0.0, 2.0 * much, there.shape)}
        case InputFault.NO_JOINTS:
            changed = {"joint_state_now": None}
        case InputFault.NAN_JOINTS:
            changed = {"joint_state_now": (position * np.nan, velocity)}
        case InputFault.FEW_JOINTS:
            changed = {"joint_state_now": (position[:-1], velocity)}
        case InputFault.FAR_JOINTS:
            far = position + rng.normal(0.0, 10.0 ** (6.0 * much), position.shape)
            changed = {"joint_state_now": (far, velocity)}
        case InputFault.NOISY_JOINTS:
            noisy = position + rng.normal(0.0, 0.05 * much, position.shape)
            changed = {"joint_state_now": (noisy, velocity + rng.normal(0.0, much, position.shape))}
        case InputFault.NO_FINGERS:
            changed = {"finger_width_m": None}
        case InputFault.NAN_FINGERS:
            changed = {"finger_width_m": float(rng.choice([np.nan, np.inf, -1.0, 1e9]))}
        case InputFault.BUSY_GRIPPER:
            changed = {"gripper_busy": True}
        case InputFault.GRIPPER_SIGNAL:
            lengths = np.cumsum(rng.uniform(0.001, 0.1, 8))
            stamp_s = inputs.now_s + float(rng.choice([0.0, -0.1, -1e3, 1e3]))
            changed = {"gripper_signal": GripperSignal(stamp_s, lengths, rng.choice([0.0, 0.5, 1.0, 1e9], 8))}
        case InputFault.SILENCE:
            changed = {"silent": tuple(silence for silence in Silence if rng.random() < 0.3)}
    return replace(inputs, **changed)  # type: ignore[arg-type]
