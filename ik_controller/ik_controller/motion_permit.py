"""Whether the arm may move at all, and how fast: what people say, and faults that wait for them.

    scale(t) = least + (1 - least) * (t - t_permitted) / ramp,   least <= scale <= 1

After it was stopped the arm comes to speed over a while, so that a person who has enabled it sees where it goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ik_controller.gates import Gate, Shut


@dataclass(frozen=True)
class PermitConfig:
    """How motion begins again.

    Attributes:
        ramp_s: After it was enabled or recovered, full speed is reached within this time [s]; 0 = at once.
        least_scale: Share of the speed at the beginning of that time.
    """

    ramp_s: float = 2.0
    least_scale: float = 0.15

    def __post_init__(self) -> None:
        if not (self.ramp_s >= 0.0 and 0.0 < self.least_scale <= 1.0):
            raise ValueError(f"expected ramp_s >= 0 and least_scale in (0, 1], got {self}")


class MotionPermit:
    """Enabled from the start, at full speed; the first reason to stop is the one that is kept."""

    def __init__(self, config: PermitConfig) -> None:
        self._config = config
        self._enabled = True
        self._stop: Shut | None = None
        self._fault: Shut | None = None
        self._awaits_time = False
        self._ramp_from_s = float("-inf")

    @property
    def fault(self) -> Shut | None:
        """What a person has to look at; None where nothing is."""
        return self._fault

    @property
    def shut(self) -> Shut | None:
        """Why nothing may move; None where it may. A fault outweighs a stop."""
        return self._fault or self._stop

    def enable(self, on: bool) -> None:
        """Permit motion, or forbid it. A fault stays until ``recover``."""
        if on:
            self._awaits_time = self._awaits_time or not self._enabled
            self._stop = None
        else:
            self._stop = self._stop or Shut(Gate.DISABLED, "disabled")
        self._enabled = on

    def stop(self, reason: str) -> None:
        """Forbid motion until enabled again."""
        self._stop = self._stop or Shut(Gate.STOPPED, reason or "stopped")
        self._enabled = False

    def note_fault(self, fault: Shut) -> Shut:
        """Forbid motion until recovered; the first fault is kept, and returned."""
        self._fault = self._fault or fault
        return self._fault

    def recover(self) -> bool:
        """A person has looked: forget the fault. False where there was none."""
        if self._fault is None:
            return False
        self._fault = None
        self._awaits_time = True
        return True

    def forget_time(self) -> None:
        """The clock was set back: what was permitted then counts from now on."""
        self._awaits_time = self._awaits_time or np.isfinite(self._ramp_from_s)

    def scale_at(self, now_s: float) -> float:
        """Share of the speed that may be used at ``now_s`` [s]; asked for only while motion is permitted."""
        if self._awaits_time:
            self._awaits_time = False
            self._ramp_from_s = now_s
        config = self._config
        if config.ramp_s <= 0.0:
            return 1.0
        share = (now_s - self._ramp_from_s) / config.ramp_s
        return float(min(1.0, config.least_scale + (1.0 - config.least_scale) * max(0.0, share)))
