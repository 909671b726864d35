"""Goals for the gripper's action server, and what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from action_msgs.msg import GoalStatus
from control_msgs.action import GripperCommand
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.node import Node
from rclpy.task import Future

_ENDINGS = {GoalStatus.STATUS_SUCCEEDED: "succeeded", GoalStatus.STATUS_CANCELED: "canceled"}


class GripperLink:
    """Sends goals to a ``control_msgs/GripperCommand`` server, one at a time.

    Args:
        node: The node that the action client belongs to.
        action: Name of the action.
        position_per_opening: Position in goals over the opening between the fingertips. The message does not say what
            is meant by it: most servers take the opening, some (franka_ros2's own) that of one finger, which is half.
    """

    def __init__(self, node: Node, action: str, position_per_opening: float = 1.0) -> None:
        self._action = action
        self._position_per_opening = position_per_opening
        self._client = ActionClient(node, GripperCommand, action)
        self._asked_s = 0.0
        self._goals_sent = 0
        self._on_answer: Callable[[str | None], None] | None = None
        self.result = ""
        """How the last goal ended, for diagnostics."""
        self.busy = False
        """A goal is on its way or being carried out."""

    @property
    def waiting(self) -> bool:
        """A goal was sent and not yet accepted or refused."""
        return self._on_answer is not None

    def send(self, width: float, max_effort: float, on_answer: Callable[[str | None], None]) -> None:
        """Send a goal: ``width`` between the fingertips [m] with ``max_effort`` [N].

        ``on_answer`` is called once, with None when the goal was accepted, else with the reason why not.
        """
        self._asked_s = time.monotonic()
        self._goals_sent += 1
        number = self._goals_sent
        self._on_answer = on_answer
        self.result = "on its way"
        self.busy = True
        goal = GripperCommand.Goal()
        goal.command.position = self._position_per_opening * width
        goal.command.max_effort = max_effort
        if self._client.server_is_ready():
            answer = self._client.send_goal_async(goal)
            answer.add_done_callback(lambda future: self._on_goal_answered(number, future))
        else:
            self._answer(f"no gripper answers on {self._action}")

    def pass_over(self) -> None:
        """Wait no longer for an answer: what goes with the goal shall not be sent. Its fingers may still move."""
        if self.waiting:
            self._on_answer = None
            self.result = "passed over by a stop"

    def give_up_after(self, timeout_s: float) -> None:
        """Count a goal that waits for longer than ``timeout_s`` [s of wall time] as refused; call it now and then."""
        if self.waiting and time.monotonic() - self._asked_s > timeout_s:
            self._answer(f"the gripper on {self._action} did not accept a goal within {timeout_s:g} s")

    def destroy(self) -> None:
        """Let go of the action client."""
        self._on_answer = None
        self._client.destroy()

    def _on_goal_answered(self, number: int, future: Future) -> None:
        handle: ClientGoalHandle = future.result()
        if handle.accepted:
            handle.get_result_async().add_done_callback(lambda result: self._on_result(number, result))
        if number != self._goals_sent:
            return  # A newer goal has taken its place.
        self._answer(None if handle.accepted else f"the gripper on {self._action} refused a goal")

    def _answer(self, refusal: str | None) -> None:
        on_answer, self._on_answer = self._on_answer, None
        if refusal is not None:
            self.result = refusal
            self.busy = False
        if on_answer is not None:
            on_answer(refusal)

    def _on_result(self, number: int, future: Future) -> None:
        if number != self._goals_sent:
            return
        self.busy = False
        self.result = _ENDINGS.get(future.result().status, "aborted")
