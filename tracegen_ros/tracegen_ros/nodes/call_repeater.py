"""Has the follower decide on a recorded run's own inputs again, for ``replay_node``."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from std_msgs.msg import String

from tracegen_ros.messages.core_calls import CallKind, CoreCall, decode_core_call, encode_core_call

CALL_TIMEOUT_S = 20.0
"""A recorded call that is not made within this [s of wall time] ends the repeating."""

MOST_DUE_CALLS = 30
"""Recorded calls that may wait for their inputs."""


class CallRepeater:
    """Passes recorded calls on in their order, and waits for each one whose inputs have all been said.

    Messages of different topics may have been recorded in another order than the follower heard them in: a call may
    come before an input of its own, and then waits without holding up what comes next.

    Args:
        publish: Says a call to the follower.
        spin: Moves messages for a moment.
        on_end: Called with the reason when the follower decides by itself from now on.
    """

    def __init__(
        self, publish: Callable[[String], None], spin: Callable[[], None], on_end: Callable[[str], None]
    ) -> None:
        self._publish = publish
        self._spin = spin
        self._on_end = on_end
        self._made: set[tuple[CallKind, int]] = set()
        self._due: deque[CoreCall] = deque()
        self._traces_said: deque[int] = deque(maxlen=MOST_DUE_CALLS)
        self._joints_said_ns = -1
        self.active = True
        """Calls are repeated; otherwise the follower decides by itself."""

    def begin(self) -> None:
        """The recorded run begins, maybe not for the first time."""
        self._made.clear()
        self._due.clear()
        self._traces_said.clear()
        self._joints_said_ns = -1
        call = CoreCall(0, CallKind.BEGIN)
        self._publish(encode_core_call(call))
        self._wait_for(call)

    def repeat(self, message: String) -> None:
        """A recorded call comes up.

        Raises:
            MessageError: ``message`` is none.
        """
        call = decode_core_call(message)
        if not self.active:
            return
        self._publish(message)
        if call.kind is CallKind.UPDATE:
            self._due.append(call)
            if len(self._due) > MOST_DUE_CALLS:
                self.end(f"the call of {self._due[0].now_ns} ns lacks an input")

    def note_traces(self, stamp_ns: int) -> None:
        """The follower can have the traces of ``stamp_ns`` [ns]."""
        self._traces_said.append(stamp_ns)

    def note_joints(self, stamp_ns: int) -> None:
        """The joint state of ``stamp_ns`` [ns] has been said."""
        self._joints_said_ns = stamp_ns

    def note_made(self, message: String) -> None:
        """The follower says that it made a call.

        Raises:
            MessageError: It says something else.
        """
        call = decode_core_call(message)
        if call.kind in (CallKind.BEGIN, CallKind.UPDATE):
            self._made.add((call.kind, call.number))

    def settle(self) -> None:
        """Wait until the calls are made whose inputs have been said."""
        while self.active and self._due:
            call = self._due[0]
            lacks_traces = call.traces_ns is not None and call.traces_ns not in self._traces_said
            if lacks_traces or (call.joints_ns is not None and call.joints_ns > self._joints_said_ns):
                return
            self._due.popleft()
            self._wait_for(call)

    def end(self, reason: str) -> None:
        """Let the follower decide by itself from now on."""
        if self.active:
            self.active = False
            self._publish(encode_core_call(CoreCall(0, CallKind.END)))
            self._on_end(reason)

    def _wait_for(self, call: CoreCall) -> None:
        ends_s = time.monotonic() + CALL_TIMEOUT_S
        while self.active and (call.kind, call.number) not in self._made:
            if time.monotonic() > ends_s:
                self.end(f"the call of {call.now_ns} ns was not made; does the bag lack an input of it?")
            self._spin()
        self._made.discard((call.kind, call.number))
