"""A dry run as people start it: everything runs, a ghost shows what the robot would do, the robot is told nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.time import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tests.closed_loop.benchmark import EMULATED
from tests.closed_loop.cell import Cell, RosSession
from tests.closed_loop.stack import Stack
from tests.integration.fr3_driver.conftest import HOST
from tests.introduction import Introduction
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory

from fr3_driver.emulator.control_port import EmulatorControl
from tracegen_ros.messages import decode_joint_state
from tracegen_ros.qos import LATCHED

ROBOT_TRAJECTORIES = "/joint_trajectory_controller/joint_trajectory"
ROBOT_GRIPPER = "/fr3_gripper/gripper_action"
ARM = [f"fr3_joint{index}" for index in range(1, 8)]
DEADLINE_S = 120.0

MISLEADING = f"""\
trace_follower:
  ros__parameters:
    trajectory_topic: {ROBOT_TRAJECTORIES}
    gripper_action: {ROBOT_GRIPPER}
    max_trace_age_s: 5.0
    camera_timeout_s: 5.0
    input_timeout_s: 5.0
    joint_timeout_s: 2.0
"""
"""A file of the user's own must not undo the dry run."""


class Witness:
    """Sees what the robot is told, and what the ghost does."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.commands: list[JointTrajectory] = []
        self.gripper_goals: list[GoalStatus] = []
        self.ghost: list[np.ndarray] = []
        self.frames: dict[str, str] = {}
        self.descriptions: list[String] = []
        node = cell.node
        self._began = node.get_clock().now()
        node.create_subscription(JointTrajectory, ROBOT_TRAJECTORIES, self.commands.append, 10)
        node.create_subscription(
            GoalStatusArray, f"{ROBOT_GRIPPER}/_action/status", self._on_gripper_goals, LATCHED
        )
        node.create_subscription(JointState, "/ghost/joint_states", self._on_ghost, 50)
        node.create_subscription(TFMessage, "/tf", self._on_transforms, 100)
        node.create_subscription(String, "/ghost/robot_description", self.descriptions.append, LATCHED)

    def _on_gripper_goals(self, message: GoalStatusArray) -> None:
        # Goals are latched: what a gripper of an earlier test was told is none of this one's.
        self.gripper_goals += [
            status
            for status in message.status_list
            if Time.from_msg(status.goal_info.stamp, self._began.clock_type) >= self._began
        ]

    def _on_ghost(self, message: JointState) -> None:
        self.ghost.append(decode_joint_state(message, ARM).positions)

    def _on_transforms(self, message: TFMessage) -> None:
        for transform in message.transforms:
            self.frames[transform.child_frame_id] = transform.header.frame_id

    def ghost_is_from(self, joints: list[float]) -> float:
        """How far the ghost's farthest joint is from ``joints`` (7,) now [rad]."""
        return float(np.abs(self.ghost[-1] - joints).max()) if self.ghost else np.inf


@pytest.mark.timeout(480)
def test_a_ghost_moves_and_the_robot_is_told_nothing(tmp_path: Path) -> None:
    parameters = tmp_path / "misleading.yaml"
    parameters.write_text(MISLEADING, encoding="utf-8")
    launch = {
        **EMULATED,
        "fci_ip": HOST,
        "camera_rate": "4.0",
        "dry_run": "true",
        "parameters": str(parameters),
    }
    with Stack(launch, tmp_path / "nodes.log") as stack, RosSession():
        cell = Cell(stack.check, emulated=True, inactive=("/fr3_driver",))
        emulator = EmulatorControl(HOST, timeout_s=DEADLINE_S)
        try:
            witness = Witness(cell)
            cell.wait_until_ready()
            scene = cell.make_scene({"seed": 300_000, "block": -1, "zone": -1})
            before = emulator.request("status")
            assert cell.spin_until(lambda: witness.ghost_is_from(before["q"]) < 1e-6, DEADLINE_S)
            block, zone = scene["block_colours"][scene["block"]], scene["zone_colours"][scene["zone"]]
            cell.instruct(f"put the {block} block in the {zone} zone")
            moved = cell.spin_until(lambda: witness.ghost_is_from(before["q"]) > 0.1, DEADLINE_S)
            assert moved, cell.follower_state
            after = emulator.request("status")

            assert witness.commands == []

            def nobody_else() -> bool:
                talks = cell.node.count_publishers(ROBOT_TRAJECTORIES)
                return talks == 0 and cell.node.count_subscribers(ROBOT_TRAJECTORIES) == len([witness, cell])

            # Nodes of an earlier test that had to be killed seem to be there for some time.
            assert cell.spin_until(nobody_else, DEADLINE_S)
            assert witness.gripper_goals == []
            assert after["q"] == before["q"]
            assert after["peaks"]["velocity"] == 0.0
            assert after["gripper_width"] == pytest.approx(before["gripper_width"], abs=1e-4)
            assert witness.frames["ghost/fr3_hand_tcp"] == "ghost/fr3_link0"
            assert witness.frames["ghost/fr3_link0"] == "fr3_link0"
            assert "<robot" in witness.descriptions[-1].data
            driver = cell.node.create_client(GetState, "/fr3_driver/get_state")
            introduction = Introduction(cell.node, "/fr3_driver")
            assert cell.spin_until(introduction.is_done, DEADLINE_S)
            answer = driver.call_async(GetState.Request())
            assert cell.spin_until(answer.done, DEADLINE_S)
            assert answer.result().current_state.id == State.PRIMARY_STATE_INACTIVE
        finally:
            emulator.close()
            cell.close()
