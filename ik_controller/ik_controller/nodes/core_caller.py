"""Calls the motion core, and says each call so that it can be recorded and made again."""

from __future__ import annotations

from collections.abc import Callable

from std_msgs.msg import String

from ik_controller.follower import FollowerInput, FollowerOutput, TraceFollower
from tracegen_ros.messages.core_calls import CallKind, CoreCall, encode_core_call


class CoreCaller:
    """Everything that the core is told goes through here, so that the record lacks nothing.

    Args:
        core: The motion core.
        publish: Says a call.

    Attributes:
        number: Of the next call.
    """

    def __init__(self, core: TraceFollower, publish: Callable[[String], object]) -> None:
        self._core = core
        self._publish = publish
        self.number = 0

    def count_anew(self) -> None:
        """The next call is number 0."""
        self.number = 0

    def set_task(self, text: str) -> None:
        """What is to be done; empty = nothing."""
        self.make(CoreCall(self.number, CallKind.TASK, text))

    def enable(self, on: bool) -> None:
        """Whether the arm may move."""
        self.make(CoreCall(self.number, CallKind.ENABLE, on=on))

    def stop(self, reason: str) -> None:
        """Bring the arm to rest."""
        self.make(CoreCall(self.number, CallKind.STOP, reason))

    def make(self, call: CoreCall) -> None:
        """Make a call that is no update; the beginning and the end of a recorded run are only said."""
        if call.kind is CallKind.TASK:
            self._core.set_task(call.text)
        elif call.kind is CallKind.ENABLE:
            self._core.enable(call.on)
        elif call.kind is CallKind.STOP:
            self._core.stop(call.text)
        self._say(call)

    def update(self, inputs: FollowerInput, call: CoreCall) -> FollowerOutput:
        """Have the core decide on ``inputs``, which ``call`` tells of; said first, whatever the core makes of it."""
        self._say(call)
        return self._core.update(inputs)

    def _say(self, call: CoreCall) -> None:
        self.number = call.number + 1
        self._publish(encode_core_call(call))
