"""A new motion that replaces one under way, with no step in position, velocity or acceleration.

The new motion is a path with a time law, q_path(s(t)), plus what the arm's state at the switch differs from it,
brought to zero by a quintic:

    q(t) = q_path(s(t)) + e(t),   e(0), e'(0), e''(0) = state - path,   e(T) = e'(T) = e''(T) = 0.

Every candidate is checked against the joint limits on a dense sampling; one that leaves them is tried again slower.
Where none stays inside, the caller keeps the motion under way, which is inside and ends at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ik_controller.blending import KNOT_PERIOD, blend, blend_times, mismatch_between, taking_up
from ik_controller.joint_limits import JointLimits
from ik_controller.joint_path import JointPath
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.path_pace import PathPace
from ik_controller.path_timing import PathSpeed, TimeLaw, time_along_path, time_to_rest

FloatArray = NDArray[np.float64]

LIMIT_SHARE = 0.95
"""Planned motion uses at most this share of a velocity, acceleration or jerk bound."""

PLANNING_JERK = 1500.0
"""Joint jerk that planned motion stays under [rad/s³]; the hardware's bound is rougher than a held object likes."""

ATTEMPTS = 16
"""A motion is made slower, or its blend longer, so often before it is given up."""

LEAST_ROOM = 0.1
"""A blend that leaves the path less than this share of a bound is taken in another time."""

PROGRESS = 0.02
"""An attempt that is nearer to the limits than the one before by less than this gets nowhere."""

START_LOWERING = 0.7
"""Where the path ahead is too fast to brake for, this share of the speed is kept along it."""

MIN_SPEED_SCALE = 0.01
"""A path is followed at this share of its speed at least; what shall stand is stopped, not planned."""

REST_TIMES = (0.25, 0.4, 0.6, 1.0, 1.6)
"""Durations tried for slowing a motion down to rest [s], shortest first."""


_FLAT = 1e-9
"""Guards divisions by a path that does not move any joint."""

_ROUNDING = 1e-9
"""Velocities that are beyond their bound by less are at it [rad/s]."""


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
    permits: Callable[[JointTrajectory], bool] | None = None,
) -> Plan | None:
    """Join ``path`` at ``start_length`` [m] from ``state`` and follow it to its end.

    Args:
        path: Where to go.
        start_length: Arc length at which the path is joined [m].
        state: Joint state at the switch, on the motion that is replaced.
        limits: Bounds that every sample of the result keeps.
        speed: Bounds along the path [m/s, m/s², m/s³].
        scale: (K,) share of the path's speed that may be used at each of its knots, 0..1; None = all of it.
        permits: What a motion inside the limits has to pass besides; None = nothing.

    Returns:
        The fastest candidate inside the limits that is permitted, or None when there is none.
    """
    start_length = float(np.clip(start_length, 0.0, path.length))
    value, slope, bend = (rows[0] for rows in path.evaluate(np.array([start_length])))
    steepness = max(float(slope @ slope), _FLAT)
    along = max(0.0, float(state.velocity @ slope) / steepness)
    pull = float((state.acceleration - bend * along**2) @ slope) / steepness
    length = path.length - start_length
    if scale is None:
        pace = PathPace(length, speed)
    else:
        top = max(float(scale.max()), MIN_SPEED_SCALE)
        speed = replace(speed, velocity=speed.velocity * top)
        pace = PathPace(length, speed, path.lengths - start_length, scale / top)
    blends: list[float] = []
    fastest, worst = 0.0, 0.0
    for _ in range(ATTEMPTS):
        law = time_along_path(pace.stretches(), along, pull, KNOT_PERIOD)
        fastest = fastest or float(law.times[-1])
        on_path, slope_at, bend_at = path.evaluate(start_length + law.parameter)
        velocity = slope_at * law.speed[:, None]
        acceleration = bend_at * law.speed[:, None] ** 2 + slope_at * law.acceleration[:, None]
        mismatch = mismatch_between(state, JointState(value, velocity[0], acceleration[0]))
        # The law may end below full precision; the trajectory ends at rest exactly.
        velocity[-1] = acceleration[-1] = 0.0
        motion = JointTrajectory(law.times, on_path, velocity, acceleration)
        blends = blends or blend_times(mismatch, limits, _jerk_bound(limits))
        trajectory = blend(motion, mismatch, blends[0])
        if is_inside(trajectory, limits):
            if permits is None or permits(trajectory):
                return Plan(trajectory, min(1.0, fastest / float(law.times[-1])))
            if len(blends) == 1:
                return None
            blends = blends[1:]
            continue
        times, *joints = trajectory.samples
        factors, blend_is_rough = _slower(joints, taking_up(mismatch, blends[0], times), limits)
        if blend_is_rough and len(blends) > 1:
            blends = blends[1:]
            continue
        _slow_down(pace, path, start_length, law, speed, times, factors, limits)
        least = float(factors.min())
        if least <= worst + PROGRESS:
            # Braking comes too late for what is ahead: the blend takes up more of the speed, or takes another time.
            too_fast_in_bend = bool((factors[1:] < 1.0).any())
            blends = [] if too_fast_in_bend else blends[1:]
            if not blends:
                along, pull = along * START_LOWERING, 0.0
            least = 0.0
        worst = least
    return None


