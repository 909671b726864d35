"""The answer to the frame that is shown: its traces, and the command that the follower decided on from them."""

from __future__ import annotations

import time
from collections.abc import Callable

from sensor_msgs.msg import PointCloud2
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.bags.frame_ledger import FrameLedger
from tracegen_ros.bags.frame_steps import Frame
from tracegen_ros.messages import Level, decode_stamp
from tracegen_ros.nodes.node_words import MOTION_HEALTH, TRACE_HEALTH, NodeWords
from tracegen_ros.nodes.patience import Patience

REMINDER_PERIOD_S = 1.0
"""Images are best effort: one that waits for its answer is published again this often [s of wall time]."""

GIVE_UP_S = 3.0
"""A frame that a node has been naming an error for so long [s of wall time] gets no answer."""

_BUSY = ("engine broke", "inference hangs", "loading")
"""Errors of ``trace_node`` after which an answer may still come."""


class FrameAnswer:
    """Waits for the answer to one frame after the other, but not where it is of no use.

    Args:
        ledger: Which frame an answer is owed to.
        words: What the nodes say of themselves.
        patience: How long an answer may take.
        decides: Whether the follower decides on this frame's traces when it has them.

    Attributes:
        frame: The frame that was shown last; None before the first.
        traces: Its traces; None before they came.
        command: What was decided on from them; None before it came.
    """

    def __init__(
        self, ledger: FrameLedger, words: NodeWords, patience: Patience, decides: Callable[[], bool]
    ) -> None:
        self._ledger = ledger
        self._words = words
        self._patience = patience
        self._decides = decides
        self._answered_s = 0.0
        self.frame: Frame | None = None
        self.traces: PointCloud2 | None = None
        self.command: JointTrajectory | None = None

    def expect(self, frame: Frame) -> None:
        """``frame`` is about to be shown."""
        self.frame, self.traces, self.command = frame, None, None

    def hear_traces(self, traces: PointCloud2) -> None:
        """Traces of any frame."""
        if self.frame is not None and decode_stamp(traces.header.stamp) == self.frame.stamp_ns:
            self.traces, self._answered_s = traces, time.monotonic()

    def hear_command(self, command: JointTrajectory) -> None:
        """A command of any time."""
        if self.frame is not None and decode_stamp(command.header.stamp) >= self.frame.stamp_ns:
            self.command = command

    def wait(self, show_again: Callable[[Frame], object]) -> str | None:
        """Until the frame is answered, shown again now and then; returns why it cannot be, or None.

        Raises:
            ReplayError: Nothing is said for too long.
        """
        assert self.frame is not None, "only a frame that was shown is answered"
        frame, began_s = self.frame, time.monotonic()
        remind_s = began_s + REMINDER_PERIOD_S
        limit_s = self._patience.limit_s
        while self._ledger.owed_ns is not None and not self._is_whole(frame):
            reason = self._hopeless(frame, began_s)
            if reason is not None:
                return reason
            self._patience.check(
                began_s, f"the frame of {frame.stamp_ns} ns was not answered within {limit_s:g} s"
            )
            now_s = time.monotonic()
            if self.traces is None and now_s > remind_s:
                show_again(frame)
                remind_s = now_s + REMINDER_PERIOD_S
            self._patience.spin_once()
        return None

    def _is_whole(self, frame: Frame) -> bool:
        """Traces are there, and the command where one is due."""
        wants_command = frame.joints_known and self._decides()
        return self.traces is not None and (self.command is not None or not wants_command)

    def _hopeless(self, frame: Frame, began_s: float) -> str | None:
        """Why what is waited for since ``began_s`` [s of wall time] will not come, None while it may."""
        if self.traces is None:
            health = self._words.of(TRACE_HEALTH)
            names_error = health.level is Level.ERROR and not health.words.startswith(_BUSY)
            return health.words if names_error and health.heard_s - began_s > GIVE_UP_S else None
        health = self._words.of(MOTION_HEALTH)
        decided = health.values.get("decided_stamp_ns") == str(frame.stamp_ns)
        # The follower tells its health after it has sent the command: one that is not here now was never sent.
        return (
            f"no command: {health.words}"
            if decided and health.heard_s - self._answered_s > GIVE_UP_S
            else None
        )
