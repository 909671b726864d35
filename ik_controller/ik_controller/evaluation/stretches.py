"""Which windows of recordings err independently: those of different stretches do, those of one stretch do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HORIZONS_PER_STRETCH = 2.0
"""A window reaches one horizon ahead, so that windows of neighbouring stretches share truth only at their border."""


@dataclass(frozen=True, order=True)
class Moment:
    """Where a window starts.

    Attributes:
        bag: Name of the recording.
        time_s: Start [s, the recording's clock].
        instruction: What was asked for.
    """

    bag: str
    time_s: float
    instruction: str


def stretches(moments: Iterable[Moment], horizon_s: float) -> dict[tuple[str, float], int]:
    """Number of the stretch of each window, by recording and start.

    A stretch is a whole task, or as many tasks in a row as take ``HORIZONS_PER_STRETCH`` horizons: a model that
    misunderstands a task errs all along it, however long it is. What remains at a recording's end belongs to the
    stretch before. A recording has one stretch at least.

    Args:
        moments: Starts of windows, in any order, of any number of recordings.
        horizon_s: How far a window looks ahead at most [s].
    """
    shortest_s = HORIZONS_PER_STRETCH * horizon_s
    by_bag: dict[str, list[Moment]] = {}
    for moment in sorted(set(moments)):
        by_bag.setdefault(moment.bag, []).append(moment)
    found: dict[tuple[str, float], int] = {}
    number = -1
    for bag, in_order in by_bag.items():
        number += 1
        start_s, last_s = in_order[0].time_s, in_order[-1].time_s
        instruction = in_order[0].instruction
        for moment in in_order:
            long_enough = (
                moment.time_s - start_s >= shortest_s and last_s + horizon_s - moment.time_s >= shortest_s
            )
            if moment.instruction != instruction and long_enough:
                number += 1
                start_s = moment.time_s
            instruction = moment.instruction
            found[bag, moment.time_s] = number
    return found
