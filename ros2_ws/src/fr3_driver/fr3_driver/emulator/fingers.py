"""The fingers of the emulated hand, in the hands of whoever moves them: this program, or a simulated scene."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

_ARRIVED = 1e-9


class Progress(StrEnum):
    """How an order to the fingers stands."""

    MOVING = "moving"
    ARRIVED = "arrived"
    BLOCKED = "blocked"


class Fingers(Protocol):
    """What opens and closes.

    Attributes:
        width: Opening between the fingertips [m].
    """

    width: float

    def drive(self, goal: float, speed: float, force: float) -> None:
        """Go to an opening [m] at a speed [m/s]; what is met is pressed with a force [N]."""

    def step(self, period_s: float) -> Progress:
        """Go on for ``period_s`` [s]."""


class ConstantSpeedFingers:
    """Fingers that move at the speed asked for until they have arrived or met the object that was put there.

    Attributes:
        width: Opening between the fingertips [m].
        object_width: Width of what is between them [m], None for nothing; whatever the force, it stops them.
    """

    def __init__(self, width: float) -> None:
        self.width = width
        self.object_width: float | None = None
        self._goal = width
        self._speed = 0.0

    def drive(self, goal: float, speed: float, force: float) -> None:
        """Go to an opening [m] at a speed [m/s]; the force does not matter."""
        self._goal, self._speed = goal, speed

    def step(self, period_s: float) -> Progress:
        """Go on for ``period_s`` [s]."""
        way = self._goal - self.width
        largest = self._speed * period_s
        step = max(-largest, min(largest, way))
        if self.object_width is not None and way < 0.0 and self.width + step <= self.object_width:
            self.width = min(self.width, self.object_width)
            return Progress.BLOCKED
        self.width += step
        return Progress.ARRIVED if abs(self._goal - self.width) <= _ARRIVED else Progress.MOVING
