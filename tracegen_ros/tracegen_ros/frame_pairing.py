"""Colour and depth images of one instant, newest first: nothing is ever queued.

Drivers publish the two images as separate messages. This keeps the last few of each, undecoded, and hands out the
newest pair that was not handed out before.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_KEPT = 4
"""Images of each kind that are kept while their partners are on the way."""

_CLOCK_RESTART_NS = 1_000_000_000
"""A stamp this much older than the newest one [ns] means that the clock was set back: a bag that loops."""


@dataclass(frozen=True)
class FramePair[Colour, Depth]:
    """A colour and a depth image of the same instant.

    Attributes:
        stamp_ns: Stamp of the colour image [ns].
        colour: The colour image.
        depth: The depth image.
    """

    stamp_ns: int
    colour: Colour
    depth: Depth


class FramePairing[Colour, Depth]:
    """Pairs images whose stamps differ by ``tolerance_ns`` at most. Not thread-safe: guard it from outside."""

    def __init__(self, tolerance_ns: int) -> None:
        self._tolerance_ns = tolerance_ns
        self._colours: OrderedDict[int, Colour] = OrderedDict()
        self._depths: OrderedDict[int, Depth] = OrderedDict()
        self._taken_ns: int | None = None
        self.dropped = 0
        """Colour images that were never handed out because newer ones came first."""

    def add_colour(self, stamp_ns: int, image: Colour) -> None:
        """A colour image arrived."""
        self._forget_older_clock(stamp_ns)
        if stamp_ns not in self._colours and len(self._colours) == _KEPT:
            oldest, _ = self._colours.popitem(last=False)
            self.dropped += self._is_new(oldest)
        self._colours[stamp_ns] = image

    def add_depth(self, stamp_ns: int, image: Depth) -> None:
        """A depth image arrived."""
        self._forget_older_clock(stamp_ns)
        if stamp_ns not in self._depths and len(self._depths) == _KEPT:
            self._depths.popitem(last=False)
        self._depths[stamp_ns] = image

    def newest(self) -> FramePair[Colour, Depth] | None:
        """The newest pair that is newer than the last one taken, or None."""
        for stamp_ns in sorted(self._colours, reverse=True):
            if not self._is_new(stamp_ns):
                return None
            nearest_ns = min(self._depths, key=lambda other: abs(other - stamp_ns), default=None)
            if nearest_ns is not None and abs(nearest_ns - stamp_ns) <= self._tolerance_ns:
                return FramePair(stamp_ns, self._colours[stamp_ns], self._depths[nearest_ns])
        return None

    def take(self, pair: FramePair[Colour, Depth]) -> None:
        """Mark ``pair`` and everything older as done."""
        for stamp_ns in [stamp for stamp in self._colours if stamp <= pair.stamp_ns]:
            del self._colours[stamp_ns]
            self.dropped += stamp_ns != pair.stamp_ns and self._is_new(stamp_ns)
        self._taken_ns = pair.stamp_ns

    def _is_new(self, stamp_ns: int) -> bool:
        return self._taken_ns is None or stamp_ns > self._taken_ns

    def _forget_older_clock(self, stamp_ns: int) -> None:
        known = [*self._colours, *self._depths, *([] if self._taken_ns is None else [self._taken_ns])]
        if known and stamp_ns < max(known) - _CLOCK_RESTART_NS:
            self._colours.clear()
            self._depths.clear()
            self._taken_ns = None
