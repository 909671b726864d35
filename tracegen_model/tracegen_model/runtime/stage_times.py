"""How long the stages of a computation take."""

from __future__ import annotations

import time


class StageTimes:
    """Counts from its making; each stage begins where the one before it ended."""

    def __init__(self) -> None:
        self.latency_s: dict[str, float] = {}
        """Duration of each stage so far [s]."""
        self._last_s = time.perf_counter()

    def end(self, stage: str) -> None:
        """``stage`` is over."""
        now_s = time.perf_counter()
        self.latency_s[stage] = now_s - self._last_s
        self._last_s = now_s
