"""Blends keep the box and the table too: a hand that comes down fast is not turned sideways into the table."""

import numpy as np
import pytest

from ik_controller.arm_motion import ArmMotion
from ik_controller.hand_orientation import hand_rotations
from ik_controller.hand_path import HandPath, path_through
from ik_controller.inverse_kinematics import IkConfig, solve_pose
from ik_controller.motion_clearance import SLACK
from ik_controller.path_timing import PathSpeed
from ik_controller.robot_model import RobotModel
from ik_controller.workspace import Workspace

FLOOR = Workspace().lower[2]
TABLE = -0.002
TOP = np.array([0.50, 0.0, 0.25])
SPEED = PathSpeed(0.3, 1.5, 15.0)
REPLAN_S = 0.2
REPLANS = 12
DOWN_AND_ASIDE = np.array([[0.0, 0.2, -0.25], [0.0, -0.2, -0.25]])


def straight(start: np.ndarray, end: np.ndarray) -> HandPath | None:
    """The straight way, kept in the box."""
    positions = Workspace().clamp_from(start, np.linspace(start, end, 33))
    return path_through(positions, hand_rotations(positions, np.zeros(33)), 0.25)


def lowest_hand(workspace: Workspace | None, ik: IkConfig) -> float:
    """Least height [m] of a hand that is sent down to its floor, to one side and to the other in turns."""
    robot = RobotModel.fr3()
    upright = hand_rotations(TOP[None], np.zeros(1))[0]
    start, *_ = solve_pose(robot, robot.posture, TOP, upright, IkConfig(max_iterations=200))
    arm = ArmMotion(robot, ik, TABLE, workspace=workspace)
    arm.anchor(start, np.zeros(7), 0.0, 0.0, 0.01)
    heights = []
    for replan in range(REPLANS):
        start_s = replan * REPLAN_S
        here = arm.hand_at(start_s)[:3, 3]
        path = straight(here, here + DOWN_AND_ASIDE[replan % 2])
        if path is not None:
            arm.follow(path, start_s, SPEED)
        heights += [arm.hand_at(time_s)[2, 3] for time_s in start_s + np.arange(0.0, REPLAN_S, 0.01)]
    return float(min(heights))


def test_a_hand_that_comes_down_stays_above_its_floor_wherever_it_is_turned() -> None:
    assert lowest_hand(Workspace(), IkConfig()) >= FLOOR - SLACK


def test_without_the_look_it_would_not() -> None:
    assert lowest_hand(None, IkConfig(margins=None)) < FLOOR - SLACK


@pytest.mark.parametrize("outside", [0.0, 0.02, 0.06])
def test_a_path_from_outside_of_the_box_comes_in_and_never_goes_back_out(outside: float) -> None:
    space = Workspace()
    start = np.array([0.5, 0.0, space.lower[2] - outside])
    path = np.linspace(start, start + np.array([0.0, 0.2, -0.05]), 41)
    inside = space.clamp_from(start, path)
    assert inside[0] == pytest.approx(start)
    assert np.abs(np.diff(inside, axis=0)).max() < 0.02
    out = np.maximum(np.array(space.lower) - inside, 0.0).max(axis=1)
    assert (np.diff(out) <= 1e-12).all()
    assert out[-1] == 0.0
