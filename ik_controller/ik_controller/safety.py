"""Gates on what comes in: what must be true of an update's inputs before anything moves.

Each returns the gate that is shut, with a reason in words for people, or None. What the traces say is judged in
``trace_gates``, the motion that would follow them in ``path_guard``.

This is not a safety function in the sense of a standard; the robot's own stop is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ik_controller.follower_interface import FloatArray, FollowerInput, Silence
from ik_controller.gates import Gate, Shut
from ik_controller.joint_limits import JointLimits
from ik_controller.lifting import LiftingError, check_rigid
from ik_controller.workspace import Workspace


@dataclass(frozen=True)
class SafetyConfig:
    """Thresholds of the gates.

    Attributes:
        max_trace_age_s: Traces older than this are not followed, and no new ones for this long stop the arm [s].
        max_stamp_ahead_s: A stamp this far in the future means clocks that disagree [s].
        min_valid_share: Share of trace points that must be valid.
        max_tracking_error: A joint further than this from its command means contact or a fault [rad].
        max_blocked: So many times in a row the arm may be found held at the same place, and is taken up where it
            stands; one more is a fault.
        blocked_within_s: ... in a row: each within this time of the one before [s] ...
        blocked_moved: ... with every joint within this of where it stood at the first [rad] ...
        blocked_gap_s: ... and no two updates farther apart than this, as on a machine whose commands come late [s].
        joint_range_margin: A joint may be found this far beyond its position limits [rad], as one that lags or is
            pressed; less than a controller lets a trajectory begin beside the arm.
        overspeed: A joint may be measured at this many times its velocity limit.
        max_outside: The hand may be found this far outside of the workspace, and comes in by itself [m].
        max_back_projection_error: Median distance between a trace's pixel and its point's projection [px].
        max_start_distance: Median distance to the hand, along the rays, of the traces whose pixels show it [m].
        max_endpoint_spread: Median distance between where the traces on the hand say that it ends up [m].
        max_path_step: Longest step of the hand's path between two rows of the traces [m].
        edge_distance: Traces that are cut at the workspace's edge so that less than this is left of them [m] ...
        edge_overshoot: ... and that lead at least this far out lead out of the workspace [m].
        robot_obeys: What is commanded is carried out. False for a dry run or a replay, where an arm and fingers that
            do not follow are no faults.
    """

    max_trace_age_s: float = 1.0
    max_stamp_ahead_s: float = 0.5
    min_valid_share: float = 0.2
    max_tracking_error: float = 0.35
    max_blocked: int = 3
    blocked_within_s: float = 10.0
    blocked_moved: float = 0.01
    blocked_gap_s: float = 0.3
    joint_range_margin: float = 0.01
    overspeed: float = 1.5
    max_outside: float = 0.25
    max_back_projection_error: float = 8.0
    max_start_distance: float = 0.10
    max_endpoint_spread: float = 0.06
    max_path_step: float = 0.12
    edge_distance: float = 0.005
    edge_overshoot: float = 0.05
    robot_obeys: bool = True


_SILENT = {
    Silence.CLOCK: Shut(Gate.CLOCK_STOPPED, "simulated time has stopped"),
    Silence.CAMERA: Shut(
        Gate.CAMERA_SILENT,
        "depth images have stopped coming, or none has the traces' stamp: is the camera's node running?",
    ),
    Silence.CAMERA_INFO: Shut(
        Gate.CAMERA_INFO_MISSING, "CameraInfo has stopped coming: is the camera's node running?"
    ),
    Silence.TRANSFORMS: Shut(
        Gate.CAMERA_POSE_MISSING, "a publisher of the camera's pose is gone: is the TF publisher running?"
    ),
    Silence.FINGERS: Shut(
        Gate.GRIPPER_SILENT, "the fingers' opening has stopped coming: is the gripper's driver running?"
    ),
}


def silence_gate(inputs: FollowerInput, *kinds: Silence) -> Shut | None:
    """Shut where one of ``kinds`` has gone silent; the first of them is named."""
    return next((_SILENT[kind] for kind in kinds if kind in inputs.silent), None)


def joint_state_gate(inputs: FollowerInput, joint_count: int) -> Shut | None:
    """Shut where the joint state cannot be used."""
    if inputs.joint_state_now is None:
        return Shut(Gate.JOINTS_MISSING, "no joint states: is the robot's driver running?")
    position, velocity = (np.asarray(values, dtype=float) for values in inputs.joint_state_now)
    if position.shape != (joint_count,) or velocity.shape != (joint_count,):
        found = f"{position.size} positions and {velocity.size} velocities"
        return Shut(Gate.JOINTS_INVALID, f"joint state has {found}, expected {joint_count} each")
    if not np.isfinite(position).all():
        return Shut(Gate.JOINTS_INVALID, "joint state holds NaN or infinite values")
    if not np.isfinite(velocity).all():
        reason = "joint velocities are unknown: publish them in the joint states, or joint states more often"
        return Shut(Gate.JOINTS_INVALID, reason)
    return None


def joint_range_gate(
    position: FloatArray, velocity: FloatArray, limits: JointLimits, config: SafetyConfig
) -> Shut | None:
    """Shut where a measured joint is out of its range, (J,) [rad], or faster than it may be, (J,) [rad/s]."""
    names = limits.joint_names
    beyond = np.maximum(position - limits.position_upper, limits.position_lower - position)
    worst = int(np.argmax(beyond))
    if beyond[worst] > config.joint_range_margin:
        bounds = f"{limits.position_lower[worst]:.3f} to {limits.position_upper[worst]:.3f} rad"
        reason = f"{names[worst]} stands at {position[worst]:.3f} rad, outside {bounds}: move it back by hand"
        return Shut(Gate.JOINT_RANGE, reason)
    excess = np.abs(velocity) / limits.velocity
    worst = int(np.argmax(excess))
    if excess[worst] > config.overspeed:
        reason = f"{names[worst]} moves at {abs(velocity[worst]):.2f} rad/s (limit {limits.velocity[worst]:.2f} rad/s)"
        return Shut(Gate.OVERSPEED, reason)
    return None


def tracking_gate(
    measured: FloatArray, commanded: FloatArray, names: tuple[str, ...], config: SafetyConfig
) -> Shut | None:
    """Shut where the arm, (J,) [rad], is not where it was told to be."""
    error = np.abs(measured - commanded)
    worst = int(np.argmax(error))
    if error[worst] <= config.max_tracking_error:
        return None
    reason = (
        f"{names[worst]} is {error[worst]:.2f} rad off its command (limit {config.max_tracking_error} rad)"
    )
    return Shut(Gate.TRACKING, reason)


def workspace_gate(hand_in_base: FloatArray, workspace: Workspace, config: SafetyConfig) -> Shut | None:
    """Shut where the hand, (3,) [m], is too far outside of the workspace to come in by itself."""
    outside = float(np.linalg.norm(hand_in_base - workspace.clamp(hand_in_base)))
    if outside <= config.max_outside:
        return None
    reason = f"the hand is {outside:.2f} m outside of the workspace (limit {config.max_outside} m): move it by hand"
    return Shut(Gate.OUTSIDE_WORKSPACE, reason)


def staleness_gate(now_s: float, stamp_s: float | None, config: SafetyConfig) -> Shut | None:
    """Shut where the traces' age forbids to follow them."""
    if stamp_s is None:
        return Shut(Gate.TRACES_MISSING, "no traces yet")
    age = now_s - stamp_s
    if age > config.max_trace_age_s:
        return Shut(Gate.TRACES_STALE, f"traces are {age:.2f} s old (limit {config.max_trace_age_s} s)")
    return None


