"""A blend begins as the arm moves, is over in a bounded time, and strays no farther than its documented bound."""

import numpy as np
import pytest

from ik_controller.blending import BLEND_SHARE, BLEND_TIMES_S, blend, blend_times, taking_up
from ik_controller.joint_limits import JointLimits
from ik_controller.joint_trajectory import JointState, JointTrajectory

LIMITS = JointLimits.load("fr3_rectangular")
JERK = np.full(7, 1500.0)


def some_mismatch(rng: np.random.Generator, size: float = 1.0) -> JointState:
    """Random differences in position, velocity and acceleration."""
    return JointState(*(rng.normal(0.0, size * scale, 7) for scale in (0.02, 0.2, 2.0)))


def test_a_blended_motion_begins_as_the_arm_moves_and_ends_as_the_motion_does() -> None:
    rng = np.random.default_rng(4)
    motion = JointTrajectory.standing(rng.normal(size=7), 0.7)
    for _ in range(20):
        mismatch = some_mismatch(rng)
        for duration in BLEND_TIMES_S:
            joined = blend(motion, mismatch, duration)
            start = joined.sample(0.0)
            np.testing.assert_allclose(start.position - motion.positions[0], mismatch.position, atol=1e-12)
            np.testing.assert_allclose(start.velocity, mismatch.velocity, atol=1e-12)
            np.testing.assert_allclose(start.acceleration, mismatch.acceleration, atol=1e-12)
            np.testing.assert_allclose(joined.positions[-1], motion.positions[-1], atol=1e-12)
            assert joined.duration_s == pytest.approx(max(duration, 0.7))


def test_the_detour_is_bounded() -> None:
    rng = np.random.default_rng(5)
    for duration in BLEND_TIMES_S:
        mismatch = some_mismatch(rng)
        position, *_ = taking_up(mismatch, duration, np.linspace(0.0, duration, 200))
        bound = (
            np.abs(mismatch.position)
            + 0.20 * np.abs(mismatch.velocity) * duration
            + 0.018 * np.abs(mismatch.acceleration) * duration**2
        )
        assert (np.abs(position).max(axis=0) <= bound).all()


def test_derivatives_are_those_of_the_position() -> None:
    mismatch = some_mismatch(np.random.default_rng(6))
    times = np.linspace(0.01, 0.49, 30)
    step = 1e-5
    before, after = (taking_up(mismatch, 0.5, times + shift) for shift in (-step, step))
    now = taking_up(mismatch, 0.5, times)
    for order in range(3):
        slope = (after[order] - before[order]) / (2 * step)
        np.testing.assert_allclose(slope, now[order + 1], rtol=1e-4, atol=1e-4)


def test_the_shortest_gentle_blend_comes_first() -> None:
    small = some_mismatch(np.random.default_rng(7), 0.01)
    assert blend_times(small, LIMITS, JERK) == list(BLEND_TIMES_S)
    fast = JointState(np.zeros(7), np.full(7, 0.9), np.zeros(7))
    times = blend_times(fast, LIMITS, JERK)
    assert sorted(times) == sorted(BLEND_TIMES_S)
    first = taking_up(fast, times[0], np.linspace(0.0, times[0], 200))
    assert np.abs(first[2]).max() <= BLEND_SHARE * LIMITS.acceleration.max() * 1.01
    shorter = max(time for time in BLEND_TIMES_S if time < times[0])
    rough = taking_up(fast, shorter, np.linspace(0.0, shorter, 200))
    assert np.abs(rough[2]).max() > BLEND_SHARE * LIMITS.acceleration.max()
