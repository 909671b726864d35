"""The arm's controller follows ros2_control's rules, and refuses what would hurt."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from ik_controller.commanded_motion import CommandedMotion
from ik_controller.joint_limits import JointLimits, find_violations
from ik_controller.joint_path import JointPath
from ik_controller.joint_spline import JointSpline
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.path_timing import PathSpeed
from ik_controller.replanning import plan_along
from ik_controller.trajectory_executor import (
    JointNamesError,
    JointRange,
    JointRangeError,
    KnotError,
    LateError,
    StartError,
    TrajectoryCommand,
    TrajectoryExecutor,
)
from ik_controller.trajectory_joining import join

ZERO = np.zeros(2)
LIMITS = JointLimits(
    "a small arm",
    ("a", "b"),
    np.full(2, -1.0),
    np.full(2, 1.0),
    np.full(2, 2.0),
    np.full(2, 10.0),
    np.full(2, 1000.0),
)

LONGEST_STOP_S = 1.3
"""An arm that moves inside its limits comes to rest within this after it has heard of it."""


@pytest.fixture
def executor() -> TrajectoryExecutor:
    executor = TrajectoryExecutor(JointRange.of(LIMITS), LIMITS)
    executor.reset(10.0, ZERO)
    return executor


def move(to: float, start_s: float = 0.0, duration_s: float = 1.0, begin: float = 0.0) -> TrajectoryCommand:
    """Both joints from ``begin`` to ``to``, at rest at both ends."""
    rest = np.zeros((2, 2))
    knots = np.array([[begin, begin], [to, to]])
    return TrajectoryCommand(start_s, np.array([0.0, duration_s]), knots, rest, rest)


def test_stands_where_it_was_reset_until_told_otherwise(executor: TrajectoryExecutor) -> None:
    setpoint = executor.setpoint(50.0)
    assert setpoint.position.tolist() == [0.0, 0.0]
    assert setpoint.velocity.tolist() == [0.0, 0.0]


def test_knots_with_accelerations_are_joined_by_quintics(executor: TrajectoryExecutor) -> None:
    executor.submit(move(0.5), now_s=10.0)
    # The minimum-jerk curve 10 u^3 - 15 u^4 + 6 u^5.
    u = 0.3
    expected = 0.5 * (10 * u**3 - 15 * u**4 + 6 * u**5)
    assert executor.setpoint(10.0 + u).position == pytest.approx([expected, expected])
    assert executor.setpoint(11.0).acceleration == pytest.approx(ZERO, abs=1e-9)


def test_knots_with_velocities_only_are_joined_by_cubics(executor: TrajectoryExecutor) -> None:
    command = TrajectoryCommand(0.0, np.array([0.0, 1.0]), np.array([ZERO, ZERO + 0.5]), np.zeros((2, 2)))
    executor.submit(command, now_s=10.0)
    u = 0.3
    assert executor.setpoint(10.3).position == pytest.approx([0.5 * (3 * u**2 - 2 * u**3)] * 2)


def test_knots_without_velocities_are_joined_by_lines(executor: TrajectoryExecutor) -> None:
    executor.submit(TrajectoryCommand(0.0, np.array([0.0, 1.0]), np.array([ZERO, ZERO + 0.5])), now_s=10.0)
    setpoint = executor.setpoint(10.3)
    assert setpoint.position == pytest.approx([0.15, 0.15])
    assert setpoint.velocity == pytest.approx([0.5, 0.5])


def test_derivatives_belong_to_the_position(executor: TrajectoryExecutor) -> None:
    executor.submit(move(0.5), now_s=10.0)
    before, now, after = (executor.setpoint(10.4 + d) for d in (-1e-4, 0.0, 1e-4))
    assert (after.position - before.position) / 2e-4 == pytest.approx(now.velocity, rel=1e-5)
    assert (after.velocity - before.velocity) / 2e-4 == pytest.approx(now.acceleration, rel=1e-4)


def test_the_old_trajectory_runs_until_the_new_one_starts(executor: TrajectoryExecutor) -> None:
    executor.submit(move(0.5), now_s=10.0)
    alone = [executor.setpoint(time).position.copy() for time in (10.1, 10.4)]
    executor.reset(10.0, ZERO)
    executor.submit(move(0.5), now_s=10.0)
    executor.setpoint(10.1)
    # The old one passes 0.25 rad at 0.9375 rad/s, halfway through.
    knots = np.array([[0.25, 0.25], [0.4, 0.4]])
    rates = np.array([[0.9375, 0.9375], [0.0, 0.0]])
    command = TrajectoryCommand(10.5, np.array([0.0, 0.4]), knots, rates, np.zeros((2, 2)))
    executor.submit(command, now_s=10.1)
    assert executor.setpoint(10.4).position == pytest.approx(alone[1])
    assert executor.setpoint(10.5).velocity == pytest.approx(rates[0])
    assert executor.setpoint(10.9).position == pytest.approx(knots[1])


def test_a_trajectory_that_begins_at_rest_is_refused_by_an_arm_that_moves_fast(
    executor: TrajectoryExecutor,
) -> None:
    executor.submit(move(0.5), now_s=10.0)
    with pytest.raises(StartError, match="cannot join the trajectory"):
        executor.submit(move(0.25, start_s=10.5, begin=0.25), now_s=10.1)
    assert executor.setpoint(11.0).position == pytest.approx([0.5, 0.5])


def test_a_newer_trajectory_drops_those_that_would_start_after_it(executor: TrajectoryExecutor) -> None:
    executor.submit(move(0.5, start_s=10.5), now_s=10.0)
    executor.submit(move(-0.5, start_s=10.2), now_s=10.0)
    assert executor.setpoint(12.0).position == pytest.approx([-0.5, -0.5])


def test_a_first_knot_in_the_future_is_reached_from_where_the_arm_is(executor: TrajectoryExecutor) -> None:
    rest = np.zeros((1, 2))
    executor.submit(TrajectoryCommand(0.0, np.array([1.0]), np.array([[0.5, 0.5]]), rest, rest), now_s=10.0)
    assert executor.setpoint(10.5).position == pytest.approx([0.25, 0.25])
    assert executor.setpoint(11.0).position == pytest.approx([0.5, 0.5])


def test_joints_in_another_order_are_sorted(executor: TrajectoryExecutor) -> None:
    rest = np.zeros((2, 2))
    knots = np.array([[0.0, 0.0], [0.1, 0.2]])
    executor.submit(TrajectoryCommand(0.0, np.array([0.0, 1.0]), knots, rest, rest), 10.0, names=("b", "a"))
    assert executor.setpoint(12.0).position == pytest.approx([0.2, 0.1])


@pytest.mark.parametrize("names", [("a",), ("a", "c"), ("a", "a"), ()])
def test_other_joints_are_refused(executor: TrajectoryExecutor, names: tuple[str, ...]) -> None:
    with pytest.raises(JointNamesError, match="expected the joints a, b"):
        executor.submit(move(0.5), 10.0, names)


def test_a_refused_command_moves_nothing(executor: TrajectoryExecutor) -> None:
    executor.submit(move(0.5), now_s=10.0)
    with pytest.raises(JointRangeError, match=r"sent to 1\.5000 rad"):
        executor.submit(move(1.5, start_s=12.0, begin=0.5), now_s=10.0)
    assert executor.setpoint(20.0).position == pytest.approx([0.5, 0.5])


def test_numbers_that_are_not_finite_are_refused(executor: TrajectoryExecutor) -> None:
    with pytest.raises(KnotError, match="not finite"):
        executor.submit(move(np.nan), now_s=10.0)


def test_times_that_do_not_increase_are_refused(executor: TrajectoryExecutor) -> None:
    with pytest.raises(KnotError, match="increase"):
        executor.submit(move(0.5, duration_s=0.0), now_s=10.0)


def test_a_trajectory_that_does_not_end_at_rest_is_refused(executor: TrajectoryExecutor) -> None:
    velocities = np.array([[0.0, 0.0], [0.5, 0.0]])
    knots = np.array([ZERO, ZERO + 0.5])
    with pytest.raises(KnotError, match="ends at rest"):
        executor.submit(TrajectoryCommand(0.0, np.array([0.0, 1.0]), knots, velocities), now_s=10.0)


def test_knots_faster_than_the_joint_are_refused(executor: TrajectoryExecutor) -> None:
    velocities = np.array([[0.0, 0.0], [2.5, 0.0], [0.0, 0.0]])
    knots = np.array([ZERO, ZERO + 0.1, ZERO + 0.5])
    with pytest.raises(JointRangeError, match=r"2\.500 rad/s"):
        executor.submit(TrajectoryCommand(0.0, np.array([0.0, 0.5, 1.0]), knots, velocities), now_s=10.0)


def test_a_start_away_from_the_arm_is_refused(executor: TrajectoryExecutor) -> None:
    with pytest.raises(StartError, match=r"would jump by 0\.3000 rad"):
        executor.submit(move(0.5, begin=0.3), now_s=10.0)


def test_a_trajectory_that_is_over_already_is_refused(executor: TrajectoryExecutor) -> None:
    with pytest.raises(StartError, match="before now"):
        executor.submit(move(0.0, start_s=5.0), now_s=10.0)


def test_a_late_trajectory_is_joined_smoothly_and_ends_where_it_should(executor: TrajectoryExecutor) -> None:
    executor.submit(move(0.01, start_s=9.7), now_s=10.0)
    begun = executor.setpoint(10.0)
    assert begun.position == pytest.approx(ZERO)
    assert begun.velocity == pytest.approx(ZERO)
    assert begun.acceleration == pytest.approx(ZERO)
    assert executor.setpoint(11.0).position == pytest.approx([0.01, 0.01])


def test_a_trajectory_that_moves_on_without_the_arm_is_refused(executor: TrajectoryExecutor) -> None:
    """It passes by where the arm stands, so nearly at full speed that no way onto it stays inside the limits."""
    start = np.array([[-0.5, -0.5], [0.5, 0.5]])
    command = TrajectoryCommand(9.5, np.array([0.0, 1.0]), start, np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(StartError, match="cannot join the trajectory"):
        executor.submit(command, now_s=10.0)
    assert executor.setpoint(11.0).position == pytest.approx(ZERO)


def test_motions_that_come_late_break_no_limit() -> None:
    """A planner replaces its motion again and again, as the follower does, and the way to the arm takes its time."""
    limits = JointLimits.load("fr3_rectangular")
    executor = TrajectoryExecutor(JointRange.of(limits), limits)
    rng = np.random.default_rng(5)
    home = (limits.position_lower + limits.position_upper) / 2
    executor.reset(10.0, home)
    planned = CommandedMotion(JointTrajectory.standing(home), 10.0)
    times, positions, late, refused = [10.0], [home], 0, 0
    decided_s = 10.0
    for _ in range(150):
        decided_s += rng.uniform(0.05, 0.4)
        start_s = decided_s + 0.03
        state = planned.state_at(start_s)
        goal = limits.clip(state.position + rng.uniform(-0.2, 0.2, limits.count), margin=0.1)
        if (length := float(np.linalg.norm(goal - state.position))) < 0.1:
            continue
        path = JointPath(np.array([0.0, length / 2, length]), np.linspace(state.position, goal, 3))
        plan = plan_along(path, 0.0, state, limits, PathSpeed(0.25, 1.0, 5.0))
        assert plan is not None
        planned = CommandedMotion(plan.trajectory, start_s)
        arrives_s = start_s + rng.uniform(-0.03, 0.1)
        for time_s in np.arange(times[-1] + 0.001, arrives_s, 0.001):
            times.append(float(time_s))
            positions.append(executor.setpoint(float(time_s)).position)
        late += times[-1] > start_s
        try:
            executor.submit(TrajectoryCommand.of(planned.trajectory, planned.start_s), times[-1])
        except StartError:
            refused += 1
    assert late > 75
    assert refused == 0
    assert find_violations(times, np.array(positions), limits) == []
    assert executor.setpoint(planned.end_s + 1.0).position == pytest.approx(planned.trajectory.positions[-1])


@pytest.mark.parametrize("late_s", [0.02, 0.05, 0.1, 0.3, 2.0])
@pytest.mark.parametrize("speed", [0.3, 0.6, 1.0, 1.5])
def test_an_arm_that_is_told_to_stop_comes_to_rest_however_late_it_hears_of_it(
    speed: float, late_s: float
) -> None:
    limits = JointLimits.load("fr3_rectangular")
    executor = TrajectoryExecutor(JointRange.of(limits), limits)
    begin = (limits.position_lower + limits.position_upper) / 2
    executor.reset(0.0, begin)
    towards = np.array([0.6, -0.5, 0.4, 0.5, 0.3, -0.4, 0.5])
    length = float(np.linalg.norm(towards))
    path = JointPath(np.array([0.0, length / 2, length]), begin + towards * np.array([[0.0], [0.5], [1.0]]))
    plan = plan_along(path, 0.0, JointState.at_rest(begin), limits, PathSpeed(speed, 4.0 * speed, 40.0))
    assert plan is not None
    planned = CommandedMotion(plan.trajectory, 1.0)
    executor.submit(TrajectoryCommand.of(planned.trajectory, planned.start_s), 0.5)
    stopped_s = 1.0 + planned.trajectory.duration_s / 3
    stopped = planned.stopped_from(stopped_s, limits)

    times = list(np.arange(0.501, stopped_s + late_s, 0.001))
    positions = [executor.setpoint(time_s).position for time_s in times]
    with contextlib.suppress(LateError):
        executor.submit(TrajectoryCommand.of(stopped.trajectory, stopped.start_s), times[-1])
    rests_s = executor.end_s
    for time_s in np.arange(times[-1] + 0.001, max(rests_s, times[-1]) + 0.1, 0.001):
        times.append(float(time_s))
        positions.append(executor.setpoint(float(time_s)).position)

    assert rests_s <= min(planned.end_s, stopped_s + late_s + LONGEST_STOP_S) + 1e-6
    assert not executor.setpoint(times[-1]).velocity.any()
    assert find_violations(times, np.array(positions), limits) == []


def test_joining_keeps_accelerations_also_where_they_peak() -> None:
    rng = np.random.default_rng(0)
    knot_s, joints = 0.01, LIMITS.count
    peaks = np.tile([0.0, 9.2, 0.0, -9.2], 20)
    a = np.append(peaks, 0.0)[:, None] * np.eye(joints)[0]
    # Accelerations are linear between the knots: velocities and positions follow exactly.
    v = np.vstack([np.zeros(joints), np.cumsum((a[1:] + a[:-1]) / 2 * knot_s, axis=0)])
    steps = v[:-1] * knot_s + (2 * a[:-1] + a[1:]) / 6 * knot_s**2
    q = ZERO + np.vstack([np.zeros(joints), np.cumsum(steps, axis=0)])
    rest = JointState.at_rest(ZERO)
    spline = JointSpline.through(0.0, np.arange(len(a)) * knot_s, q, v, a, rest)
    joined = 0
    for _ in range(40):
        at_s = float(rng.uniform(0.0, 0.2))
        there = spline.sample(at_s)
        before = JointState(
            there.position + rng.uniform(-0.004, 0.004) * np.eye(joints)[0],
            there.velocity + rng.uniform(-0.05, 0.05) * np.eye(joints)[0],
            there.acceleration,
        )
        motion = join(spline, at_s, before, LIMITS)
        if motion is None:
            continue
        joined += 1
        dense = motion.sample_many(np.arange(at_s, motion.end_s, 1e-4))
        assert (np.abs(dense[2]) <= LIMITS.acceleration).all()
    assert joined > 5
