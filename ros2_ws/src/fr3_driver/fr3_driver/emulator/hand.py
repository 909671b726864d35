"""The emulated Franka Hand: fingers that move at a constant speed until they have arrived or met something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fr3_driver.emulator.codes import GripperStatus

MAX_WIDTH = 0.08
"""Opening of the hand [m]."""

MAX_SPEED = 0.1
"""Speed at which the opening changes at most [m/s]."""

HOMING_SPEED = 0.05
TEMPERATURE = 30

_ARRIVED = 1e-9


@dataclass
class _Motion:
    """A request that is being carried out: what to answer decides on the opening at its end."""

    goal: float
    speed: float
    answer: Callable[[GripperStatus], None]
    grasp_above: float | None = None
    grasp_below: float | None = None


class Hand:
    """Carries out one request at a time; a new one aborts the one before."""

    def __init__(self) -> None:
        self.width = MAX_WIDTH
        self.grasped = False
        self.object_width: float | None = None
        self._motion: _Motion | None = None

    def home(self, answer: Callable[[GripperStatus], None]) -> None:
        """Find the greatest opening."""
        self._begin(_Motion(MAX_WIDTH, HOMING_SPEED, answer))

    def move(self, width: float, speed: float, answer: Callable[[GripperStatus], None]) -> None:
        """Open or close to ``width`` [m] at ``speed`` [m/s]."""
        self._begin(_Motion(_within(width), min(speed, MAX_SPEED), answer))

    def grasp(
        self,
        width: float,
        speed: float,
        below: float,
        above: float,
        answer: Callable[[GripperStatus], None],
    ) -> None:
        """Close; a grasp succeeds if the fingers end within ``below`` and ``above`` of ``width`` [m]."""
        self._begin(_Motion(_within(width), min(speed, MAX_SPEED), answer, width - below, width + above))

    def stop(self) -> None:
        """Stay where the fingers are."""
        self._conclude(GripperStatus.ABORTED)

    def step(self, period_s: float) -> None:
        """Go on for ``period_s`` [s]."""
        motion = self._motion
        if motion is None:
            return
        way = motion.goal - self.width
        step = max(-motion.speed * period_s, min(motion.speed * period_s, way))
        blocked = self.object_width is not None and way < 0.0 and self.width + step <= self.object_width
        if blocked:
            assert self.object_width is not None
            self.width = min(self.width, self.object_width)
        else:
            self.width += step
        if not blocked and abs(motion.goal - self.width) > _ARRIVED:
            return
        if motion.grasp_above is not None and motion.grasp_below is not None:
            self.grasped = motion.grasp_above < self.width < motion.grasp_below
            self._conclude(GripperStatus.SUCCESS if self.grasped else GripperStatus.UNSUCCESSFUL)
        else:
            self._conclude(GripperStatus.UNSUCCESSFUL if blocked else GripperStatus.SUCCESS)

    def _begin(self, motion: _Motion) -> None:
        self._conclude(GripperStatus.ABORTED)
        self.grasped = False
        self._motion = motion

    def _conclude(self, status: GripperStatus) -> None:
        if self._motion is not None:
            motion, self._motion = self._motion, None
            motion.answer(status)


def _within(width: float) -> float:
    return min(max(width, 0.0), MAX_WIDTH)
