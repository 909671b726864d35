"""Every link of the FR3 where Pinocchio puts it, and files that are no robot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio
import pytest

from tracegen_ros.web_viewer.robot_tree import RobotDescriptionError, RobotTree

URDF = Path(__file__).parents[4] / "urdf" / "fr3.urdf"


def test_links_are_where_pinocchio_puts_them() -> None:
    tree, model = RobotTree.read(URDF), pinocchio.buildModelFromUrdf(str(URDF))
    data, random = model.createData(), np.random.default_rng(0)
    for _ in range(5):
        q = random.uniform(model.lowerPositionLimit, model.upperPositionLimit)
        q[model.names.tolist().index("fr3_finger_joint2") - 1] = q[
            model.names.tolist().index("fr3_finger_joint1") - 1
        ]
        pinocchio.framesForwardKinematics(model, data, q)
        poses = tree.poses_in_base(dict(zip(list(model.names)[1:], q.tolist(), strict=True)))
        assert set(poses) == {frame.name for frame in model.frames if frame.type == pinocchio.BODY}
        for name, pose in poses.items():
            expected = data.oMf[model.getFrameId(name, pinocchio.BODY)].homogeneous
            np.testing.assert_allclose(pose, expected, atol=1e-12)


def test_joints_that_nobody_reports_are_at_zero() -> None:
    tree = RobotTree.read(URDF)
    np.testing.assert_allclose(tree.poses_in_base({})["fr3_hand"][2, 3], 0.333 + 0.316 + 0.384 - 0.107)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not xml", "cannot read the robot description"),
        ("<robot><link name='a'/><link name='b'/></robot>", "not one tree"),
        ("<robot/>", "has no links"),
        (
            "<robot><link name='a'/><link name='b'/><joint name='j' type='floating'>"
            "<parent link='a'/><child link='b'/></joint></robot>",
            "joint 'j' is floating; expected fixed, revolute",
        ),
        (
            "<robot><link name='a'/><link name='b'/><joint name='j' type='fixed'><origin xyz='1 2'/>"
            "<parent link='a'/><child link='b'/></joint></robot>",
            "xyz='1 2' must be 3 number",
        ),
        (
            "<robot><link name='a'/><link name='b'/><link name='c'/>"
            "<joint name='j' type='fixed'><parent link='b'/><child link='c'/></joint>"
            "<joint name='k' type='fixed'><parent link='c'/><child link='b'/></joint></robot>",
            "not one tree",
        ),
    ],
)
def test_what_is_no_robot_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "robot.urdf"
    file.write_text(text)
    with pytest.raises(RobotDescriptionError, match=words):
        RobotTree.read(file)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(RobotDescriptionError, match=r"nowhere\.urdf"):
        RobotTree.read("/nowhere.urdf")
