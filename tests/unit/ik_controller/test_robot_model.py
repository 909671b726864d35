"""The arm's kinematics are those of the simulator, and names and limits fit together."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from ik_controller.joint_limits import JointLimits
from ik_controller.resources import ResourceError, resource_path
from ik_controller.robot_description import RobotDescription
from ik_controller.robot_model import RobotModel, RobotModelError


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
    with pytest.raises(RobotModelError, match="does not have"):
        RobotModel(RobotDescription.load("fr3"), other)
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


def changed_description(folder: Path, **changes: object) -> Path:
    """The FR3's description with some fields changed, as a file of its own."""
    original = resource_path("robots/fr3.yaml")
    content = yaml.safe_load(original.read_text())
    content["urdf"] = str(resource_path("fr3.urdf"))
    content["hand"] = str(resource_path("hand_geometry.yaml"))
    path = folder / "robot.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def test_a_description_without_tcp_frame_takes_it_from_the_hand(tmp_path: Path) -> None:
    path = changed_description(tmp_path, frames={"base": "fr3_link0", "hand": "fr3_hand"})
    robot, joints = RobotModel.load(path), RobotModel.fr3().posture
    np.testing.assert_allclose(robot.tcp_in_base(joints), RobotModel.fr3().tcp_in_base(joints), atol=1e-12)


def test_poses_are_given_in_the_base_frame_wherever_it_stands(tmp_path: Path) -> None:
    urdf = tmp_path / "raised.urdf"
    raised = (
        resource_path("fr3.urdf")
        .read_text()
        .replace(
            '<robot name="fr3">',
            '<robot name="fr3"><link name="world"/><joint name="stand" type="fixed"><parent link="world"/>'
            '<child link="fr3_link0"/><origin xyz="0.3 -0.2 0.7" rpy="0.1 0.2 1.3"/></joint>',
        )
    )
    urdf.write_text(raised)
    robot, fr3 = RobotModel.load(changed_description(tmp_path, urdf=str(urdf))), RobotModel.fr3()
    joints = fr3.posture
    np.testing.assert_allclose(robot.tcp_in_base(joints), fr3.tcp_in_base(joints), atol=1e-9)
    np.testing.assert_allclose(robot.tcp_and_jacobian(joints)[2], fr3.tcp_and_jacobian(joints)[2], atol=1e-9)
    assert robot.collision.clearance(joints, 0.0).self_m == pytest.approx(
        fr3.collision.clearance(joints, 0.0).self_m
    )
    assert robot.collision.clearance(joints, 0.0).scene_m == pytest.approx(
        fr3.collision.clearance(joints, 0.0).scene_m
    )


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"posture": [0.0, 1.0]}, "posture"),
        ({"posture": "upright"}, "garbles"),
        ({"frames": {"base": "fr3_link0"}}, "'hand'"),
        ({"frames": {"base": "fr3_link3", "hand": "fr3_hand"}}, "moves with joint fr3_joint3"),
        ({"frames": {"base": "fr3_link0", "hand": "fr3_fist"}}, "no frame 'fr3_fist'"),
        ({"frames": {"base": "fr3_link0", "hand": "fr3_link8", "tcp": "fr3_link7"}}, "tool centre point"),
        ({"urdf": "elsewhere.urdf"}, "not there"),
        ({"urdf": "package://nobody/knows.urdf"}, "knows.urdf"),
        ({"collision": {"capsules": {}, "apart": [], "mounting": ["fr3_link0"]}}, "fr3_link0"),
    ],
)
def test_what_a_description_lacks_is_named(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises((RobotModelError, ResourceError), match=complaint):
        RobotModel.load(changed_description(tmp_path, **changes))


def test_condition_number_grows_without_bound_towards_the_stretched_arm() -> None:
    robot = RobotModel.fr3("fr3_full")
    at_ease = robot.condition_number(robot.posture)
    assert 5.0 < at_ease < 17.0
    stretched = np.array([0.0, 0.0, 0.0, -1e-6, 0.0, 2.0, 0.0])
    assert robot.condition_number(stretched) > 1e3


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("urdf", "<robot name='r'><joint"),
        ("hand", "palm: []"),
        ("hand", "palm: ["),
        (
            "hand",
            "{palm: [{min: [0, 0, 0], max: [0, 1, 1]}], finger: [{min: [0, 0, 0], max: [1, 1, 1]}], "
            "tcp_offset: 0.1, max_width: 0.1}",
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, field: str, text: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text(text)
    with pytest.raises(RobotModelError, match="broken"):
        RobotModel.load(changed_description(tmp_path, **{field: str(broken)}))
