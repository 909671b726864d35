"""How traces and commands computed again agree with those recorded.

Traces belong together by the stamp of their image. The command that answers traces is the first recorded after them
and before the next traces; where decisions are made at the recorded times again, commands belong together by their
start. Whatever finds no partner soon is counted and let go of, so that hours of recording fit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.messages import (
    MessageError,
    decode_joint_trajectory,
    decode_stamp,
    decode_trace_grid,
    nanoseconds_from,
    seconds_from,
)

FloatArray = NDArray[np.float64]

PARTNERS_AWAITED = 64
"""Answers of one side that are kept until those of the other come up."""

COMPARED_S = 0.3
"""Commands are compared over the time that they have in common, so long at most [s]: later ones replace them."""

_SAMPLES = 16


@dataclass
class Agreement:
    """How many pairs there were and how they differ.

    Attributes:
        compared: Pairs of a recorded and a computed answer.
        equal: Pairs that are equal to the last bit.
        differences: Largest difference of each pair that is not: metres of traces, radians of commands.
        unlike: Pairs that cannot be subtracted: other numbers of points or joints.
        only_recorded: Recorded answers that were not computed again.
        only_computed: Computed answers to frames that the recorded run has none for.
    """

    compared: int = 0
    equal: int = 0
    differences: list[float] = field(default_factory=list)
    unlike: int = 0
    only_recorded: int = 0
    only_computed: int = 0

    def add(self, difference: float | None) -> None:
        """A pair; 0 where it is equal to the last bit, None where it cannot be subtracted."""
        self.compared += 1
        if difference is None:
            self.unlike += 1
        elif difference == 0.0:
            self.equal += 1
        else:
            self.differences.append(difference)

    def summary(self) -> dict[str, float | int]:
        """Plain numbers, for JSON: counts, and median and largest difference [m or rad] over all pairs compared."""
        numbers = [0.0] * self.equal + self.differences
        return {
            "compared": self.compared,
            "equal": self.equal,
            "unlike": self.unlike,
            "only_recorded": self.only_recorded,
            "only_computed": self.only_computed,
            "median_difference": float(np.median(numbers)) if numbers else 0.0,
            "largest_difference": max(numbers, default=0.0),
        }


class Comparison:
    """Takes recorded and computed answers as a replay comes to them, in either order.

    Args:
        at_recorded_times: The computed commands are decided on at the times of the recorded ones, as long as nothing
            else is said.

    Attributes:
        at_recorded_times: As above.
        traces: Agreement of the traces [m].
        commands: Agreement of the commands [rad], until they were decided on anew.
        commands_anew: Agreement of the commands from then on [rad]; None as long as that did not happen.
    """

    def __init__(self, *, at_recorded_times: bool = False) -> None:
        self.at_recorded_times = at_recorded_times
        self.traces = Agreement()
        self.commands = Agreement()
        self.commands_anew: Agreement | None = None
        self._trace_partners = _Partners(self.traces, trace_difference)
        self._command_partners = _Partners(self.commands, command_difference)
        self._answered_ns: dict[bool, int | None] = {True: None, False: None}

    def add_traces(self, traces: PointCloud2, *, recorded: bool) -> None:
        """Traces, recorded or computed again."""
        stamp_ns = self._answered_ns[recorded] = decode_stamp(traces.header.stamp)
        self._trace_partners.add(stamp_ns, traces, recorded)

    def add_command(self, command: JointTrajectory, *, recorded: bool) -> None:
        """A command, recorded or computed again; one that answers no traces (a watchdog's, a stop) does not count."""
        stamp_ns, self._answered_ns[recorded] = self._answered_ns[recorded], None
        if self.at_recorded_times and self.commands_anew is None:
            stamp_ns = decode_stamp(command.header.stamp)
        if stamp_ns is not None:
            self._command_partners.add(stamp_ns, command, recorded)

    def decide_anew(self) -> None:
        """From here on commands are not decided on at the recorded times: they are counted apart.

        Commands of before that still wait for a partner have none; such times do not come again.
        """
        if self.at_recorded_times and self.commands_anew is None:
            self._command_partners.finish()
            self.commands_anew = Agreement()
            self._command_partners = _Partners(self.commands_anew, command_difference)

    def finish(self) -> None:
        """The replay is over: what still waits for a partner has none."""
        self._trace_partners.finish()
        self._command_partners.finish()
        self._answered_ns = {True: None, False: None}


class _Partners[Answer]:
    """Brings together the recorded and the computed answer of the same stamp; of several, in their order.

    Args:
        agreement: What is counted.
        difference: Of two answers, 0 where they are equal, None where they cannot be subtracted.
    """

    def __init__(self, agreement: Agreement, difference: Callable[[Answer, Answer], float | None]) -> None:
        self._agreement = agreement
        self._difference = difference
        self._waiting: dict[bool, deque[tuple[int, Answer]]] = {True: deque(), False: deque()}

    def add(self, stamp_ns: int, answer: Answer, recorded: bool) -> None:
        others = self._waiting[not recorded]
        for place, (other_ns, other) in enumerate(others):
            if other_ns == stamp_ns:
                del others[place]
                self._agreement.add(self._difference(answer, other))
                return
        self._waiting[recorded].append((stamp_ns, answer))
        if len(self._waiting[recorded]) > PARTNERS_AWAITED:
            self._waiting[recorded].popleft()
            self._count_lonely(recorded, 1)

    def finish(self) -> None:
        for recorded, waiting in self._waiting.items():
            self._count_lonely(recorded, len(waiting))
            waiting.clear()

    def _count_lonely(self, recorded: bool, count: int) -> None:
        if recorded:
            self._agreement.only_recorded += count
        else:
            self._agreement.only_computed += count


def trace_difference(first: PointCloud2, second: PointCloud2) -> float | None:
    """Largest distance between points of the same trace and step [m]: 0 where the messages are equal to the last bit.

    None where they have other numbers of points or steps, other points are valid, or they cannot be read.
    """
    if first == second:
        return 0.0
    try:
        one, other = decode_trace_grid(first), decode_trace_grid(second)
    except MessageError:
        return None
    if one.points_in_camera.shape != other.points_in_camera.shape or (one.valid != other.valid).any():
        return None
    apart = np.linalg.norm(one.points_in_camera.astype(float) - other.points_in_camera.astype(float), axis=-1)
    return _never_zero(float(np.nanmax(apart)) if np.isfinite(apart).any() else float("inf"))


def command_difference(first: JointTrajectory, second: JointTrajectory) -> float | None:
    """Largest angle between the commanded joints at one time [rad]: 0 where the messages are equal to the last bit.

    Looks at the first ``COMPARED_S`` in which both have begun. None where joints differ or a message is no motion.
    """
    if first == second:
        return 0.0
    if set(first.joint_names) != set(second.joint_names):
        return None
    try:
        one, other = (decode_joint_trajectory(message, first.joint_names) for message in (first, second))
    except MessageError:
        return None
    start_ns = max(one.start_ns, other.start_ns)
    times_ns = start_ns + np.linspace(0, nanoseconds_from(COMPARED_S), _SAMPLES).astype(np.int64)
    apart = [
        np.interp(seconds_from(1) * (times_ns - one.start_ns), one.times_s, one.positions[:, joint])
        - np.interp(seconds_from(1) * (times_ns - other.start_ns), other.times_s, other.positions[:, joint])
        for joint in range(len(first.joint_names))
    ]
    return _never_zero(float(np.abs(apart).max()))


def _never_zero(difference: float) -> float:
    """Messages that are not equal differ, be it by a bit that does not show."""
    return max(difference, float(np.finfo(float).tiny))
