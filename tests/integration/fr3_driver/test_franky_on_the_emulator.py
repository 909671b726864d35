"""The unmodified franky library against the emulated robot: what a real one would do, and what it would refuse."""

from __future__ import annotations

import time
from collections.abc import Iterator

import franky
import numpy as np
import pytest
from tests.integration.fr3_driver.conftest import HOST, EmulatedRobot, wait

from ik_controller.robot_model import RobotModel

pytestmark = pytest.mark.real_time

HOME = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]
AWAY = [0.8, -0.3, 0.2, -2.0, 0.2, 1.8, 0.5]


@pytest.fixture(scope="module")
def fast() -> Iterator[EmulatedRobot]:
    """The robot on the clock that waits for commands, and for nothing else."""
    robot = EmulatedRobot("lockstep")
    yield robot
    robot.close()


def limit_joints(client: franky.Robot, acceleration: float, jerk: float) -> None:
    """Plan with these [rad/s², rad/s³], where the library's own limits are not lower."""
    client.joint_acceleration_limit.set(np.minimum(acceleration, client.joint_acceleration_limit.max))
    client.joint_jerk_limit.set(np.minimum(jerk, client.joint_jerk_limit.max))


@pytest.fixture(scope="module")
def client(fast: EmulatedRobot) -> franky.Robot:
    client = franky.Robot(HOST, realtime_config=franky.RealtimeConfig.Ignore)
    limit_joints(client, 9.5, 4500.0)
    client.translation_acceleration_limit.set(3.0)
    client.translation_jerk_limit.set(1000.0)
    client.rotation_jerk_limit.set(2000.0)
    client.elbow_jerk_limit.set(1000.0)
    return client


@pytest.fixture
def robot_at_home(client: franky.Robot, fast: EmulatedRobot) -> franky.Robot:
    if client.has_errors:
        client.recover_from_errors()
    client.relative_dynamics_factor = 0.5
    client.move(franky.JointMotion(HOME))
    fast.ask("reset_statistics")
    return client


@pytest.mark.parametrize("factor", [0.2, 1.0])
def test_joint_motions_arrive_exactly_and_inside_the_limits(
    robot_at_home: franky.Robot, fast: EmulatedRobot, factor: float
) -> None:
    robot_at_home.relative_dynamics_factor = factor
    robot_at_home.move(franky.JointMotion(AWAY))
    assert robot_at_home.current_joint_positions == pytest.approx(np.array(AWAY), abs=1e-6)
    status = fast.status
    assert status["lost_commands"] == 0
    assert status["peaks"]["acceleration"] <= 10.0
    assert status["peaks"]["jerk"] <= 5000.0


def test_the_end_effector_is_where_the_project_s_own_model_has_it(robot_at_home: franky.Robot) -> None:
    pose = RobotModel.fr3("fr3_full").tcp_in_base(robot_at_home.current_joint_positions)
    assert robot_at_home.state.O_T_EE.matrix == pytest.approx(pose, abs=1e-5)


def test_cartesian_motions_arrive(robot_at_home: franky.Robot) -> None:
    start = robot_at_home.current_pose.end_effector_pose.translation
    robot_at_home.move(franky.CartesianMotion(franky.Affine([0.0, 0.0, 0.05]), franky.ReferenceType.Relative))
    moved = robot_at_home.current_pose.end_effector_pose.translation - start
    assert moved == pytest.approx([0.0, 0.0, -0.05], abs=1e-4)


def test_a_velocity_motion_that_nobody_renews_comes_to_rest_by_itself(robot_at_home: franky.Robot) -> None:
    robot_at_home.move(franky.JointVelocityMotion([0.3] + [0.0] * 6, franky.Duration(200)))
    assert robot_at_home.current_joint_velocities == pytest.approx(np.zeros(7), abs=1e-3)
    assert 0.05 < robot_at_home.current_joint_positions[0] - HOME[0] < 0.1


def test_the_poll_is_true_when_the_motion_is_over(robot_at_home: franky.Robot, fast: EmulatedRobot) -> None:
    fast.ask("clock", mode="soft")
    assert robot_at_home.poll_motion()
    robot_at_home.move(franky.JointVelocityMotion([0.1] + [0.0] * 6, franky.Duration(100)), asynchronous=True)
    assert not robot_at_home.poll_motion()
    robot_at_home.join_motion()
    assert robot_at_home.poll_motion()
    fast.ask("clock", mode="lockstep")


