"""Cuts a recording into steps: what was heard up to a frame, and the frame.

A frame is a colour image with its depth image. Joint states that a frame's traces are followed with may have been
received a little after its images: they are moved in front of them, up to the first at or after the frame's stamp. So
when the images are shown, whatever a decision on them needs has been said, and nothing that belongs to a later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tracegen_ros.bags.recording import CLOCK_SET_BACK_NS, IMAGES, Entry, Role
from tracegen_ros.messages.stamps import NANOSECONDS

PATIENCE_NS = NANOSECONDS
"""A partner that has not come this much later in the recording [ns] does not come."""

_INFOS = (Role.COLOUR_INFO, Role.DEPTH_INFO)


@dataclass(frozen=True)
class Frame:
    """A pair of images that traces are predicted from.

    Attributes:
        stamp_ns: Stamp of the colour image [ns].
        colour: The colour image.
        depth: The depth image.
        joints_known: A joint state at or after the stamp was recorded: its traces can be followed.
    """

    stamp_ns: int
    colour: Entry
    depth: Entry
    joints_known: bool


@dataclass(frozen=True)
class Step:
    """What is said, in order, and then shown.

    Attributes:
        before: Everything but the frame's images.
        frame: None where nothing is shown.
    """

    before: tuple[Entry, ...]
    frame: Frame | None


def cut_into_steps(entries: Iterable[Entry], tolerance_ns: int) -> Iterator[Step]:
    """Steps of ``entries``; stamps of a frame's images are ``tolerance_ns`` [ns] apart at most.

    An image that was recorded again, as a waiting simulator shows it, counts once.
    """
    cutter = _Cutter(tolerance_ns)
    for entry in entries:
        yield from cutter.add(entry)
    yield from cutter.finish()


class _Cutter:
    def __init__(self, tolerance_ns: int) -> None:
        self._tolerance_ns = tolerance_ns
        self._forget()

    def _forget(self) -> None:
        self._waiting: list[Entry] = []
        self._newest_ns = dict.fromkeys(IMAGES, -1)
        self._joints_reach_ns = self._joints_said_ns = -1
        self._time_ns = -1

    def add(self, entry: Entry) -> Iterator[Step]:
        if entry.time_ns < self._time_ns - CLOCK_SET_BACK_NS:
            yield from self.finish()
        self._time_ns = max(self._time_ns, entry.time_ns)
        if entry.stamp_ns is not None:
            if entry.role in IMAGES:
                if entry.stamp_ns <= self._newest_ns[entry.role]:
                    return
                self._newest_ns[entry.role] = entry.stamp_ns
            elif entry.role is Role.JOINT_STATES:
                self._joints_reach_ns = max(self._joints_reach_ns, entry.stamp_ns)
        self._waiting.append(entry)
        yield from self._cut(ended=False)

    def finish(self) -> Iterator[Step]:
        yield from self._cut(ended=True)
        if self._waiting:
            yield self._step(self._waiting, None)
        self._forget()

    def _cut(self, *, ended: bool) -> Iterator[Step]:
        while True:
            step = self._next(ended)
            if step is None:
                return
            yield step

    def _next(self, ended: bool) -> Step | None:
        waiting = self._waiting
        at = next((index for index, entry in enumerate(waiting) if entry.role is Role.COLOUR), None)
        if at is None:
            return self._pass_on()
        colour = waiting[at]
        hopeless = ended or self._time_ns - colour.time_ns > PATIENCE_NS
        depth_at = self._partner(colour, hopeless)
        if depth_at is None:
            return self._take(at, (at,), None) if hopeless else None
        joints_known = self._joints_reach_ns >= _stamp(colour)
        if not joints_known and not hopeless:
            return None
        frame = Frame(_stamp(colour), colour, waiting[depth_at], joints_known)
        return self._take(max(at, depth_at), (at, depth_at), frame)

    def _pass_on(self) -> Step | None:
        """Where no colour image waits, nobody waits for anything but depth images for theirs."""
        held: list[Entry] = []
        free: list[Entry] = []
        for entry in self._waiting:
            hopeful = entry.role is Role.DEPTH and self._time_ns - entry.time_ns <= PATIENCE_NS
            (held if hopeful else free).append(entry)
        self._waiting = held
        return self._step(free, None) if free else None

    def _partner(self, colour: Entry, hopeless: bool) -> int | None:
        """Index of the depth image that belongs to ``colour``, None where it has not come."""
        depths = [
            (index, _stamp(entry)) for index, entry in enumerate(self._waiting) if entry.role is Role.DEPTH
        ]
        if not depths:
            return None
        wanted = _stamp(colour)
        index, nearest = min(depths, key=lambda depth: abs(depth[1] - wanted))
        if abs(nearest - wanted) > self._tolerance_ns:
            return None
        sure = nearest == wanted or hopeless or depths[-1][1] > wanted
        return index if sure else None

    def _take(self, end: int, images: tuple[int, ...], frame: Frame | None) -> Step:
        """Everything up to ``end``, and the joint states that the frame needs; later frames' images stay."""
        before: list[Entry] = []
        left: list[Entry] = []
        stamp_ns = _stamp(self._waiting[images[0]])
        reached = frame is None or not frame.joints_known or self._joints_said_ns >= stamp_ns
        for index, entry in enumerate(self._waiting):
            if index in images:
                if frame is None:
                    before.append(entry)
                continue
            joints = entry.role is Role.JOINT_STATES
            if index <= end:
                later_image = entry.role in IMAGES and _stamp(entry) > stamp_ns - self._tolerance_ns
                (left if later_image else before).append(entry)
            elif self._is_needed(entry, stamp_ns, reached):
                before.append(entry)
            else:
                left.append(entry)
            reached = reached or (joints and _stamp(entry) >= stamp_ns)
        self._waiting = left
        return self._step(before, frame)

    @staticmethod
    def _is_needed(entry: Entry, stamp_ns: int, reached: bool) -> bool:
        """It was received after the images of ``stamp_ns``, but belongs to them."""
        if entry.role in _INFOS:
            return _stamp(entry) <= stamp_ns
        return not reached and entry.role in (Role.JOINT_STATES, Role.GRIPPER)

    def _step(self, before: list[Entry], frame: Frame | None) -> Step:
        said_ns = [_stamp(entry) for entry in before if entry.role is Role.JOINT_STATES]
        self._joints_said_ns = max(self._joints_said_ns, *said_ns, -1)
        return Step(tuple(before), frame)


def _stamp(entry: Entry) -> int:
    assert entry.stamp_ns is not None, "images and joint states have stamps"
    return entry.stamp_ns
