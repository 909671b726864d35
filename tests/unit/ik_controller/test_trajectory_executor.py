"""The arm's controller follows ros2_control's rules, and refuses what would hurt."""

from __future__ import annotations

import numpy as np
import pytest

from ik_controller.trajectory_executor import (
    JointNamesError,
    JointRange,
    JointRangeError,
    KnotError,
    StartError,
    TrajectoryCommand,
    TrajectoryExecutor,
)

NAMES = ("a", "b")
ZERO = np.zeros(2)


@pytest.fixture
def executor() -> TrajectoryExecutor:
    executor = TrajectoryExecutor(JointRange(NAMES, np.full(2, -1.0), np.full(2, 1.0), np.full(2, 2.0)))
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
    middle = 0.25
    executor.submit(move(middle, start_s=10.5, begin=middle), now_s=10.1)
    assert executor.setpoint(10.4).position == pytest.approx(alone[1])
    assert executor.setpoint(10.6).position == pytest.approx([middle, middle])


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


def test_a_late_trajectory_is_joined_where_it_would_be_by_now(executor: TrajectoryExecutor) -> None:
    executor.submit(move(0.001, start_s=9.5), now_s=10.0)
    assert executor.setpoint(10.0).position == pytest.approx([0.0005, 0.0005])
