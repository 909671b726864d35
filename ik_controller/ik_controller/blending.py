"""How a motion under way goes over to a new one: what the two differ by is brought to zero in a bounded time.

A motion b(t) is joined by adding to it a quintic e(t) that takes up the difference and ends at zero:

    e(0), e'(0), e''(0) = state - b(0), ...,    e(T) = e'(T) = e''(T) = 0.

With tau = t / T and what is to be taken up in position, velocity and acceleration (e0, v0, a0),

    e = e0 (1 - 10 tau^3 + 15 tau^4 - 6 tau^5) + v0 T (tau - 6 tau^3 + 8 tau^4 - 3 tau^5)
        + a0 T^2 (tau^2 / 2 - 3/2 tau^3 + 3/2 tau^4 - 1/2 tau^5).

So the arm is nowhere farther from the new motion than |e0| + 0.20 |v0| T + 0.018 |a0| T^2, and on it after T.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ik_controller.joint_limits import JointLimits
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.piecewise_polynomial import derivatives, segment_coefficients

FloatArray = NDArray[np.float64]

KNOT_PERIOD = 0.03
"""Time between the knots of a planned trajectory [s]."""

MIN_KNOT_PERIOD = 0.002
"""Least time between two knots [s]."""

BLEND_TIMES_S = (0.25, 0.33, 0.44, 0.58, 0.77, 1.0, 1.3, 1.6)
"""Durations tried for a blend [s]: never shorter, for what is held in the hand; never longer, for what is ahead."""

BLEND_SHARE = 0.6
"""A blend takes this share of a bound; the rest is left for the motion that it leads to."""

_SAMPLES = 17

_TAU = np.linspace(0.0, 1.0, _SAMPLES)
_POLYNOMIALS = (
    np.polynomial.Polynomial([1.0, 0.0, 0.0, -10.0, 15.0, -6.0]),
    np.polynomial.Polynomial([0.0, 1.0, 0.0, -6.0, 8.0, -3.0]),
    np.polynomial.Polynomial([0.0, 0.0, 0.5, -1.5, 1.5, -0.5]),
)
_RATES = np.array([[basis.deriv(order)(_TAU) for basis in _POLYNOMIALS] for order in (1, 2, 3)])
"""(3, 3, samples) first to third derivative by tau of what takes up position, velocity and acceleration."""


def mismatch_between(state: JointState, motion: JointState) -> JointState:
    """What ``state`` differs by from ``motion``."""
    return JointState(
        state.position - motion.position,
        state.velocity - motion.velocity,
        state.acceleration - motion.acceleration,
    )


def blend_times(mismatch: JointState, limits: JointLimits, jerk: FloatArray) -> list[float]:
    """Durations [s] for taking up ``mismatch``: the gentle ones from the shortest on, then the others from the longest.

    Args:
        mismatch: What is to be taken up.
        limits: Bounds on velocity and acceleration.
        jerk: (J,) bound on the jerk [rad/s³].
    """
    duration = np.array(BLEND_TIMES_S)[:, None]
    powers = duration ** np.arange(3)
    taken_up = np.stack([mismatch.position, mismatch.velocity, mismatch.acceleration])
    gentle = np.ones(len(BLEND_TIMES_S), dtype=bool)
    present = (mismatch.velocity, mismatch.acceleration, np.zeros_like(jerk))
    bounds = (limits.velocity, limits.acceleration, jerk)
    for order, (rates, bound, now) in enumerate(zip(_RATES, bounds, present, strict=True), start=1):
        values = np.einsum("ks,tk,kj->tsj", rates, powers, taken_up) / duration[:, :, None] ** order
        # What the arm does already need not be gentle.
        allowed = np.maximum(BLEND_SHARE * bound, np.abs(now))
        gentle &= (np.abs(values).max(axis=1) <= allowed + 1e-9).all(axis=1)
    suits = dict(zip(BLEND_TIMES_S, gentle.tolist(), strict=True))
    return [time for time in BLEND_TIMES_S if suits[time]] + [
        time for time in reversed(BLEND_TIMES_S) if not suits[time]
    ]


def blend(motion: JointTrajectory, mismatch: JointState, duration_s: float) -> JointTrajectory:
    """``motion`` plus what brings ``mismatch`` to zero in ``duration_s`` [s]; ``motion`` itself where nothing does."""
    if not any(part.any() for part in (mismatch.position, mismatch.velocity, mismatch.acceleration)):
        return motion
    knots = max(2, int(np.ceil(duration_s / KNOT_PERIOD)))
    times = np.union1d(motion.times_s, np.linspace(0.0, duration_s, knots + 1))
    # Two knots almost on each other would make a segment too short to divide by.
    times = times[np.concatenate([[True], np.diff(times) > MIN_KNOT_PERIOD])]
    times[-1] = max(motion.duration_s, duration_s)
    left = taking_up(mismatch, duration_s, times)
    return JointTrajectory(
        times,
        *(on_motion + more for on_motion, more in zip(motion.sample_many(times), left[:3], strict=True)),
    )


def taking_up(
    mismatch: JointState, duration_s: float, times_s: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """What is left of ``mismatch``, and its first three derivatives, (M, J) each, at ``times_s`` (M,) [s]."""
    ends = (
        np.stack([part, np.zeros_like(part)])
        for part in (mismatch.position, mismatch.velocity, mismatch.acceleration)
    )
    coefficients = segment_coefficients(np.array([duration_s]), *ends)
    left = derivatives(coefficients[:, 0][:, None], np.minimum(times_s, duration_s)[:, None])
    for rows in left:
        rows[times_s >= duration_s] = 0.0
    return left