def stamp_gate(now_s: float, stamp_s: float | None, config: SafetyConfig) -> Shut | None:
    """Shut where traces that have come carry a stamp that cannot be."""
    if stamp_s is None or not np.isfinite(stamp_s):
        return Shut(Gate.TRACES_INVALID, "traces carry no stamp")
    if stamp_s - now_s > config.max_stamp_ahead_s:
        reason = f"traces are stamped {stamp_s - now_s:.2f} s in the future: clocks disagree"
        return Shut(Gate.TRACES_AHEAD, reason)
    return None


def trace_input_gate(inputs: FollowerInput, joint_count: int, config: SafetyConfig) -> Shut | None:
    """Shut where the traces, or what belongs to their instant, cannot be used."""
    if inputs.traces is None:
        return Shut(Gate.TRACES_MISSING, "no traces")
    if inputs.camera_in_base is None:
        reason = "no camera pose: is TF from the base to the camera's optical frame published?"
        return Shut(Gate.CAMERA_POSE_MISSING, reason)
    try:
        check_rigid(np.asarray(inputs.camera_in_base, dtype=float))
    except LiftingError as error:
        return Shut(Gate.CAMERA_POSE_INVALID, str(error))
    if inputs.intrinsics is None:
        return Shut(Gate.CAMERA_INFO_MISSING, "no camera intrinsics: no CameraInfo has come")
    if inputs.joints_at_trace is None:
        return Shut(Gate.JOINTS_AT_TRACE_MISSING, "no joint state near the image's stamp")
    joints = np.asarray(inputs.joints_at_trace, dtype=float)
    if joints.shape != (joint_count,) or not np.isfinite(joints).all():
        reason = f"joint positions at the image's stamp are not {joint_count} finite numbers"
        return Shut(Gate.JOINTS_AT_TRACE_MISSING, reason)
    share = float(inputs.traces.valid.mean())
    if share < config.min_valid_share:
        needed = f"at least {config.min_valid_share:.0%} needed"
        return Shut(Gate.TRACES_INVALID, f"only {share:.0%} of the trace points are valid ({needed})")
    if inputs.depth_m is None:
        return None
    size = (inputs.intrinsics.height, inputs.intrinsics.width)
    if inputs.depth_m.shape != size:
        reason = f"the depth image has the shape {inputs.depth_m.shape}, CameraInfo says {size}"
        return Shut(Gate.BACK_PROJECTION, reason)
    if not (inputs.depth_m > 0.0).any():
        return Shut(Gate.DEPTH_EMPTY, "the depth image has no reading at all")
    return None
