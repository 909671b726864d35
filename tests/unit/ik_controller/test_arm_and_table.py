"""Whatever the path, the commanded arm stays clear of the table."""

import numpy as np

from ik_controller.arm_motion import ArmMotion
from ik_controller.hand_path import HandPath
from ik_controller.inverse_kinematics import IkConfig
from ik_controller.path_timing import PathSpeed
from ik_controller.robot_model import RobotModel

SPEED = PathSpeed(velocity=0.3, acceleration=1.5, jerk=15.0)


def test_a_path_through_the_table_is_cut_above_it() -> None:
    robot = RobotModel.fr3()
    pose = robot.tcp_in_base(robot.posture)
    depths = np.linspace(0.0, 0.40, 41)
    path = HandPath(
        positions=pose[:3, 3] - depths[:, None] * [0.0, 0.0, 1.0],
        rotations=np.repeat(pose[None, :3, :3], 41, axis=0),
        lengths=depths,
    )
    lowest = {}
    for table in (None, 0.0):
        arm = ArmMotion(robot, IkConfig(), table)
        arm.anchor(robot.posture, np.zeros(7), now_s=0.0, start_s=0.0, tolerance=0.01)
        report = arm.follow(path, 0.0, SPEED)
        end = arm.commanded.state_at(arm.commanded.end_s).position
        lowest[table] = robot.collision.clearance(end, 0.0)
        assert ("of table" in report.shortfall) == (table is not None)
    assert lowest[None].fingers_m < -0.05
    assert lowest[0.0].fingers_m > IkConfig().margins.fingers_m - 1e-3  # type: ignore[union-attr]
    assert lowest[0.0].scene_m > IkConfig().margins.scene_m - 1e-3  # type: ignore[union-attr]
