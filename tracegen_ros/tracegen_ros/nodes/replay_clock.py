"""The time of a replay: what ``/clock`` says, and how fast it goes."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from tracegen_ros.bags.recording import CLOCK_SET_BACK_NS
from tracegen_ros.messages import encode_stamp, nanoseconds_from, seconds_from
from tracegen_ros.nodes.node_words import NodeWords
from tracegen_ros.nodes.patience import Patience

CLOCK_TOPIC = "/clock"

TICK_S = 0.01
"""Between recorded messages the clock goes on in steps of this [s of wall time]."""

LONGEST_PAUSE_S = 2.0
"""A longer gap in the recording is passed over [s of recorded time]: slow motion does not make gaps of pauses."""


class ReplayClock:
    """Tells the nodes the recording's time.

    Args:
        node: Publishes the clock.
        patience: Waits for the nodes when the clock is set back.
        words: What the nodes say of themselves.

    Attributes:
        now_ns: What the clock last said [ns].
    """

    def __init__(self, node: Node, patience: Patience, words: NodeWords) -> None:
        self._publisher = node.create_publisher(Clock, CLOCK_TOPIC, 10)
        self._patience = patience
        self._words = words
        self.now_ns = 0

    def tell(self, time_ns: int) -> None:
        """It is ``time_ns`` [ns]."""
        self.now_ns = time_ns
        self._publisher.publish(Clock(clock=encode_stamp(time_ns)))

    def set_back(self, time_ns: int) -> None:
        """Nodes that still have the later time would take an image for an old one: wait until they have the new.

        Raises:
            ReplayError: They do not take it.
        """
        began_s = time.monotonic()

        def heard() -> bool:
            self.tell(time_ns)
            # What they said before is no sign.
            return self._words.all_at_most(time_ns, since_s=began_s)

        self._patience.wait(heard, "the nodes to take the clock back")

    def set_back_unless_late(self, time_ns: int) -> None:
        """Set the clock back where ``time_ns`` [ns] is too far behind it to be that of a message that is late."""
        if time_ns < self.now_ns - CLOCK_SET_BACK_NS:
            self.set_back(time_ns)


class Pace:
    """Lets the recording's time pass.

    Args:
        clock: Is told what time it is.
        spin: Moves messages for so long at most [s].
        ticks: The clock also goes on between recorded messages.
        log: Says to people what is passed over.
    """

    def __init__(
        self,
        clock: ReplayClock,
        spin: Callable[[float], object],
        *,
        ticks: bool,
        log: Callable[[str], object],
    ) -> None:
        self._clock = clock
        self._spin = spin
        self._ticks = ticks
        self._log = log
        self._due_ns, self._due_s = 0, 0.0

    def begin(self, time_ns: int) -> None:
        """It is ``time_ns`` [ns] in the recording now."""
        if time_ns < self._clock.now_ns:
            self._clock.set_back(time_ns)
        self._due_ns, self._due_s = time_ns, time.monotonic()

    def keep(self, time_ns: int, rate: float) -> None:
        """Wait until ``time_ns`` [ns], at ``rate``; a gap is passed over, a clock that was set back starts anew."""
        recorded_s = seconds_from(time_ns - self._due_ns)
        if recorded_s < 0.0:
            self._clock.set_back_unless_late(time_ns)
            recorded_s = 0.0
        if recorded_s > LONGEST_PAUSE_S:
            self._log(f"{recorded_s:.1f} s without anything recorded are passed over")
            recorded_s = 0.0
        began_ns, began_s = self._due_ns, self._due_s
        self._due_ns, self._due_s = time_ns, self._due_s + recorded_s / rate
        while (left_s := self._due_s - time.monotonic()) > 0.0:
            self._spin(min(left_s, TICK_S))
            now_ns = began_ns + nanoseconds_from((time.monotonic() - began_s) * rate)
            if self._ticks and self._clock.now_ns < now_ns < time_ns:
                self._clock.tell(now_ns)
        # A machine that cannot keep the pace falls behind, and does not race to catch up.
        self._due_s = max(self._due_s, time.monotonic() - TICK_S)
        self._spin(0.0)
