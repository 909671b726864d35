"""The gripper as the follower sees it: goals go to its action server, progress is read off the fingers.

Whether the fingers are still moving is decided from joint states and their stamps, never from when the action's result
happens to arrive: the same joint states give the same decisions.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from action_msgs.msg import GoalStatus
from control_msgs.action import GripperCommand
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.node import Node
from rclpy.task import Future

from tracegen_ros.messages import nanoseconds_from

_STARTS_WITHIN_NS = nanoseconds_from(0.2)
"""Fingers that have not moved this long after the goal [ns] are not going to."""

_REST_NS = nanoseconds_from(0.15)
"""Fingers are at rest when they have stood for this long [ns] ..."""

_REST_WIDTH = 0.0005
"""... within this much of opening [m]."""

_LONGEST_NS = nanoseconds_from(4.0)
"""No movement of the fingers takes longer than this [ns]."""


class GripperLink:
    """Sends goals to a ``control_msgs/GripperCommand`` server and knows whether the fingers still move.

    Args:
        node: The node that the action client belongs to.
        action: Name of the action.
    """

    def __init__(self, node: Node, action: str) -> None:
        self._action = action
        self._node = node
        self._client = ActionClient(node, GripperCommand, action)
        self._widths: deque[tuple[int, float]] = deque()
        self._commanded_ns: int | None = None
        self._asked_s: float | None = None
        self._on_answer: Callable[[str | None], None] | None = None
        self.result = ""
        """How the last goal ended, for diagnostics."""

    @property
    def width(self) -> float | None:
        """Newest opening between the fingertips [m], None before the first."""
        return self._widths[-1][1] if self._widths else None

    @property
    def waiting(self) -> bool:
        """A goal was sent and not yet accepted or refused."""
        return self._on_answer is not None

    def add_width(self, stamp_ns: int, width: float) -> None:
        """The fingers were ``width`` [m] apart at ``stamp_ns`` [ns]."""
        if self._widths and stamp_ns < self._widths[-1][0]:
            self._widths.clear()
            self._commanded_ns = None
        self._widths.append((stamp_ns, width))
        while len(self._widths) > 1 and self._widths[1][0] <= stamp_ns - _REST_NS:
            self._widths.popleft()

    def busy(self, now_ns: int) -> bool:
        """Whether the fingers are still on their way at ``now_ns`` [ns]."""
        if self._commanded_ns is None:
            return False
        since_ns = now_ns - self._commanded_ns
        widths = [width for _, width in self._widths]
        at_rest = bool(widths) and max(widths) - min(widths) < _REST_WIDTH
        if since_ns > _LONGEST_NS or (since_ns > _STARTS_WITHIN_NS + _REST_NS and at_rest):
            self._commanded_ns = None
        return self._commanded_ns is not None

    def command(
        self, width: float, max_effort: float, now_ns: int, on_answer: Callable[[str | None], None]
    ) -> None:
        """Send a goal: ``width`` between the fingertips [m] with ``max_effort`` [N].

        ``on_answer`` is called once, with None when the goal was accepted, else with the reason why not.
        """
        self._commanded_ns = now_ns
        self._asked_s = time.monotonic()
        self._on_answer = on_answer
        self.result = "on its way"
        goal = GripperCommand.Goal()
        goal.command.position = width
        goal.command.max_effort = max_effort
        if not self._client.server_is_ready():
            self._answer(f"no gripper answers on {self._action}")
            return
        self._client.send_goal_async(goal).add_done_callback(self._on_goal_answered)

    def give_up_after(self, timeout_s: float) -> None:
        """Refuse a goal that has been waiting for longer than ``timeout_s`` [s of wall time]; call it now and then."""
        if self.waiting and self._asked_s is not None and time.monotonic() - self._asked_s > timeout_s:
            self._answer(f"the gripper on {self._action} did not accept a goal within {timeout_s:g} s")

    def destroy(self) -> None:
        """Let go of the action client."""
        self._on_answer = None
        self._client.destroy()

    def _on_goal_answered(self, future: Future) -> None:
        handle: ClientGoalHandle = future.result()
        if not handle.accepted:
            self._answer(f"the gripper on {self._action} refused a goal")
            return
        handle.get_result_async().add_done_callback(self._on_result)
        self._answer(None)

    def _answer(self, refusal: str | None) -> None:
        on_answer, self._on_answer = self._on_answer, None
        if refusal is not None:
            self._commanded_ns = None
            self.result = refusal
        if on_answer is not None:
            on_answer(refusal)

    def _on_result(self, future: Future) -> None:
        status = future.result().status
        names = {GoalStatus.STATUS_SUCCEEDED: "succeeded", GoalStatus.STATUS_CANCELED: "canceled"}
        self.result = names.get(status, "aborted")
        if self.result == "aborted":
            self._node.get_logger().warning("the gripper aborted a goal")
