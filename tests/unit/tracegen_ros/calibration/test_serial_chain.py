"""Forward kinematics in numpy is that of the follower."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.serial_chain import SerialChain

URDF = Path(__file__).parents[4] / "urdf" / "fr3.urdf"


def test_the_hand_is_where_the_follower_takes_it_to_be() -> None:
    robot_model = pytest.importorskip("ik_controller.robot_model")
    robot = robot_model.RobotModel.fr3()
    chain = SerialChain.read(URDF, "fr3_link0", "fr3_hand_tcp")
    assert chain.joint_names == robot.joint_names
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints = rng.uniform(-2.0, 2.0, 7)
        np.testing.assert_allclose(chain.tip_in_base(joints), robot.tcp_in_base(joints), atol=1e-12)


def test_a_link_that_is_not_there_is_named() -> None:
    with pytest.raises(CalibrationDataError, match="no chain from link 'world' to link 'fr3_hand_tcp'"):
        SerialChain.read(URDF, "world", "fr3_hand_tcp")


def test_a_file_that_is_no_urdf_is_named(tmp_path: Path) -> None:
    (tmp_path / "robot.urdf").write_text("not XML")
    with pytest.raises(CalibrationDataError, match=r"cannot read the robot description .*robot\.urdf"):
        SerialChain.read(tmp_path / "robot.urdf", "a", "b")
