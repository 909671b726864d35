"""``ghost_node``: takes the commands of a dry run in the robot's place and shows what they would do.

Trajectories and gripper goals move a ghost: its joints are published as messages, its links on TF under the prefix
``ghost/``, and its description for RViz. The robot itself is only listened to.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from control_msgs.action import GripperCommand
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action import ActionServer
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory

from ik_controller.ghost import Ghost
from ik_controller.joint_limits import JointLimits
from ik_controller.link_poses import LinkPoses
from ik_controller.nodes.trajectory_command import decode_trajectory_command
from ik_controller.resources import resource_path
from ik_controller.trajectory_executor import CommandError
from tracegen_ros.messages import (
    Level,
    MessageError,
    decode_joint_state,
    encode_diagnostics,
    encode_header,
    encode_joint_state,
    encode_transform,
    nanoseconds_from,
    seconds_from,
)
from tracegen_ros.parameters import declare_parameters, parameter
from tracegen_ros.qos import LATCHED, LATEST
from tracegen_ros.spinning import run_node

NAME = "ghost"
DIAGNOSTIC_NAME = "ghost: dry run"
TF_PREFIX = "ghost/"
FINGER_JOINTS = ("fr3_finger_joint1", "fr3_finger_joint2")

_IDENTITY = np.eye(4)
_DIAGNOSTICS_PERIOD_S = 1.0
_EPOCH_NS = nanoseconds_from(1e6)
"""The ghost's time starts at a multiple of this [ns]: seconds since 1970 would cost a float seven digits."""


@dataclass(frozen=True)
class GhostParameters:
    """What the ghost listens to."""

    limits: str = parameter("fr3_full", "Limits that the robot's controller keeps: a shipped set, or a file")
    trajectory_topic: str = parameter(
        "/ghost/joint_trajectory_controller/joint_trajectory", "Trajectories that are shown"
    )
    gripper_action: str = parameter("/ghost/gripper_action", "Action whose goals are shown")
    joint_states_topic: str = parameter("/joint_states", "The robot's own joints")
    rate_hz: float = parameter(30.0, "How often the ghost is published [Hz]", minimum=1.0, maximum=100.0)


class GhostNode(Node):
    """Shows; sends nothing that moves anything."""

    def __init__(self) -> None:
        super().__init__(NAME)
        parameters = declare_parameters(self, GhostParameters)
        limits = JointLimits.load(parameters.limits)
        self._arm_joints = limits.joint_names
        self._ghost = Ghost(limits)
        description = resource_path("fr3.urdf")
        self._links = LinkPoses(description)
        self._robot_seen = False
        self._shown_ns = 0
        self._refused = 0
        self._epoch_ns: int | None = None
        self._joint_states = self.create_publisher(JointState, "/ghost/joint_states", LATEST)
        self._transforms = self.create_publisher(TFMessage, "/tf", 100)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._description = self.create_publisher(String, "/ghost/robot_description", LATCHED)
        self._description.publish(String(data=description.read_text(encoding="utf-8")))
        self._server = ActionServer(self, GripperCommand, parameters.gripper_action, self._on_gripper_goal)
        self.create_subscription(JointTrajectory, parameters.trajectory_topic, self._on_trajectory, LATEST)
        self.create_subscription(JointState, parameters.joint_states_topic, self._on_joint_state, 50)
        self.create_timer(1.0 / parameters.rate_hz, self._show)
        self.create_timer(_DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)
        self.get_logger().warning("dry run: commands are shown as a ghost, the robot gets none")

    def _now_s(self) -> float:
        now_ns = self.get_clock().now().nanoseconds
        if self._epoch_ns is None:
            self._epoch_ns = now_ns // _EPOCH_NS * _EPOCH_NS
        return seconds_from(now_ns - self._epoch_ns)

    # What is meant for the robot

    def _on_trajectory(self, message: JointTrajectory) -> None:
        try:
            self._ghost.propose(decode_trajectory_command(message, self._arm_joints), self._now_s())
        except (CommandError, MessageError) as error:
            self._refused += 1
            self.get_logger().warning(f"the robot would refuse this trajectory: {error}")

    def _on_gripper_goal(self, handle: ServerGoalHandle) -> GripperCommand.Result:
        width = handle.request.command.position
        self._ghost.move_fingers(width, self._now_s())
        self.get_logger().info(f"the fingers would go to {1e3 * width:.0f} mm")
        handle.succeed()
        return GripperCommand.Result(position=width, reached_goal=True)

    def _on_joint_state(self, message: JointState) -> None:
        try:
            arm = decode_joint_state(message, self._arm_joints)
        except MessageError:
            return  # A gripper may publish its joints in messages of its own.
        try:
            width = float(decode_joint_state(message, FINGER_JOINTS).positions.sum())
        except MessageError:
            width = None
        self._ghost.observe(arm.positions, width)
        self._robot_seen = True

    # What is shown

    def _show(self) -> None:
        now_ns = self.get_clock().now().nanoseconds
        if not self._robot_seen or now_ns <= self._shown_ns:
            return
        self._shown_ns = now_ns
        now_s = self._now_s()
        positions = [*self._ghost.positions(now_s), *[self._ghost.width(now_s) / 2] * 2]
        names = (*self._arm_joints, *FINGER_JOINTS)
        header = encode_header(now_ns, self._links.base)
        self._joint_states.publish(encode_joint_state(names, positions, [0.0] * len(names), header))
        poses = self._links.in_base(dict(zip(names, positions, strict=True)))
        # The ghost stands where the robot does; its links hang on the robot's base.
        ghost_base = encode_header(now_ns, f"{TF_PREFIX}{self._links.base}")
        self._transforms.publish(
            TFMessage(
                transforms=[
                    encode_transform(_IDENTITY, header, f"{TF_PREFIX}{self._links.base}"),
                    *(
                        encode_transform(pose, ghost_base, f"{TF_PREFIX}{link}")
                        for link, pose in zip(self._links.links, poses, strict=True)
                    ),
                ]
            )
        )

    def _publish_diagnostics(self) -> None:
        ghost = self._ghost
        values = {
            "plans shown": ghost.plans_played,
            "plans the robot would refuse": self._refused,
            "gripper goals": ghost.fingers_ordered,
        }
        level, message = (
            (Level.OK, "showing a plan" if ghost.playing else "no plan: the ghost is where the robot is")
            if self._robot_seen
            else (Level.WARN, "no joint states: is the robot's driver running?")
        )
        header = encode_header(self.get_clock().now().nanoseconds, "")
        self._diagnostics.publish(encode_diagnostics(DIAGNOSTIC_NAME, level, message, values, header, NAME))


def main() -> None:
    """Entry point of ``ros2 run ik_controller ghost_node``."""
    sys.exit(run_node(GhostNode))