def test_torques_hold_the_arm_like_a_spring(robot_at_home: franky.Robot) -> None:
    target = np.array(HOME)
    target[3] += 0.05
    with franky.JointImpedanceTracker(
        robot_at_home, stiffness=np.full(7, 400.0), damping=np.full(7, 40.0), period=0.01
    ) as tracker:
        tracker.set_target(target)
        wait(lambda: abs(tracker.state.q[3] - target[3]) < 2e-3, "the spring to come to rest")
    assert robot_at_home.current_joint_positions[3] == pytest.approx(target[3], abs=5e-3)


def test_a_stop_preempts_the_motion_and_leaves_the_arm_at_rest(
    robot_at_home: franky.Robot, fast: EmulatedRobot
) -> None:
    fast.ask("clock", mode="soft")
    try:
        robot_at_home.move(franky.JointMotion(AWAY), asynchronous=True)
        wait(lambda: np.abs(fast.status["dq"]).max() > 0.3, "motion")
        robot_at_home.stop()
        with pytest.raises(franky.ControlException, match="preempted"):
            robot_at_home.join_motion()
    finally:
        fast.ask("clock", mode="lockstep")
    assert not np.any(fast.status["dq"])
    assert not robot_at_home.has_errors


@pytest.mark.parametrize(
    ("acceleration", "jerk", "error"),
    [
        (14.0, 4500.0, "joint_motion_generator_velocity_discontinuity"),
        (20.0, 10000.0, "joint_motion_generator_acceleration_discontinuity"),
    ],
)
def test_the_library_s_own_limits_are_another_robot_s_and_are_refused(
    robot_at_home: franky.Robot, acceleration: float, jerk: float, error: str
) -> None:
    robot_at_home.relative_dynamics_factor = 1.0
    try:
        limit_joints(robot_at_home, acceleration, jerk)
        with pytest.raises(franky.ControlException, match=error):
            robot_at_home.move(franky.JointMotion([*HOME[:6], HOME[6] - 1.0]))
    finally:
        robot_at_home.recover_from_errors()
        limit_joints(robot_at_home, 9.5, 4500.0)


def test_a_joint_driven_to_its_end_is_refused(robot_at_home: franky.Robot) -> None:
    with pytest.raises(franky.ControlException, match=r"joint_motion_generator_.*_limits_violation"):
        robot_at_home.move(franky.JointMotion([2.9, *HOME[1:]]))
    assert robot_at_home.has_errors
    assert robot_at_home.recover_from_errors()
    assert not robot_at_home.has_errors


def test_settings_are_taken_at_rest_and_read_back(robot_at_home: franky.Robot) -> None:
    robot_at_home.set_load(0.5, [0.0, 0.0, 0.05], [0.001] * 9)
    robot_at_home.set_joint_impedance([2000.0] * 7)
    robot_at_home.set_collision_behavior(20.0, 30.0)
    assert robot_at_home.state.m_load == pytest.approx(0.5)
    robot_at_home.set_load(0.0, [0.0] * 3, [0.0] * 9)


def test_a_second_client_is_turned_away(robot_at_home: franky.Robot) -> None:
    began_s = time.monotonic()
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        franky.Robot(HOST, realtime_config=franky.RealtimeConfig.Ignore)
    assert time.monotonic() - began_s < 3.0
    assert robot_at_home.state.q is not None


def test_the_hand_opens_grasps_and_misses(fast: EmulatedRobot) -> None:
    hand = franky.Gripper(HOST)
    assert hand.move(0.04, 0.1)
    assert hand.width == pytest.approx(0.04, abs=1e-3)
    fast.ask("place_object", width=0.03)
    assert hand.grasp(0.03, 0.1, 20.0)
    assert hand.is_grasped
    assert not hand.grasp(0.0, 0.1, 20.0)
    fast.ask("place_object", width=None)
    assert hand.homing()
    assert hand.width == pytest.approx(hand.max_width, abs=1e-3)
