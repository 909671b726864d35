"""``sim_node`` in a process of its own: what it publishes, what it accepts, and how it makes a scene anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from control_msgs.action import GripperCommand
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionClient
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from fr3_sim.nodes.frame_publisher import COLOUR_INFO_TOPIC, COLOUR_TOPIC, DEPTH_TOPIC
from fr3_sim.nodes.sim_node import GRIPPER_ACTION, TRAJECTORY_TOPIC
from tracegen_ros.messages import (
    decode_colour,
    decode_depth,
    decode_intrinsics,
    decode_joint_state,
    decode_stamp,
    encode_header,
    encode_joint_trajectory,
)
from tracegen_ros.qos import SENSOR

ARM = [f"fr3_joint{index}" for index in range(1, 8)]
FINGERS = ["fr3_finger_joint1", "fr3_finger_joint2"]
PERIOD_NS = 10_000_000


class SimulatedCell:
    """The simulator as its neighbours see it."""

    def __init__(self, tester) -> None:
        self.tester = tester
        self.states = tester.hear(JointState, "/joint_states", 50)
        self.clock = tester.hear(Clock, "/clock", 10)
        self.trajectories = tester.publisher(JointTrajectory, TRAJECTORY_TOPIC, 10)

    @property
    def joints(self) -> np.ndarray:
        return decode_joint_state(self.states[-1], ARM).positions

    @property
    def stamp_ns(self) -> int:
        return decode_stamp(self.states[-1].header.stamp)

    def trigger(self, service: str) -> dict[str, Any]:
        response = self.tester.call(Trigger, f"/fr3_sim/{service}", Trigger.Request())
        assert response.success, response.message
        return json.loads(response.message)

    def reset(self) -> None:
        """Begin again; the joint states are of after that."""
        stamp_ns = self.trigger("reset")["stamp_ns"]
        self.tester.wait(lambda: self.stamp_ns > stamp_ns, "joint states of the new scene")

    def send(self, joint: int, by: float, start_ns: int = 0, names: list[str] | None = None) -> None:
        """Turn one joint by an angle [rad] within a second."""
        goal = self.joints.copy()
        goal[joint] += by
        rest = np.zeros((2, 7))
        header = encode_header(start_ns, "fr3_link0")
        self.trajectories.publish(
            encode_joint_trajectory(
                names or ARM, [0.0, 1.0], np.array([self.joints, goal]), rest, rest, header
            )
        )

    def gripper_result(self, position: float) -> GripperCommand.Result | None:
        """What became of a goal; None if it was rejected."""
        client = ActionClient(self.tester.node, GripperCommand, GRIPPER_ACTION)
        self.tester.wait(client.server_is_ready, "the gripper")
        goal = GripperCommand.Goal()
        goal.command.position = position
        sent = client.send_goal_async(goal)
        self.tester.wait(sent.done, "an answer of the gripper")
        handle = sent.result()
        if not handle.accepted:
            return None
        finished = handle.get_result_async()
        self.tester.wait(finished.done, "a result of the gripper")
        return finished.result().result


@pytest.fixture(scope="module")
def cell(tester, processes) -> Iterator[SimulatedCell]:
    processes.node("fr3_sim.nodes.sim_node", real_time_factor=0.0, camera_rate_hz=5.0)
    cell = SimulatedCell(tester)
    tester.wait(lambda: cell.states, "joint states")
    yield cell


def test_colour_depth_and_intrinsics_of_one_image_belong_together(cell: SimulatedCell, tester) -> None:
    colours = tester.hear(Image, COLOUR_TOPIC, SENSOR)
    depths = tester.hear(Image, DEPTH_TOPIC, SENSOR)
    infos = tester.hear(CameraInfo, COLOUR_INFO_TOPIC, SENSOR)

    def common() -> set[int]:
        return set.intersection(
            *({decode_stamp(m.header.stamp) for m in ms} for ms in (colours, depths, infos))
        )

    tester.wait(common, "the three parts of an image")
    stamp = common().pop()
    colour, depth, info = (
        next(m for m in ms if decode_stamp(m.header.stamp) == stamp) for ms in (colours, depths, infos)
    )
    assert (colour.encoding, depth.encoding) == ("rgb8", "16UC1")
    assert (
        colour.header.frame_id
        == depth.header.frame_id
        == info.header.frame_id
        == "camera_color_optical_frame"
    )
    assert decode_colour(colour).shape == (480, 640, 3)
    assert 0.3 < np.median(decode_depth(depth)) < 2.0
    assert decode_intrinsics(info).width == 640


def test_clock_and_joint_states_tick_a_hundred_times_a_second_of_simulated_time(
    cell: SimulatedCell, tester
) -> None:
    first = len(cell.states)
    tester.wait(lambda: len(cell.states) > first + 20, "joint states")
    stamps = [decode_stamp(state.header.stamp) for state in cell.states[first:]]
    # Who is late misses some, and hears the others at their times.
    assert np.gcd.reduce(np.diff(stamps)) == PERIOD_NS
    assert list(cell.states[-1].name) == [*ARM, *FINGERS]
    assert cell.clock


def test_a_trajectory_moves_the_arm(cell: SimulatedCell, tester) -> None:
    cell.reset()
    goal = cell.joints[0] + 0.2
    cell.send(joint=0, by=0.2)
    tester.wait(lambda: abs(cell.joints[0] - goal) < 0.002, "the arm to arrive")


@pytest.mark.parametrize("by", [np.nan, 9.0])
def test_a_refused_trajectory_moves_nothing_and_is_reported(cell: SimulatedCell, tester, by: float) -> None:
    cell.reset()
    before = cell.joints
    cell.send(joint=0, by=by)
    reports: list[dict[str, Any]] = []
    tester.wait(lambda: reports.append(cell.trigger("report")) or reports[-1]["refused"], "a refusal")
    assert reports[-1]["trajectories"] == 0
    assert cell.joints == pytest.approx(before, abs=1e-3)


def test_a_trajectory_of_other_joints_is_refused(cell: SimulatedCell, tester) -> None:
    cell.reset()
    cell.send(joint=0, by=0.1, names=[f"panda_joint{index}" for index in range(1, 8)])
    reports: list[dict[str, Any]] = []
    tester.wait(lambda: reports.append(cell.trigger("report")) or reports[-1]["refused"], "a refusal")
    assert "lacks fr3_joint1" in reports[-1]["refused"][0]


def test_the_gripper_goes_to_the_total_opening_asked_for(cell: SimulatedCell) -> None:
    result = cell.gripper_result(0.03)
    assert result is not None
    assert result.reached_goal
    assert result.position == pytest.approx(0.03, abs=0.003)


def test_a_gripper_goal_out_of_range_is_rejected(cell: SimulatedCell) -> None:
    assert cell.gripper_result(0.3) is None


def test_a_reset_reads_the_seed_and_makes_its_scene(cell: SimulatedCell, tester) -> None:
    def seeded(seed: int) -> dict[str, Any]:
        value = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=seed)
        request = SetParameters.Request(parameters=[Parameter(name="seed", value=value)])
        assert tester.call(SetParameters, "/fr3_sim/set_parameters", request).results[0].successful
        return cell.trigger("reset")

    first, other, again = seeded(7), seeded(8), seeded(7)
    assert {**first, "stamp_ns": 0} == {**again, "stamp_ns": 0}
    assert {**first, "stamp_ns": 0, "seed": 0} != {**other, "stamp_ns": 0, "seed": 0}
    assert first["stamp_ns"] < other["stamp_ns"] < again["stamp_ns"]
