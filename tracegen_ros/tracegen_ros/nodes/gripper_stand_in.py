"""Takes a gripper's goals in a replay, where no fingers move but those that were recorded."""

from __future__ import annotations

from collections.abc import Callable

from control_msgs.action import GripperCommand
from rclpy.action import ActionServer
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node


class GripperStandIn:
    """Reaches every goal at once.

    Args:
        node: Whose action server this is.
        action: Name of the action.
        note: Called for each goal.
    """

    def __init__(self, node: Node, action: str, note: Callable[[], object]) -> None:
        self._note = note
        self._server = ActionServer(node, GripperCommand, action, self._on_goal)

    def _on_goal(self, handle: ServerGoalHandle) -> GripperCommand.Result:
        self._note()
        handle.succeed()
        return GripperCommand.Result(position=handle.request.command.position, reached_goal=True)