def _slow_down(
    pace: PathPace,
    path: JointPath,
    start_length: float,
    law: TimeLaw,
    speed: PathSpeed,
    times: FloatArray,
    factors: FloatArray,
    limits: JointLimits,
) -> None:
    """Make ``pace`` slower where the ``factors`` (3, M) at ``times`` (M,) [s] ask for it."""
    fast = (factors < 1.0).any(axis=0)
    by_velocity, by_acceleration, by_jerk = factors[:, fast]
    at, rate, change = (
        np.interp(times[fast], law.times, rows) for rows in (law.parameter, law.speed, law.acceleration)
    )
    _, slope, bend = path.evaluate(start_length + at)
    bending = (np.abs(bend) * rate[:, None] ** 2 / limits.acceleration).max(axis=1)
    pulling = (np.abs(slope * change[:, None]) / limits.acceleration).max(axis=1)
    in_bend = np.where(bending >= pulling, by_acceleration, 1.0)
    in_pull = np.where(bending < pulling, by_acceleration, 1.0)
    least = np.minimum(np.minimum(by_velocity, in_bend), by_jerk)
    changing = np.where(in_pull < 1.0, np.sqrt(np.abs(change) / speed.acceleration) * in_pull, 1.0)
    jerking = np.where(by_jerk < 1.0, pace.pace_at(at) * by_jerk, 1.0)
    pace.slow_down(
        at, np.where(least < 1.0, rate / speed.velocity * least, 1.0), np.minimum(changing, jerking)
    )


def _slower(
    joints: Sequence[FloatArray], left: Sequence[FloatArray], limits: JointLimits
) -> tuple[FloatArray, bool]:
    """How much slower the path must be gone, for a motion to be inside the limits.

    Args:
        joints: Position, velocity, acceleration and jerk (M, J) of a motion ...
        left: ... and what of each is the blend.
        limits: Bounds.

    Returns:
        (3, M) factor on the path's clock that velocity, acceleration and jerk ask for at each sample, 1 = inside; and
        whether it takes another blend, too.
    """
    position, *rates = joints
    rough = bool(((position < limits.position_lower) | (position > limits.position_upper)).any())
    lower, upper = limits.velocity_bounds(position)
    acceleration = LIMIT_SHARE * limits.acceleration
    jerk = _jerk_bound(limits)
    bounds = (
        (LIMIT_SHARE * lower - _ROUNDING, LIMIT_SHARE * upper + _ROUNDING),
        (-acceleration, acceleration),
        (-jerk, jerk),
    )
    factors = np.ones((3, len(position)))
    for index, (total, blended, (low, high)) in enumerate(zip(rates, left[1:], bounds, strict=True)):
        outside = (total < low) | (total > high)
        rows = outside.any(axis=1)
        if not rows.any():
            continue
        asked = total - blended
        asked = np.where(asked == 0.0, _FLAT, asked)
        side = np.where(total > 0.0, high, low)
        room = np.where(outside, (side - blended) / asked, 1.0)[rows].min(axis=1)
        rough |= bool((outside & (blended * np.sign(side) > (1.0 - LEAST_ROOM) * np.abs(side))).any())
        factors[index, rows] = np.clip(room, LEAST_ROOM, 1.0) ** (1.0 / (index + 1))
    return factors, rough


def plan_rest(state: JointState, limits: JointLimits) -> Plan | None:
    """Come to rest from ``state``, going on a little the way it moves; None where no candidate stays inside."""
    for duration in REST_TIMES:
        target = state.position + state.velocity * duration / 2
        mismatch = JointState(state.position - target, state.velocity, state.acceleration)
        trajectory = blend(JointTrajectory.standing(target), mismatch, duration)
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
    _, q, v, a, j = trajectory.samples
    lower, upper = limits.velocity_bounds(q)
    return bool(
        (q >= limits.position_lower).all()
        and (q <= limits.position_upper).all()
        and (v >= LIMIT_SHARE * lower - 1e-9).all()
        and (v <= LIMIT_SHARE * upper + 1e-9).all()
        and (np.abs(a) <= LIMIT_SHARE * limits.acceleration).all()
        and (np.abs(j) <= _jerk_bound(limits)).all()
    )


def _jerk_bound(limits: JointLimits) -> FloatArray:
    """(J,) [rad/s³]."""
    return np.minimum(LIMIT_SHARE * limits.jerk, PLANNING_JERK)
