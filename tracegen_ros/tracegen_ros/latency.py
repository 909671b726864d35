"""How long things take and how often they happen, over a sliding window of the last samples."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

import numpy as np

WINDOW = 200
"""Samples that the percentiles look back on."""


class LatencyWindow:
    """Durations of named stages [s] and their percentiles."""

    def __init__(self, window: int = WINDOW) -> None:
        self._samples: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=window))

    def add(self, durations_s: Mapping[str, float]) -> None:
        """Add one duration [s] per stage."""
        for stage, duration in durations_s.items():
            self._samples[stage].append(duration)

    def percentiles_ms(self) -> dict[str, float]:
        """``<stage>_p50_ms`` and ``<stage>_p99_ms`` [ms] of every stage seen."""
        found: dict[str, float] = {}
        for stage, samples in self._samples.items():
            middle, high = np.percentile(samples, (50.0, 99.0))
            found[f"{stage}_p50_ms"] = float(middle) * 1e3
            found[f"{stage}_p99_ms"] = float(high) * 1e3
        return found


class RateWindow:
    """How often something happened lately."""

    def __init__(self, window_s: float = 5.0) -> None:
        self._window_s = window_s
        self._times_s: deque[float] = deque()

    def tick(self, now_s: float) -> None:
        """It happened at ``now_s`` [s, any clock that only moves forward]."""
        self._times_s.append(now_s)

    def rate_hz(self, now_s: float) -> float:
        """Events per second [Hz] over the last window, 0 when nothing happened in it."""
        while self._times_s and now_s - self._times_s[0] > self._window_s:
            self._times_s.popleft()
        if len(self._times_s) < 2:
            return 0.0
        return (len(self._times_s) - 1) / (self._times_s[-1] - self._times_s[0])
