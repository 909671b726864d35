"""The arm's kinematics are those of the simulator, and names and limits fit together."""

from pathlib import Path

import numpy as np
import pytest

from ik_controller.joint_limits import JointLimits
from ik_controller.resources import ResourceError, resource_path
from ik_controller.robot_model import HandGeometry, RobotModel, RobotModelError


def test_tcp_agrees_with_the_simulator_within_a_tenth_of_a_millimetre() -> None:
    franky_sim = pytest.importorskip("franky_sim")
    mujoco = pytest.importorskip("mujoco")
    assets = Path(franky_sim.__file__).parent / "assets"
    spec = mujoco.MjSpec.from_file(str(assets / "fr3.xml"))
    spec.meshdir = str(assets / "meshes")
    spec.body("hand").add_site(name="tcp", pos=[0.0, 0.0, 0.1034])
    model = spec.compile()
    data = mujoco.MjData(model)
    robot = RobotModel.fr3("fr3_full")
    rng = np.random.default_rng(0)
    for _ in range(100):
        joints = rng.uniform(robot.limits.position_lower, robot.limits.position_upper)
        data.qpos[:7] = joints
        mujoco.mj_kinematics(model, data)
        pose = robot.tcp_in_base(joints)
        assert np.abs(pose[:3, 3] - data.site("tcp").xpos).max() < 1e-4
        assert np.abs(pose[:3, :3] - data.site("tcp").xmat.reshape(3, 3)).max() < 1e-4


def test_jacobian_predicts_small_motions() -> None:
    robot = RobotModel.fr3()
    joints = np.array([0.1, 0.2, -0.1, -2.0, 0.1, 2.1, 0.7])
    position, _, jacobian = robot.tcp_and_jacobian(joints)
    position = position.copy()
    step = 1e-6 * np.arange(1, 8)
    moved = robot.tcp_in_base(joints + step)[:3, 3]
    np.testing.assert_allclose(moved - position, jacobian[:3] @ step, atol=1e-9)


def test_fingers_stay_out_of_the_arm_model() -> None:
    robot = RobotModel.fr3()
    assert robot.joint_names == tuple(f"fr3_joint{index}" for index in range(1, 8))


def test_limits_of_another_robot_are_refused() -> None:
    limits = JointLimits.load("fr3_rectangular")
    other = JointLimits("other", ("a", "b"), np.full(2, -1.0), np.ones(2), np.ones(2), np.ones(2), np.ones(2))
    hand = HandGeometry.load(resource_path("hand_geometry.yaml"))
    with pytest.raises(RobotModelError, match="does not have"):
        RobotModel(resource_path("fr3.urdf"), other, hand)
    assert limits.count == 7


def test_missing_description_file_names_where_it_was_sought() -> None:
    with pytest.raises(ResourceError, match="looked at"):
        resource_path("limits/nonexistent.yaml")


def test_fingers_move_apart_symmetrically() -> None:
    hand = RobotModel.fr3().hand
    boxes = hand.boxes(0.06)[len(hand.palm) :]
    left, right = np.split(boxes, 2)
    np.testing.assert_allclose(left[:, 0, 1], -right[:, 1, 1])
    assert left[:, 0, 1].min() == pytest.approx(0.03)
