"""``scene_node`` around an emulated robot that franky moves: what the robot does, the scene does, and the reverse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import franky
import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from tests.integration.fr3_driver.conftest import HOST, EmulatedRobot

from fr3_sim.hand_ik import HandIk, downward_rotation
from fr3_sim.layout import BLOCK_HALF_SIZE
from fr3_sim.nodes.frame_publisher import COLOUR_TOPIC, DEPTH_TOPIC
from fr3_sim.simulation import Simulation
from tracegen_ros.messages import decode_colour, decode_stamp, seconds_from
from tracegen_ros.qos import SENSOR

pytestmark = [pytest.mark.timeout(300), pytest.mark.real_time]

SEED = 7
FREE_PLACE = np.array([0.35, -0.3])
"""Where nothing lies on the table [m]."""


class EmulatedCell:
    """The robot, its client, and the scene as judges see it."""

    def __init__(self, tester: Any, robot: EmulatedRobot) -> None:
        self.tester, self.robot = tester, robot
        self.images = tester.hear(Image, COLOUR_TOPIC, SENSOR)
        self.depths = tester.hear(Image, DEPTH_TOPIC, SENSOR)
        self.client = franky.Robot(HOST, realtime_config=franky.RealtimeConfig.Ignore)
        self.client.joint_acceleration_limit.set(np.minimum(9.5, self.client.joint_acceleration_limit.max))
        self.client.joint_jerk_limit.set(np.minimum(4500.0, self.client.joint_jerk_limit.max))
        self.client.relative_dynamics_factor = 0.3
        self.hand = franky.Gripper(HOST)
        self.twin = Simulation()
        self.hand_ik = HandIk(self.twin.scene)

    def reset(self, seed: int) -> dict[str, Any]:
        value = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=seed)
        request = SetParameters.Request(parameters=[Parameter(name="seed", value=value)])
        assert self.tester.call(SetParameters, "/fr3_sim/set_parameters", request).results[0].successful
        self.twin.reset(seed)
        return self.trigger("reset")

    def trigger(self, service: str) -> dict[str, Any]:
        response = self.tester.call(Trigger, f"/fr3_sim/{service}", Trigger.Request())
        assert response.success, response.message
        return dict(json.loads(response.message))

    def reach(self, position: np.ndarray, yaw: float = 0.0) -> None:
        """Take the tool centre point somewhere [m], the hand pointing down."""
        joints, error = self.hand_ik.solve(position, downward_rotation(yaw))
        assert error < 2e-3
        self.client.move(franky.JointMotion(joints))

    def newest_image(self) -> np.ndarray:
        """A picture of now."""
        asked_ns = time.time_ns()
        self.tester.wait(
            lambda: self.images and decode_stamp(self.images[-1].header.stamp) > asked_ns, "a picture"
        )
        return decode_colour(self.images[-1])


@pytest.fixture(scope="module")
def cell(tester: Any, processes: Any, robot: EmulatedRobot) -> Iterator[EmulatedCell]:
    processes.node("fr3_sim.nodes.scene_node", emulator_ip=HOST, camera_rate_hz=10.0, seed=SEED)
    tester.activate("fr3_sim")
    cell = EmulatedCell(tester, robot)
    yield cell
    cell.twin.close()


def test_the_robot_stands_where_the_scene_begins(cell: EmulatedCell, robot: EmulatedRobot) -> None:
    scene = cell.reset(SEED)
    assert scene["seed"] == SEED
    assert robot.status["q"] == pytest.approx(cell.twin.command_record().positions[0], abs=1e-9)
    assert cell.hand.width == pytest.approx(0.08, abs=1e-3)


def test_pictures_show_what_the_robot_does_and_bear_the_wall_s_time(cell: EmulatedCell) -> None:
    before = cell.newest_image()
    assert abs(time.time() - seconds_from(decode_stamp(cell.images[-1].header.stamp))) < 5.0
    cell.client.move(franky.JointMotion([0.5] + [0.0] * 6, franky.ReferenceType.Relative))
    assert np.abs(cell.newest_image().astype(int) - before).max() > 50
    report = cell.trigger("report")
    assert report["largest_lag_rad"] < 0.02
    assert report["missed_s"] == 0.0


def test_fingers_hold_a_block_and_the_robot_knows(cell: EmulatedCell, robot: EmulatedRobot) -> None:
    cell.reset(SEED)
    block = cell.twin.scene.block_position(0)
    yaw = cell.twin.scene.block_yaw(0)
    cell.reach(block + np.array([0.0, 0.0, 0.12]), yaw)
    cell.reach(block, yaw)
    assert cell.hand.grasp(0.0, 0.1, 30.0, epsilon_inner=0.08, epsilon_outer=0.08)
    assert cell.hand.width == pytest.approx(2 * BLOCK_HALF_SIZE, abs=2e-3)
    cell.reach(block + np.array([0.0, 0.0, 0.15]), yaw)
    outcome = cell.trigger("report")["outcome"]
    assert outcome["picked_up"] == 0
    assert not outcome["released"]
    assert cell.hand.open(0.1)
    assert cell.hand.width == pytest.approx(0.08, abs=3e-3)


def test_an_arm_that_is_pressed_onto_the_table_stops_itself(cell: EmulatedCell, robot: EmulatedRobot) -> None:
    cell.reset(SEED)
    cell.client.set_collision_behavior(20.0, 30.0)
    cell.reach(np.array([*FREE_PLACE, 0.06]))
    with pytest.raises(franky.ControlException, match="joint_reflex"):
        cell.reach(np.array([*FREE_PLACE, -0.03]))
    # The scene's arm was held by the table; what was pressed is gone once the robot is put elsewhere.
    assert cell.client.recover_from_errors() in (True, False)
    cell.reset(SEED)
    cell.tester.wait(lambda: not any(cell.client.state.tau_ext_hat_filtered), "the arm to feel nothing")
    assert cell.client.recover_from_errors()
    cell.reach(np.array([*FREE_PLACE, 0.06]))


def test_without_an_emulator_the_node_says_so(tester: Any) -> None:
    nowhere = HOST.replace("127.1.", "127.3.")
    command = "from fr3_sim.nodes import scene_node as node; node._START_TIMEOUT_S = 0.5; node.main()"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            command,
            "--ros-args",
            "-r",
            "__node:=alone",
            "-p",
            f"emulator_ip:={nowhere}",
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    configure = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    assert not tester.call(ChangeState, "/alone/change_state", configure).success
    process.terminate()
    assert "no emulator answers" in process.communicate(timeout=60.0)[1]
