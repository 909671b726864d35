"""Gates: what must be true of the inputs before anything moves. Each names what is wrong in words for people.

This is not a safety function in the sense of a standard; the robot's own stop is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ik_controller.follower_interface import FloatArray, FollowerInput
from ik_controller.lifting import LiftingError, check_rigid


@dataclass(frozen=True)
class SafetyConfig:
    """Thresholds of the gates.

    Attributes:
        max_trace_age_s: Traces older than this are not followed, and no new ones for this long stop the arm [s].
        max_tracking_error: A joint further than this from its command means contact or a fault [rad].
        min_valid_share: Share of trace points that must be valid.
        max_stamp_ahead_s: A stamp this far in the future means clocks that disagree [s].
    """

    max_trace_age_s: float = 1.0
    max_tracking_error: float = 0.35
    min_valid_share: float = 0.2
    max_stamp_ahead_s: float = 0.5


def joint_state_problem(inputs: FollowerInput, joint_count: int) -> str | None:
    """Why the joint state cannot be used, or None."""
    if inputs.joint_state_now is None:
        return "no joint states: is the robot's driver running?"
    position, velocity = (np.asarray(values, dtype=float) for values in inputs.joint_state_now)
    if position.shape != (joint_count,) or velocity.shape != (joint_count,):
        return f"joint state has {position.size} positions and {velocity.size} velocities, expected {joint_count} each"
    if not (np.isfinite(position).all() and np.isfinite(velocity).all()):
        return "joint state holds NaN or infinite values"
    return None


def tracking_problem(
    measured: FloatArray, commanded: FloatArray, names: tuple[str, ...], config: SafetyConfig
) -> str | None:
    """Why the arm is not where it was told to be, or None."""
    error = np.abs(measured - commanded)
    worst = int(np.argmax(error))
    if error[worst] <= config.max_tracking_error:
        return None
    return f"{names[worst]} is {error[worst]:.2f} rad off its command (limit {config.max_tracking_error} rad)"


def staleness_problem(now_s: float, stamp_s: float | None, config: SafetyConfig) -> str | None:
    """Why the traces' age forbids to follow them, or None."""
    if stamp_s is None:
        return "no traces yet"
    age = now_s - stamp_s
    if age > config.max_trace_age_s:
        return f"traces are {age:.2f} s old (limit {config.max_trace_age_s} s)"
    if age < -config.max_stamp_ahead_s:
        return f"traces are stamped {-age:.2f} s in the future: clocks disagree"
    return None


def trace_problem(inputs: FollowerInput, joint_count: int, config: SafetyConfig) -> str | None:
    """Why the traces and what belongs to them cannot be used, or None."""
    if inputs.traces is None:
        return "no traces"
    if inputs.camera_in_base is None:
        return "no camera pose: is TF from the base to the camera's optical frame published?"
    try:
        check_rigid(np.asarray(inputs.camera_in_base, dtype=float))
    except LiftingError as error:
        return str(error)
    if inputs.intrinsics is None:
        return "no camera intrinsics: no CameraInfo has come"
    if inputs.joints_at_trace is None:
        return "no joint state near the image's stamp"
    joints = np.asarray(inputs.joints_at_trace, dtype=float)
    if joints.shape != (joint_count,) or not np.isfinite(joints).all():
        return f"joint positions at the image's stamp are not {joint_count} finite numbers"
    valid = inputs.traces.valid
    share = float(valid.mean())
    if share < config.min_valid_share:
        return (
            f"only {share:.0%} of the trace points are valid (at least {config.min_valid_share:.0%} needed)"
        )
    if inputs.depth_m is not None and not (inputs.depth_m > 0.0).any():
        return "the depth image has no reading at all"
    return None
