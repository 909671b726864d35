"""The joints' recent past, so that traces meet the arm as it was when their image was taken.

Joint states may come without velocities. They are told from the positions then, over the samples as they came: the
same messages in the same order give the same velocities, live and in a replay.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracegen_ros.messages import JointSample, nanoseconds_from, seconds_from

_KEPT = 1000
"""Samples kept: a second at the fastest rate at which a Franka publishes its state."""

CLOCK_SET_BACK_NS = nanoseconds_from(1.0)
"""A stamp this much behind the newest [ns] says that the clock was set back; less is a message that is late."""

SHORTEST_DIFFERENCE_NS = nanoseconds_from(0.005)
"""Velocities are told from positions at least this far apart [ns]: stamps that jitter would make them anything."""


class JointStateBuffer:
    """Joint samples in the order of their stamps, interpolated in between.

    Args:
        longest_gap_ns: Two samples further apart than this [ns] are not interpolated.
    """

    def __init__(self, longest_gap_ns: int) -> None:
        self._longest_gap_ns = longest_gap_ns
        self._samples: deque[JointSample] = deque(maxlen=_KEPT)

    def add(self, sample: JointSample) -> None:
        """A new sample; one that is late is left out, one after the clock was set back starts afresh.

        Velocities that it lacks are those since the latest sample ``SHORTEST_DIFFERENCE_NS`` or more before it; NaN
        where there is none, or only one across a long gap.
        """
        behind_ns = self._samples[-1].stamp_ns - sample.stamp_ns if self._samples else 0
        if behind_ns >= CLOCK_SET_BACK_NS:
            self._samples.clear()
        elif behind_ns > 0:
            return
        if self._samples and sample.stamp_ns == self._samples[-1].stamp_ns:
            self._samples.pop()
        if np.isnan(sample.velocities).any():
            sample = replace(sample, velocities=self._velocities_at(sample))
        self._samples.append(sample)

    def _velocities_at(self, sample: JointSample) -> NDArray[np.float64]:
        """(J,) velocities that lead to the positions of ``sample``, NaN where they cannot be told."""
        before = self.last_until(sample.stamp_ns - SHORTEST_DIFFERENCE_NS)
        if before is None or sample.stamp_ns - before.stamp_ns > self._longest_gap_ns:
            return np.full(sample.positions.shape, np.nan)
        return (sample.positions - before.positions) / seconds_from(sample.stamp_ns - before.stamp_ns)

    @property
    def newest(self) -> JointSample | None:
        """The sample with the latest stamp, None before the first."""
        return self._samples[-1] if self._samples else None

    def reaches(self, stamp_ns: int) -> bool:
        """Whether a sample at or after ``stamp_ns`` has arrived."""
        return bool(self._samples) and self._samples[-1].stamp_ns >= stamp_ns

    def first_from(self, stamp_ns: int) -> JointSample | None:
        """The earliest sample at or after ``stamp_ns``, None where none has arrived: the same whatever came since."""
        return next((sample for sample in self._samples if sample.stamp_ns >= stamp_ns), None)

    def last_until(self, stamp_ns: int) -> JointSample | None:
        """The latest sample at or before ``stamp_ns``, None where there is none."""
        return next((sample for sample in reversed(self._samples) if sample.stamp_ns <= stamp_ns), None)

    def positions_at(self, stamp_ns: int) -> NDArray[np.float64] | None:
        """(J,) positions at ``stamp_ns``, linear between neighbours; None outside the samples or inside a long gap."""
        stamps = [sample.stamp_ns for sample in self._samples]
        index = bisect_left(stamps, stamp_ns)
        if index == len(stamps):
            return None
        after = self._samples[index]
        if after.stamp_ns == stamp_ns:
            return after.positions
        if index == 0 or after.stamp_ns - stamps[index - 1] > self._longest_gap_ns:
            return None
        before = self._samples[index - 1]
        share = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
        return before.positions + share * (after.positions - before.positions)
