"""The ghost of a dry run plays plans as they were made, and otherwise stands where the robot does."""

from __future__ import annotations

import numpy as np
import pytest

from ik_controller.ghost import FINGER_SPEED, LINGER_S, LONGEST_WAIT_S, Ghost
from ik_controller.ghost_ahead import GhostAhead
from ik_controller.joint_limits import JointLimits
from ik_controller.link_poses import LinkPoses
from ik_controller.resources import resource_path
from ik_controller.robot_model import RobotModel
from ik_controller.trajectory_executor import CommandError, TrajectoryCommand

ROBOT = np.array([0.1, -0.1])
LIMITS = JointLimits(
    "a small arm",
    ("a", "b"),
    np.full(2, -1.0),
    np.full(2, 1.0),
    np.full(2, 2.0),
    np.full(2, 10.0),
    np.full(2, 1000.0),
)


@pytest.fixture
def ghost() -> Ghost:
    ghost = Ghost(LIMITS)
    ghost.observe(ROBOT, 0.08)
    return ghost


def plan(to: float, begin: float = 0.0, duration_s: float = 1.0, start_s: float = 1e6) -> TrajectoryCommand:
    rest = np.zeros((2, 2))
    return TrajectoryCommand(
        start_s, np.array([0.0, duration_s]), np.array([[begin] * 2, [to] * 2]), rest, rest
    )


def test_without_plans_it_is_where_the_robot_is(ghost: Ghost) -> None:
    assert ghost.positions(5.0).tolist() == ROBOT.tolist()
    assert ghost.width(5.0) == 0.08
    ghost.observe(2 * ROBOT, 0.02)
    assert ghost.positions(6.0).tolist() == (2 * ROBOT).tolist()
    assert ghost.width(6.0) == 0.02


def test_a_plan_is_played_to_its_end_and_then_the_newest_one(ghost: Ghost) -> None:
    ghost.propose(plan(0.5), 10.0)
    assert ghost.positions(10.0).tolist() == [0.0, 0.0]
    for now_s in (10.2, 10.4, 10.6, 10.8):
        ghost.propose(plan(-0.01 * now_s), now_s)
    assert 0.1 < ghost.positions(10.5)[0] < 0.4
    assert ghost.positions(10.99) == pytest.approx([0.5, 0.5], abs=1e-2)
    ghost.positions(11.0)
    assert ghost.positions(12.0) == pytest.approx([-0.108, -0.108])
    assert ghost.plans_played == 2


def test_after_the_last_plan_it_returns_to_the_robot(ghost: Ghost) -> None:
    ghost.propose(plan(0.5), 10.0)
    ghost.positions(10.0)
    ghost.move_fingers(0.0, 10.0)
    assert ghost.positions(11.0 + 0.9 * LINGER_S) == pytest.approx([0.5, 0.5])
    assert ghost.playing
    assert ghost.positions(11.0 + 1.1 * LINGER_S).tolist() == ROBOT.tolist()
    assert not ghost.playing
    assert ghost.width(13.0) == 0.08


def test_plans_that_let_the_arm_stand_or_came_long_ago_are_not_played(ghost: Ghost) -> None:
    ghost.propose(plan(0.0), 10.0)
    assert ghost.positions(10.0).tolist() == ROBOT.tolist()
    ghost.propose(plan(0.5), 10.0)
    assert ghost.positions(10.1 + LONGEST_WAIT_S).tolist() == ROBOT.tolist()


def test_what_the_robot_would_refuse_is_refused(ghost: Ghost) -> None:
    with pytest.raises(CommandError, match="range"):
        ghost.propose(plan(1.5), 10.0)
    assert ghost.positions(10.0).tolist() == ROBOT.tolist()


def test_fingers_move_at_a_fingers_speed(ghost: Ghost) -> None:
    ghost.move_fingers(0.0, 10.0)
    assert ghost.width(10.1) == pytest.approx(0.08 - 0.1 * FINGER_SPEED)
    assert ghost.width(11.0) == 0.0


def test_the_ghost_ahead_is_where_the_newest_trajectory_leads_a_moment_later() -> None:
    ghost = GhostAhead(LIMITS, ahead_s=0.5)
    ghost.observe(ROBOT, 0.08)
    assert ghost.positions(9.0).tolist() == ROBOT.tolist()
    assert not ghost.playing
    ghost.propose(plan(0.5, start_s=0.0), 10.0)
    halfway = ghost.positions(10.0)
    assert halfway == pytest.approx([0.25, 0.25], abs=1e-6)
    assert ghost.positions(10.5) == pytest.approx([0.5, 0.5])
    ghost.propose(plan(-0.5, begin=0.25, start_s=10.8), 10.6)
    assert ghost.positions(10.8) == pytest.approx([-0.125, -0.125], abs=1e-6)
    assert ghost.positions(11.3) == pytest.approx([-0.5, -0.5])
    assert ghost.plans_played == 2 and ghost.playing
    assert ghost.width(11.3) == 0.08
    assert ghost.positions(11.8 + 1.1 * LINGER_S).tolist() == ROBOT.tolist()
    assert not ghost.playing
    ghost.propose(plan(0.5, start_s=13.9), 14.0)
    assert ghost.positions(13.9) == pytest.approx([0.25, 0.25], abs=1e-6), "sent late"
    ghost.propose(plan(0.5, start_s=1e6), 15.0)
    assert ghost.positions(15.0) == pytest.approx([0.25, 0.25], abs=1e-6), "a start of another clock"
    with pytest.raises(CommandError, match="range"):
        ghost.propose(plan(1.5), 20.0)
    assert ghost.positions(20.0).tolist() == ROBOT.tolist()


def test_links_are_where_the_robot_model_has_them() -> None:
    robot = RobotModel.fr3()
    joints = np.array([0.1, 0.2, 0.3, -2.0, 0.5, 2.0, 0.7])
    links = LinkPoses(resource_path("fr3.urdf"))
    fingers = {"fr3_finger_joint1": 0.02, "fr3_finger_joint2": 0.02}
    poses = links.in_base(dict(zip(robot.joint_names, joints, strict=True)) | fingers)
    found = dict(zip(links.links, poses, strict=True))
    assert links.base == "fr3_link0"
    assert np.allclose(found["fr3_hand_tcp"], robot.tcp_in_base(joints))
    gap = np.linalg.norm(found["fr3_leftfinger"][:3, 3] - found["fr3_rightfinger"][:3, 3])
    assert gap == pytest.approx(0.04)
