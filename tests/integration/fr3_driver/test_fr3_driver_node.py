"""``fr3_driver_node`` in a process of its own, against an emulated robot in another."""

from __future__ import annotations

import numpy as np
import pytest
from control_msgs.action import GripperCommand
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.action import ActionClient
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tests.integration.fr3_driver.conftest import HOST, EmulatedRobot
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.messages import (
    Level,
    decode_joint_state,
    decode_stamp,
    encode_header,
    encode_joint_trajectory,
)
from tracegen_ros.qos import LATCHED, LATEST

ARM = [f"fr3_joint{index}" for index in range(1, 8)]
FINGERS = ["fr3_finger_joint1", "fr3_finger_joint2"]
HEALTH = "fr3_driver: arm"

pytestmark = pytest.mark.real_time


class DriverAsSeen:
    """The driver as its neighbours see it."""

    def __init__(self, tester) -> None:
        self.tester = tester
        self.states = tester.hear(JointState, "/joint_states", 50)
        self.words = tester.hear(String, "/fr3_driver/state", LATCHED)
        self.trajectories = tester.publisher(
            JointTrajectory, "/joint_trajectory_controller/joint_trajectory", LATEST
        )
        tester.wait(lambda: self.states and self.words, "joint states and a state")

    @property
    def joints(self) -> np.ndarray:
        return decode_joint_state(self.states[-1], ARM).positions

    def joints_now(self) -> np.ndarray:
        """The joints (7,) [rad] once a state of now has come; older ones may still be waiting to be heard."""
        now_ns = self.tester.node.get_clock().now().nanoseconds
        self.tester.wait(lambda: decode_stamp(self.states[-1].header.stamp) > now_ns, "a state of now")
        return self.joints

    def send(self, by: float, seconds: float, ahead_s: float = 0.0) -> np.ndarray:
        """Turn the first joint by an angle [rad]; returns where that leads."""
        now_ns = self.tester.node.get_clock().now().nanoseconds
        goal = self.joints.copy()
        goal[0] += by
        header = encode_header(now_ns + int(ahead_s * 1e9) if ahead_s else 0, "fr3_link0")
        rest = np.zeros((2, 7))
        self.trajectories.publish(
            encode_joint_trajectory(ARM, [0.0, seconds], np.array([self.joints, goal]), rest, rest, header)
        )
        return goal

    def wait_for(self, words: str) -> None:
        self.tester.wait(lambda: self.words and words in self.words[-1].data, f"state {words}")

    def trigger(self, service: str) -> Trigger.Response:
        return self.tester.call(Trigger, f"/fr3_driver/{service}", Trigger.Request())

    def grip(self, width: float, effort: float = 0.0):
        """What became of a goal; None if it was rejected."""
        client = ActionClient(self.tester.node, GripperCommand, "/fr3_gripper/gripper_action")
        self.tester.wait(client.server_is_ready, "the gripper")
        goal = GripperCommand.Goal()
        goal.command.position, goal.command.max_effort = width, effort
        sent = client.send_goal_async(goal)
        self.tester.wait(sent.done, "an answer of the gripper")
        if not sent.result().accepted:
            return None
        finished = sent.result().get_result_async()
        self.tester.wait(finished.done, "a result of the gripper")
        return finished.result().result


def wait_until(tester, stamp_ns: int) -> None:
    """Wait for an instant of the ROS clock [ns]."""
    tester.wait(lambda: tester.node.get_clock().now().nanoseconds >= stamp_ns, "its time")


@pytest.fixture(scope="module")
def running(robot: EmulatedRobot, tester, processes) -> DriverAsSeen:
    processes.node(
        "fr3_driver.nodes.fr3_driver_node",
        fci_ip=HOST,
        diagnostics_rate_hz=20.0,
        connect_timeout_s=60.0,
        recover_timeout_s=2.0,
    )
    tester.activate("fr3_driver")
    return DriverAsSeen(tester)


@pytest.fixture
def driver(running: DriverAsSeen, robot: EmulatedRobot) -> DriverAsSeen:
    """The driver, well again after the test before."""
    robot.ask("mute", on=False)
    robot.ask("place_object", width=None)
    if not running.words[-1].data.startswith(("READY", "MOVING", "STOPPING")):
        assert running.trigger("recover").success
    running.wait_for("READY")
    return running


def test_states_come_at_their_rate_with_the_fingers_and_recent_stamps(driver: DriverAsSeen, tester) -> None:
    poses = tester.hear(PoseStamped, "/fr3_driver/hand_pose", LATEST)
    first = len(driver.states)
    tester.wait(lambda: len(driver.states) > first + 100 and poses, "joint states")
    state = driver.states[-1]
    assert list(state.name) == [*ARM, *FINGERS]
    assert len(state.effort) == len(state.name)
    stamps = [decode_stamp(state.header.stamp) for state in driver.states[first:]]
    assert 1e9 / np.mean(np.diff(stamps)) == pytest.approx(100.0, rel=0.2)
    assert abs(tester.node.get_clock().now().nanoseconds - stamps[-1]) < 1e9
    assert 0.2 < poses[-1].pose.position.z < 0.8


def test_a_trajectory_moves_the_arm_where_it_says(driver: DriverAsSeen, tester) -> None:
    goal = driver.send(0.2, 0.8, ahead_s=0.1)
    driver.wait_for("MOVING")
    driver.wait_for("READY")
    assert driver.joints_now() == pytest.approx(goal, abs=3e-3)


