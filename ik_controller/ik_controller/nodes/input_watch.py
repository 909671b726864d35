"""Watches for inputs that go silent: each with its own time limit, in the time that it belongs to.

What a device sends is watched in the node's time, so that a simulation that waits is not taken for a camera that is
gone. The clock itself is watched in wall time. An input counts once it has come twice within its limit: what speaks
only now and then, such as a latched CameraInfo, is never missed.
"""

from __future__ import annotations

from ik_controller.follower import Silence


class InputWatch:
    """When each input was heard last.

    Args:
        limits_ns: Input to the time after which it counts as silent [ns of node time].
        clock_limit_s: Time that stands still for so long has stopped [s of wall time]; infinite = never.
    """

    def __init__(self, limits_ns: dict[Silence, int], clock_limit_s: float) -> None:
        self._limits_ns = limits_ns
        self._clock_limit_s = clock_limit_s
        self._heard_ns: dict[Silence, int] = {}
        self._watched: set[Silence] = set()
        self._lost: set[Silence] = set()
        self._clock_ns = -1
        self._clock_moved_s = float("inf")

    def hear(self, kind: Silence, now_ns: int) -> None:
        """``kind`` was heard at ``now_ns`` on the node's clock [ns]."""
        before_ns = self._heard_ns.get(kind)
        self._heard_ns[kind] = now_ns
        if before_ns is not None and 0 <= now_ns - before_ns <= self._limits_ns[kind]:
            self._watched.add(kind)

    def note_lost(self, kind: Silence, lost: bool) -> None:
        """Whether ``kind`` is known to be gone, by other means than its silence."""
        (self._lost.add if lost else self._lost.discard)(kind)

    def see_clock(self, now_ns: int, wall_s: float) -> None:
        """The node's clock shows ``now_ns`` [ns] at ``wall_s`` [s]; to be told now and then."""
        if now_ns != self._clock_ns:
            self._clock_ns, self._clock_moved_s = now_ns, wall_s
        self.note_lost(Silence.CLOCK, wall_s - self._clock_moved_s > self._clock_limit_s)

    def silent(self, now_ns: int) -> tuple[Silence, ...]:
        """What is silent at ``now_ns`` on the node's clock [ns]; one that was set back counts from there."""
        for kind, heard_ns in self._heard_ns.items():
            self._heard_ns[kind] = min(heard_ns, now_ns)
        return tuple(kind for kind in Silence if kind in self._lost or self._is_late(kind, now_ns))

    def _is_late(self, kind: Silence, now_ns: int) -> bool:
        return kind in self._watched and now_ns - self._heard_ns[kind] > self._limits_ns[kind]
