"""Durations and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Duration:
    """How long something took.

    Attributes:
        wall_s: By the clock on the wall [s].
        processor_s: Processor time of the process, all its threads together [s].
    """

    wall_s: float
    processor_s: float

    def __add__(self, other: Duration) -> Duration:
        return Duration(self.wall_s + other.wall_s, self.processor_s + other.processor_s)


@dataclass(frozen=True)
class Summary:
    """Percentiles of durations [s].

    Attributes:
        count: Number of durations.
        p50_s: Median of wall time.
        p95_s: Of wall time.
        p99_s: Of wall time; with fewer than 100 durations, nearly their largest.
        processor_p50_s: Median of processor time.
    """

    count: int
    p50_s: float
    p95_s: float
    p99_s: float
    processor_p50_s: float

    @classmethod
    def of(cls, durations: Sequence[Duration]) -> Summary:
        """The summary of at least one duration."""
        if not durations:
            raise ValueError("there is no duration to sum up: expected at least one")
        wall = [duration.wall_s for duration in durations]
        p50, p95, p99 = (float(value) for value in np.percentile(wall, (50.0, 95.0, 99.0)))
        processor = float(np.median([duration.processor_s for duration in durations]))
        return cls(len(durations), p50, p95, p99, processor)


def ratio_of_turns(slow: Sequence[Sequence[float]], fast: Sequence[Sequence[float]]) -> float:
    """How many times longer the slow one takes: the median over turns of the ratio of the turn's medians.

    Both ran in every turn, so what else the machine did meets both.

    Args:
        slow: Seconds of each run, by turn.
        fast: The same, as many turns.
    """
    pairs = zip(slow, fast, strict=True)
    return float(np.median([np.median(theirs) / np.median(ours) for theirs, ours in pairs]))
