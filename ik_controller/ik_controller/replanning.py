"""A new motion that replaces one under way, with no step in position, velocity or acceleration.

The new motion is a path with a time law, q_path(s(t)), plus what the arm's state at the switch differs from it,
brought to zero by a quintic:

    q(t) = q_path(s(t)) + e(t),   e(0), e'(0), e''(0) = state - path,   e(T) = e'(T) = e''(T) = 0.

Every candidate is checked against the joint limits on a dense sampling; one that leaves them is tried again slower.
Where none stays inside, the caller keeps the motion under way, which is inside and ends at rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ik_controller.joint_limits import JointLimits
from ik_controller.joint_path import JointPath
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.path_timing import PathSpeed, time_along_path, time_to_rest

FloatArray = NDArray[np.float64]

KNOT_PERIOD = 0.03
"""Time between the knots of a planned trajectory [s]."""

MIN_KNOT_PERIOD = 0.002
"""Least time between two knots [s]."""

LIMIT_SHARE = 0.95
"""Planned motion uses at most this share of a velocity, acceleration or jerk bound."""

PLANNING_JERK = 1500.0
"""Joint jerk that planned motion stays under [rad/s³]; the hardware's bound is rougher than a held object likes."""

CANDIDATES = ((1.0, 0.25), (1.0, 0.5), (0.7, 0.5), (0.5, 0.8), (0.3, 1.2), (0.15, 1.6))
"""What is tried in turn: factor on the speed along the path, and duration of the mismatch's decay [s]."""

MIN_SPEED_SCALE = 0.01
"""A path is followed at this share of its speed at least; what shall stand is stopped, not planned."""

REST_TIMES = (0.25, 0.4, 0.6, 1.0, 1.6)
"""Durations tried for slowing a motion down to rest [s], shortest first."""


@dataclass(frozen=True)
class Plan:
    """A trajectory that was found to stay inside the limits.

    Attributes:
        trajectory: The motion.
        slow_down: Factor on the speed that it took, 1 = none.
    """

    trajectory: JointTrajectory
    slow_down: float


def plan_along(
    path: JointPath,
    start_length: float,
    state: JointState,
    limits: JointLimits,
    speed: PathSpeed,
    scale: FloatArray | None = None,
) -> Plan | None:
    """Join ``path`` at ``start_length`` [m] from ``state`` and follow it to its end.

    Args:
        path: Where to go.
        start_length: Arc length at which the path is joined [m].
        state: Joint state at the switch, on the motion that is replaced.
        limits: Bounds that every sample of the result keeps.
        speed: Bounds along the path [m/s, m/s², m/s³].
        scale: (K,) share of the path's speed that may be used at each of its knots, 0..1; None = all of it.

    Returns:
        The fastest candidate inside the limits, or None when there is none.
    """
    start_length = float(np.clip(start_length, 0.0, path.length))
    value, slope, bend = (rows[0] for rows in path.evaluate(np.array([start_length])))
    steepness = max(float(slope @ slope), 1e-9)
    along = max(0.0, float(state.velocity @ slope) / steepness)
    pull = float((state.acceleration - bend * along**2) @ slope) / steepness
    if scale is not None:
        speed = replace(speed, velocity=speed.velocity * max(float(scale.min()), MIN_SPEED_SCALE))
    for factor, decay_time in CANDIDATES:
        law = time_along_path(path.length - start_length, along, pull, speed.slowed(factor), KNOT_PERIOD)
        on_path, slope_at, bend_at = path.evaluate(start_length + law.parameter)
        velocity = slope_at * law.speed[:, None]
        acceleration = bend_at * law.speed[:, None] ** 2 + slope_at * law.acceleration[:, None]
        mismatch = JointState(
            state.position - value, state.velocity - velocity[0], state.acceleration - acceleration[0]
        )
        # The law may end below full precision; the trajectory ends at rest exactly.
        velocity[-1] = acceleration[-1] = 0.0
        trajectory = _add_decay(
            JointTrajectory(law.times, on_path, velocity, acceleration), mismatch, decay_time
        )
        if is_inside(trajectory, limits):
            return Plan(trajectory, factor)
    return None


def plan_rest(state: JointState, limits: JointLimits) -> Plan | None:
    """Come to rest from ``state``, going on a little the way it moves; None where no candidate stays inside."""
    for duration in REST_TIMES:
        target = state.position + state.velocity * duration / 2
        mismatch = JointState(state.position - target, state.velocity, state.acceleration)
        trajectory = _add_decay(JointTrajectory.standing(target), mismatch, duration)
        if is_inside(trajectory, limits):
            return Plan(trajectory, 1.0)
    return None


def slow_to_rest(motion: JointTrajectory, time_s: float, limits: JointLimits) -> JointTrajectory:
    """Come to rest on the way that ``motion`` was going, by slowing its clock from ``time_s`` [s] on.

    The arm leaves neither the path that was found safe nor the limits. Where slowing down would break one (a steep
    braking that is under way already), the motion's own end is kept: it is at rest as well.
    """
    remaining = motion.tail(time_s)
    if time_s >= motion.duration_s:
        return remaining
    for duration in REST_TIMES:
        bounds = PathSpeed(1.0, 2.0 / duration, 8.0 / duration**2)
        law = time_to_rest(bounds, KNOT_PERIOD)
        if time_s + law.parameter[-1] >= motion.duration_s:
            break
        position, velocity, acceleration = motion.sample_many(time_s + law.parameter)
        rate, change = law.speed[:, None], law.acceleration[:, None]
        bent = acceleration * rate**2 + velocity * change
        bent[-1] = 0.0
        slowed = JointTrajectory(law.times, position, velocity * rate, bent)
        if is_inside(slowed, limits):
            return slowed
    return remaining


def is_inside(trajectory: JointTrajectory, limits: JointLimits) -> bool:
    """Every sample of ``trajectory`` keeps the limits, with ``LIMIT_SHARE`` to spare on its derivatives."""
    _, q, v, a, j = trajectory.dense()
    lower, upper = limits.velocity_bounds(q)
    return bool(
        (q >= limits.position_lower).all()
        and (q <= limits.position_upper).all()
        and (v >= LIMIT_SHARE * lower - 1e-9).all()
        and (v <= LIMIT_SHARE * upper + 1e-9).all()
        and (np.abs(a) <= LIMIT_SHARE * limits.acceleration).all()
        and (np.abs(j) <= np.minimum(LIMIT_SHARE * limits.jerk, PLANNING_JERK)).all()
    )


def _add_decay(base: JointTrajectory, mismatch: JointState, duration: float) -> JointTrajectory:
    """``base`` plus a quintic that brings ``mismatch`` to zero in ``duration`` [s]."""
    knots = max(2, int(np.ceil(duration / KNOT_PERIOD)))
    times = np.union1d(base.times_s, np.linspace(0.0, duration, knots + 1))
    # Two knots almost on each other would make a segment too short to divide by.
    times = times[np.concatenate([[True], np.diff(times) > MIN_KNOT_PERIOD])]
    times[-1] = max(base.duration_s, duration)
    zero = np.zeros_like(mismatch.position)
    decay = JointTrajectory(
        np.array([0.0, duration]),
        np.stack([mismatch.position, zero]),
        np.stack([mismatch.velocity, zero]),
        np.stack([mismatch.acceleration, zero]),
    )
    summed = (
        on_base + left
        for on_base, left in zip(base.sample_many(times), decay.sample_many(times), strict=True)
    )
    return JointTrajectory(times, *summed)
