"""Calls the motion core, and says each call so that it can be recorded and made again."""

from __future__ import annotations

from collections.abc import Callable

from std_msgs.msg import String

from ik_controller.follower import FollowerInput, FollowerOutput, TraceFollower
from ik_controller.gates import Shut
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

    @property
    def fault(self) -> Shut | None:
        """What a person has to look at; None where nothing is."""
        return self._core.fault

    def begin(self) -> None:
        """A run begins; the next call is number 0."""
        self._core.begin()
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

    def recover(self) -> bool:
        """A person has looked at what led to a fault; False where there was none."""
        return self.make(CoreCall(self.number, CallKind.RECOVER))

    def make(self, call: CoreCall) -> bool:
        """Make a call that is no update, and say whether it had an effect; the end of a recorded run is only said."""
        had_effect = True
        if call.kind is CallKind.TASK:
            self._core.set_task(call.text)
        elif call.kind is CallKind.ENABLE:
            self._core.enable(call.on)
        elif call.kind is CallKind.STOP:
            self._core.stop(call.text)
        elif call.kind is CallKind.RECOVER:
            had_effect = self._core.recover()
        elif call.kind is CallKind.BEGIN:
            self._core.begin()
        self._say(call)
        return had_effect

    def update(self, inputs: FollowerInput, call: CoreCall) -> FollowerOutput:
        """Have the core decide on ``inputs``, which ``call`` tells of; said first, whatever the core makes of it."""
        self._say(call)
        return self._core.update(inputs)

    def _say(self, call: CoreCall) -> None:
        self.number = call.number + 1
        self._publish(encode_core_call(call))
