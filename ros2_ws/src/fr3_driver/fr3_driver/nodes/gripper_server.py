"""The gripper's ``control_msgs/GripperCommand`` action: positions are total openings between the fingertips [m].

A goal acts the moment it is accepted, and replaces the one before, which is aborted. Its result is given when the
fingers have reached the opening (``reached_goal``) or have met something (``stalled``); both are success.
"""

from __future__ import annotations

import queue

from control_msgs.action import GripperCommand
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from fr3_driver.gripper_driver import (
    GripperDriver,
    GripperDriverError,
    GripperGoalError,
    GripperOutcome,
    check_goal,
)

_UPDATE_PERIOD_S = 0.02


class GripperServer:
    """Serves the action for one hand.

    Args:
        node: The node that the server belongs to.
        gripper: The hand.
        name: Name of the action.
        outcomes: Where the hand's driver puts numbers of goals and what became of them.
    """

    def __init__(
        self,
        node: Node,
        gripper: GripperDriver,
        name: str,
        outcomes: queue.SimpleQueue[tuple[int, GripperOutcome]],
    ) -> None:
        self._node = node
        self._gripper = gripper
        self._outcomes = outcomes
        self._goals: dict[int, ServerGoalHandle] = {}
        self._results: dict[bytes, GripperOutcome] = {}
        self._server = ActionServer(
            node,
            GripperCommand,
            name,
            execute_callback=self._finish,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_UPDATE_PERIOD_S, self._update, clock=steady)

    def fail_all(self, reason: str) -> None:
        """The hand is gone: every goal has failed."""
        for number in list(self._goals):
            self._outcomes.put((number, GripperOutcome(0.0, 0.0, False, False, reason)))

    def destroy(self) -> None:
        """Take the action off the graph."""
        self._node.destroy_timer(self._timer)
        self._server.destroy()

    def _update(self) -> None:
        """Have ROS send the results that have come; it calls ``_finish`` when it comes to it."""
        while not self._outcomes.empty():
            number, outcome = self._outcomes.get()
            handle = self._goals.pop(number, None)
            if handle is not None:
                self._results[bytes(handle.goal_id.uuid)] = outcome
                handle.execute()

    def _on_goal(self, request: GripperCommand.Goal) -> GoalResponse:
        problem = self._gripper.problem
        try:
            check_goal(request.command.position, request.command.max_effort)
        except GripperGoalError as error:
            problem = str(error)
        if problem:
            self._node.get_logger().warning(f"gripper goal rejected: {problem}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        command = handle.request.command
        try:
            number = self._gripper.move(command.position, command.max_effort)
        except GripperDriverError as error:
            self._results[bytes(handle.goal_id.uuid)] = GripperOutcome(0.0, 0.0, False, False, str(error))
            handle.execute()
            return
        self._goals[number] = handle

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        self._gripper.stop()
        return CancelResponse.ACCEPT

    def _finish(self, handle: ServerGoalHandle) -> GripperCommand.Result:
        outcome = self._results.pop(bytes(handle.goal_id.uuid))
        if handle.is_cancel_requested:
            handle.canceled()
        elif outcome.problem:
            self._node.get_logger().warning(f"gripper goal not carried out: {outcome.problem}")
            handle.abort()
        else:
            handle.succeed()
        return GripperCommand.Result(
            position=outcome.width,
            effort=outcome.effort,
            stalled=outcome.stalled,
            reached_goal=outcome.reached_goal,
        )