def test_a_newer_trajectory_takes_over_without_a_stop(
    driver: DriverAsSeen, tester, robot: EmulatedRobot
) -> None:
    robot.ask("reset_statistics")
    driver.words.clear()
    times_s = np.linspace(0.0, 2.0, 41)
    shape = 10 * (times_s / 2) ** 3 - 15 * (times_s / 2) ** 4 + 6 * (times_s / 2) ** 5
    path = driver.joints + np.outer(shape, np.eye(7)[3] * 0.4)
    velocities = np.gradient(path, times_s, axis=0)
    velocities[[0, -1]] = 0.0
    start_ns = tester.node.get_clock().now().nanoseconds + 100_000_000
    nothing = np.empty((len(times_s), 0))
    for knot in range(0, 36, 4):
        rest_of_it = slice(knot, None)
        header = encode_header(start_ns + round(times_s[knot] * 1e9), "fr3_link0")
        message = encode_joint_trajectory(
            ARM,
            times_s[rest_of_it] - times_s[knot],
            path[rest_of_it],
            velocities[rest_of_it],
            nothing[rest_of_it],
            header,
        )
        driver.trajectories.publish(message)
        wait_until(tester, decode_stamp(header.stamp))
    driver.wait_for("READY")
    assert [word.data for word in driver.words] == ["MOVING", "READY"]
    assert robot.status["last_reflex"] == ""
    assert driver.joints_now() == pytest.approx(path[-1], abs=3e-3)
    health = tester.wait_for_health(HEALTH, Level.OK, "READY")
    assert health["trajectories refused"] == "0"


@pytest.mark.parametrize(("by", "reason"), [(9.0, "its range is"), (np.nan, "not finite")])
def test_a_trajectory_out_of_range_is_refused_with_a_reason(
    driver: DriverAsSeen, tester, by: float, reason: str
) -> None:
    before = driver.joints
    driver.send(by, 1.0)
    tester.wait_for_health(HEALTH, Level.OK, "READY")
    tester.wait(
        lambda: reason in tester.wait_for_health(HEALTH, Level.OK, "READY").get("last refusal", ""), reason
    )
    assert driver.joints == pytest.approx(before, abs=1e-3)


def test_a_reflex_is_named_and_only_the_service_leads_out_of_it(
    driver: DriverAsSeen, tester, robot: EmulatedRobot
) -> None:
    driver.send(0.3, 2.0)
    driver.wait_for("MOVING")
    robot.ask("reflex", error="joint_reflex")
    driver.wait_for("REFLEX: joint_reflex")
    tester.wait_for_health(HEALTH, Level.ERROR, "call ~/recover")
    driver.send(0.1, 1.0)
    tester.wait(
        lambda: "REFLEX" in tester.wait_for_health(HEALTH, Level.ERROR, "REFLEX").get("last refusal", ""),
        "a refusal",
    )
    assert driver.trigger("recover").success
    driver.wait_for("READY")
    goal = driver.send(-0.1, 0.6)
    driver.wait_for("MOVING")
    driver.wait_for("READY")
    assert driver.joints_now() == pytest.approx(goal, abs=3e-3)


def test_the_stop_service_brings_the_arm_to_rest(driver: DriverAsSeen, robot: EmulatedRobot) -> None:
    goal = driver.send(0.4, 3.0)
    driver.wait_for("MOVING")
    assert driver.trigger("stop").success
    driver.wait_for("READY: stopped: stop service")
    assert not np.any(robot.status["dq"])
    assert abs(driver.joints[0] - goal[0]) > 0.05


def test_the_gripper_opens_closes_and_holds_what_it_meets(driver: DriverAsSeen, robot: EmulatedRobot) -> None:
    closed = driver.grip(0.05)
    assert closed.reached_goal
    assert not closed.stalled
    assert driver.grip(0.08).position == pytest.approx(0.08, abs=2e-3)
    robot.ask("place_object", width=0.03)
    held = driver.grip(0.0, effort=30.0)
    assert held.stalled
    assert held.position == pytest.approx(0.03, abs=2e-3)
    assert held.effort == pytest.approx(30.0)
    robot.ask("place_object", width=None)
    assert driver.grip(0.08).reached_goal
    assert driver.grip(0.3) is None
    assert driver.trigger("home_gripper").success


def test_a_robot_that_goes_mute_is_named_and_found_again(
    driver: DriverAsSeen, tester, robot: EmulatedRobot
) -> None:
    robot.ask("reflex")
    driver.wait_for("REFLEX")
    robot.ask("mute", on=True)
    assert not driver.trigger("recover").success
    driver.wait_for("UNRESPONSIVE")
    robot.ask("mute", on=False)
    assert driver.trigger("recover").success
    driver.wait_for("READY")
    assert driver.grip(0.06).reached_goal


def test_a_control_box_that_hangs_up_takes_arm_and_gripper_and_gives_both_back(
    driver: DriverAsSeen, tester, robot: EmulatedRobot
) -> None:
    robot.ask("disconnect")
    tester.wait_for_health(HEALTH, Level.ERROR, "no gripper")
    driver.wait_for("CONNECTION_LOST")
    assert driver.grip(0.05) is None
    assert driver.trigger("recover").success
    driver.wait_for("READY")
    assert driver.grip(0.05).reached_goal


def test_a_list_of_the_wrong_length_is_refused(processes) -> None:
    assert processes.node("fr3_driver.nodes.fr3_driver_node", stiffness="[1.0, 2.0]").wait(60.0) == 2


def test_the_node_goes_down_and_up_again(driver: DriverAsSeen, tester) -> None:
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert tester.call(ChangeState, "/fr3_driver/change_state", request).success
    tester.activate("fr3_driver")
    tester.wait_for_health(HEALTH, Level.OK, "READY")
