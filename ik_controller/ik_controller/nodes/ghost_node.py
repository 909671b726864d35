"""``ghost_node``: a ghost of the robot, which shows commands.

In a dry run it takes the commands in the robot's place and shows what they would do: trajectories and gripper goals
move the ghost. Otherwise (``ahead_s`` > 0) it listens to what the robot is sent and shows where the arm will be so
many seconds later. Its joints are published as messages, its links on TF under the prefix ``ghost/``, and its
description for RViz. The robot itself is only listened to.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

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
from ik_controller.ghost_ahead import GhostAhead
from ik_controller.joint_limits import JointLimits
from ik_controller.link_poses import LinkPoses
from ik_controller.nodes.trajectory_command import decode_trajectory_command
from ik_controller.robot_description import RobotDescription
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
DIAGNOSTIC_NAME_AHEAD = "ghost: motion ahead"
TF_PREFIX = "ghost/"

_IDENTITY = np.eye(4)
_DIAGNOSTICS_PERIOD_S = 1.0
_CLOCK_SET_BACK_NS = nanoseconds_from(1.0)
"""A clock this much behind what was shown last [ns] was set back: a simulation was reset, a bag starts again."""

_EPOCH_NS = nanoseconds_from(1e6)
"""The ghost's time starts at a multiple of this [ns]: seconds since 1970 would cost a float seven digits."""


@dataclass(frozen=True)
class GhostParameters:
    """What the ghost listens to."""

    robot: str = parameter("fr3", "Robot: the name of a shipped description, or the path of a file")
    limits: str = parameter("fr3_full", "Limits that the robot's controller keeps: a shipped set, or a file")
    trajectory_topic: str = parameter(
        "/ghost/joint_trajectory_controller/joint_trajectory", "Trajectories that are shown"
    )
    gripper_action: str = parameter("/ghost/gripper_action", "Action whose goals are shown")
    joint_states_topic: str = parameter("/joint_states", "The robot's own joints")
    ahead_s: float = parameter(
        0.0,
        "How far ahead of the robot the ghost is on the trajectories that the robot is sent [s]; 0 = a dry run",
        minimum=0.0,
        maximum=10.0,
    )
    rate_hz: float = parameter(30.0, "How often the ghost is published [Hz]", minimum=1.0, maximum=100.0)


class GhostNode(Node):
    """Shows; sends nothing that moves anything."""

    def __init__(self) -> None:
        super().__init__(NAME)
        parameters = declare_parameters(self, GhostParameters)
        description = RobotDescription.load(parameters.robot)
        self._fingers = description.fingers
        self._limits = JointLimits.load(parameters.limits)
        self._arm_joints = self._limits.joint_names
        self._ahead_s = parameters.ahead_s
        self._begin()
        self._links = LinkPoses(description.urdf)
        self._refused = 0
        self._epoch_ns: int | None = None
        self._joint_states = self.create_publisher(JointState, "/ghost/joint_states", LATEST)
        self._transforms = self.create_publisher(TFMessage, "/tf", 100)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._description = self.create_publisher(String, "/ghost/robot_description", LATCHED)
        self._description.publish(String(data=description.urdf.read_text(encoding="utf-8")))
        if self._dry_run is not None:
            self._server = ActionServer(
                self, GripperCommand, parameters.gripper_action, self._on_gripper_goal
            )
            self.get_logger().warning("dry run: commands are shown as a ghost, the robot gets none")
        self.create_subscription(JointTrajectory, parameters.trajectory_topic, self._on_trajectory, LATEST)
        self.create_subscription(JointState, parameters.joint_states_topic, self._on_joint_state, 50)
        self.create_timer(1.0 / parameters.rate_hz, self._show)
        self.create_timer(_DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)

    def _begin(self) -> None:
        """A ghost that has been shown nothing yet."""
        self._dry_run = Ghost(self._limits) if self._ahead_s == 0.0 else None
        self._ghost: Ghost | GhostAhead = self._dry_run or GhostAhead(self._limits, self._ahead_s)
        self._robot_seen = False
        self._shown_ns = 0

    def _now_s(self) -> float:
        now_ns = self.get_clock().now().nanoseconds
        if self._epoch_ns is None:
            self._epoch_ns = now_ns // _EPOCH_NS * _EPOCH_NS
        return seconds_from(now_ns - self._epoch_ns)

    # What is meant for the robot

    def _on_trajectory(self, message: JointTrajectory) -> None:
        try:
            now_s = self._now_s()
            command = decode_trajectory_command(message, self._arm_joints)
            since_epoch_s = command.start_s - seconds_from(self._epoch_ns or 0)
            self._ghost.propose(replace(command, start_s=since_epoch_s), now_s)
        except (CommandError, MessageError) as error:
            self._refused += 1
            self.get_logger().warning(f"the robot would refuse this trajectory: {error}")

    def _on_gripper_goal(self, handle: ServerGoalHandle) -> GripperCommand.Result:
        assert self._dry_run is not None
        width = handle.request.command.position
        self._dry_run.move_fingers(width, self._now_s())
        self.get_logger().info(f"the fingers would go to {1e3 * width:.0f} mm")
        handle.succeed()
        return GripperCommand.Result(position=width, reached_goal=True)

    def _on_joint_state(self, message: JointState) -> None:
        try:
            arm = decode_joint_state(message, self._arm_joints)
        except MessageError:
            return  # A gripper may publish its joints in messages of its own.
        try:
            fingers = decode_joint_state(message, self._fingers.names)
            width = self._fingers.opening(fingers.positions)
        except MessageError:
            width = None
        self._ghost.observe(arm.positions, width)
        self._robot_seen = True

    # What is shown

    def _show(self) -> None:
        now_ns = self.get_clock().now().nanoseconds
        if now_ns < self._shown_ns - _CLOCK_SET_BACK_NS:
            self._begin()
        if not self._robot_seen or now_ns <= self._shown_ns:
            return
        self._shown_ns = now_ns
        now_s = self._now_s()
        fingers = self._fingers.positions(self._ghost.width(now_s))
        positions = [float(position) for position in (*self._ghost.positions(now_s), *fingers)]
        names = (*self._arm_joints, *self._fingers.names)
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
        values = {"plans shown": self._ghost.plans_played, "plans the robot would refuse": self._refused}
        if self._dry_run is not None:
            values["gripper goals"] = self._dry_run.fingers_ordered
        level, message = (
            (
                Level.OK,
                "showing a plan" if self._ghost.playing else "no plan: the ghost is where the robot is",
            )
            if self._robot_seen
            else (Level.WARN, "no joint states: is the robot's driver running?")
        )
        name = DIAGNOSTIC_NAME_AHEAD if self._dry_run is None else DIAGNOSTIC_NAME
        header = encode_header(self.get_clock().now().nanoseconds, "")
        self._diagnostics.publish(encode_diagnostics(name, level, message, values, header, NAME))


def main() -> None:
    """Entry point of ``ros2 run ik_controller ghost_node``."""
    sys.exit(run_node(GhostNode))
