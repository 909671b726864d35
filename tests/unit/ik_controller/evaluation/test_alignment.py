"""Steps of a trace are matched to a recording by path length, or evenly in time."""

from __future__ import annotations

import numpy as np
import pytest

from ik_controller.evaluation.alignment import hand_clock, step_times
from ik_controller.evaluation.recording import JointTrack
from ik_controller.robot_model import RobotModel

STEP_M = 0.0125


@pytest.fixture(scope="module")
def robot() -> RobotModel:
    return RobotModel.fr3()


def track_with_pause(robot: RobotModel) -> tuple[JointTrack, float]:
    """One second of motion, two of standing still, one of motion; and the path length of one motion [m]."""
    times = np.arange(0.0, 4.001, 0.02)
    turned = 0.3 * (np.clip(times, 0.0, 1.0) + np.clip(times - 3.0, 0.0, 1.0))
    positions = np.tile([0.0, 0.1, 0.0, -2.1, 0.0, 2.2, 0.785], (len(times), 1))
    positions[:, 0] = turned
    radius = float(np.linalg.norm(robot.tcp_in_base(positions[0])[:2, 3]))
    return JointTrack(times, positions), 0.3 * radius


def test_path_length_stands_still_while_the_hand_does(robot: RobotModel) -> None:
    joints, length = track_with_pause(robot)
    clock = hand_clock(robot, joints, 0.0, 4.0)
    assert clock.length_m == pytest.approx(2 * length, rel=0.01)
    times = clock.times_at(np.array([0.5 * length, 1.5 * length, 3.0 * length]))
    assert times[:2] == pytest.approx([0.5, 3.5], abs=0.05)
    assert np.isnan(times[2])


def test_steps_take_their_times_from_the_path_or_spread_evenly_over_them(robot: RobotModel) -> None:
    joints, length = track_with_pause(robot)
    steps = step_times(hand_clock(robot, joints, 0.0, 4.0), 400, STEP_M)
    assert steps is not None
    assert steps.known == pytest.approx(2 * length / STEP_M, abs=1)
    half = steps.known // 2
    assert steps.even_s[half] == pytest.approx(steps.arc_s[steps.known] / 2, abs=0.05)
    assert abs(steps.arc_s[half - 2] - steps.even_s[half - 2]) > 0.8
    assert np.isnan(steps.arc_s[steps.known + 1 :]).all()


def test_without_a_step_length_the_whole_path_is_all_steps(robot: RobotModel) -> None:
    joints, _ = track_with_pause(robot)
    steps = step_times(hand_clock(robot, joints, 0.0, 1.0), 8, None)
    assert steps is not None and steps.known == 8
    assert steps.arc_s == pytest.approx(np.linspace(0.0, 1.0, 9), abs=0.05)


def test_a_hand_that_stands_says_nothing(robot: RobotModel) -> None:
    joints, _ = track_with_pause(robot)
    assert step_times(hand_clock(robot, joints, 1.2, 2.8), 32, STEP_M) is None
