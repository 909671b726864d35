"""The last minute, to look back at: what was predicted, seen and done at each moment."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracegen_ros.web_viewer.drawing import DrawnTraces, Points


@dataclass(frozen=True)
class Moment:
    """What there was to see at one instant.

    Attributes:
        at_s: When it was noted [s, a clock that only goes forward].
        traces: The newest prediction; None before the first, or when it was stale.
        joints: Joint positions by name [rad or m].
        image_jpeg: The camera's image; empty when there is none.
        state: The follower's state and reason.
        hand_path: (K, 3) where the hand is to go [m, base frame].
        cloud: What the camera saw in space; moments between two clouds share one.
    """

    at_s: float
    traces: DrawnTraces | None
    joints: Mapping[str, float]
    image_jpeg: bytes
    state: str
    hand_path: NDArray[np.float32]
    cloud: Points


class History:
    """Keeps the moments of the last ``length_s`` [s], one every ``period_s`` [s] at most."""

    def __init__(self, length_s: float, period_s: float) -> None:
        self._length_s = length_s
        self._period_s = period_s
        self._moments: deque[Moment] = deque()

    def due(self, now_s: float) -> bool:
        """Whether it is time for the next moment."""
        return not self._moments or now_s - self._moments[-1].at_s >= self._period_s

    def add(self, moment: Moment) -> None:
        """Keep ``moment``, the newest so far, and forget what is too old."""
        self._moments.append(moment)
        while moment.at_s - self._moments[0].at_s > self._length_s:
            self._moments.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._moments.clear()

    def freeze(self) -> Recording:
        """The moments as they are now, however long somebody looks at them."""
        return Recording(tuple(self._moments))


@dataclass(frozen=True)
class Recording:
    """Moments, oldest first."""

    moments: tuple[Moment, ...]

    def at(self, ago_s: float) -> Moment | None:
        """What was newest ``ago_s`` [s] before the end; the oldest if that is longer ago; None if there is nothing."""
        if not self.moments:
            return None
        wanted_s = self.moments[-1].at_s - ago_s
        index = bisect_right(self.moments, wanted_s, key=lambda moment: moment.at_s)
        return self.moments[max(index - 1, 0)]
