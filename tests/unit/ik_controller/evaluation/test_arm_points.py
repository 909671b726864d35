"""Points on the arm's links are told from those on the hand, on what it holds, and on the table."""

from __future__ import annotations

import numpy as np
import pytest

from ik_controller.evaluation.arm_points import ArmShape
from ik_controller.robot_model import RobotModel

JOINTS = np.array([0.0, 0.1, 0.0, -2.1, 0.0, 2.2, 0.785])


@pytest.fixture(scope="module")
def robot() -> RobotModel:
    return RobotModel.fr3()


def test_links_are_the_arm_and_table_and_things_in_the_hand_are_not(robot: RobotModel) -> None:
    arm = ArmShape(robot.joint_names)
    hand, tcp = robot.hand_in_base(JOINTS), robot.tcp_in_base(JOINTS)[:3, 3]
    wrist = hand[:3, 3] - 0.06 * hand[:3, 2] + 0.05 * hand[:3, 0]
    held = tcp - 0.02 * hand[:3, 2] + 0.02 * hand[:3, 1]
    points = np.array([wrist, [0.0, 0.0, 0.45], held, tcp, [tcp[0], tcp[1], 0.0], [np.nan, np.nan, np.nan]])
    assert arm.holds(points, JOINTS).tolist() == [True, True, False, False, False, False]
