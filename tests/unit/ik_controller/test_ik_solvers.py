"""The benchmark's solvers solve the same task equally well: before they are timed, they must agree."""

import numpy as np
import pytest
from tests.motion_layer.ik_solvers import ours, with_mink, with_pink
from tests.motion_layer.ik_speed import errors, random_task

from ik_controller.inverse_kinematics import IkConfig
from ik_controller.robot_model import RobotModel


@pytest.mark.parametrize("name", ["ours", "pink", "mink"])
def test_each_solver_reaches_every_waypoint(name: str) -> None:
    robot, config = RobotModel.fr3(), IkConfig()
    task = random_task(robot, np.random.default_rng(0))
    solve = {
        "ours": lambda: ours(robot, None, None),
        "pink": lambda: with_pink(robot, "daqp"),
        "mink": lambda: with_mink(robot, "daqp"),
    }[name]()
    joints = solve(task)
    assert joints.shape == (len(task.positions), robot.joint_count)
    distances, turns = errors(robot, task, joints)
    assert distances.max() < 1.1 * config.position_tolerance
    assert turns.max() < 1.1 * config.rotation_tolerance
    # Warm: one waypoint's solution is near the last one's.
    assert np.abs(np.diff(joints, axis=0)).max() < 0.3
