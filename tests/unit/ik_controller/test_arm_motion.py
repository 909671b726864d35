"""The commanded motion along a hand path: as fast as it may go, and nothing where it may not go at all."""

import numpy as np
import pytest

from ik_controller.arm_motion import ArmMotion, PathReport
from ik_controller.follower_config import FollowerConfig
from ik_controller.hand_orientation import hand_rotations
from ik_controller.hand_path import path_through
from ik_controller.inverse_kinematics import IkConfig, solve_pose
from ik_controller.path_timing import PathSpeed
from ik_controller.robot_model import RobotModel

SPEED = PathSpeed(0.3, 1.5, 15.0)
TIMES_S = np.linspace(1.0, 6.0, 500)


def followed(speed_scale: float) -> tuple[ArmMotion, PathReport]:
    """An arm told to go 20 cm sideways."""
    robot = RobotModel.fr3()
    positions = np.linspace([0.50, -0.10, 0.25], [0.50, 0.10, 0.25], 17)
    rotations = hand_rotations(positions, np.zeros(17))
    start, *_ = solve_pose(robot, robot.posture, positions[0], rotations[0], IkConfig(max_iterations=200))
    arm = ArmMotion(robot, FollowerConfig().ik)
    arm.anchor(start, np.zeros(7), 0.9, 1.0, 0.01)
    path = path_through(positions, rotations, 0.25)
    assert path is not None
    return arm, arm.follow(path, 1.0, SPEED, speed_scale=speed_scale)


def speeds(arm: ArmMotion) -> np.ndarray:
    """Speed of the hand over time [m/s]."""
    places = np.array([arm.hand_at(time_s)[:3, 3] for time_s in TIMES_S])
    return np.linalg.norm(np.diff(places, axis=0), axis=1) / np.diff(TIMES_S)


@pytest.mark.parametrize("scale", [1.0, 0.4, 0.05])
def test_the_hand_goes_at_the_share_of_its_speed_that_it_is_given(scale: float) -> None:
    arm, report = followed(scale)
    assert report.slow_down == pytest.approx(1.0)
    assert report.scale == pytest.approx(scale)
    assert speeds(arm).max() == pytest.approx(scale * SPEED.velocity, rel=0.02)


def test_without_any_speed_the_arm_stands() -> None:
    arm, report = followed(0.0)
    assert report.slow_down is None
    assert speeds(arm).max() < 1e-9


def test_a_held_arm_is_taken_up_where_it_stands_only_once_its_motion_is_over() -> None:
    arm, _ = followed(1.0)
    held = arm.commanded.state_at(1.0).position
    ticks = np.arange(1.05, arm.commanded.end_s + 1.0, 0.05)
    moved, stopped_s = [], None
    for now_s in ticks:
        ends_s = arm.commanded.end_s
        taken_up = arm.anchor(held, np.zeros(7), now_s, now_s + 0.03, 0.015)
        if arm.is_held and stopped_s is None:
            stopped_s = now_s
            going_on = arm.commanded.state_at(now_s + 0.03).position
            arm.stop(now_s + 0.03)
            np.testing.assert_allclose(arm.commanded.state_at(now_s + 0.03).position, going_on, atol=1e-9)
        if taken_up:
            assert now_s > ends_s
            moved.append(now_s)
    assert stopped_s is not None
    assert len(moved) == 1 and moved[0] > stopped_s
    assert not arm.is_held
    np.testing.assert_allclose(arm.commanded.state_at(moved[0]).position, held)
