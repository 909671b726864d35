"""The emulated Franka Hand: one request at a time, answered when its fingers have arrived or met something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fr3_driver.emulator.codes import GripperStatus
from fr3_driver.emulator.fingers import ConstantSpeedFingers, Fingers, Progress

MAX_WIDTH = 0.08
"""Opening of the hand [m]."""

MAX_SPEED = 0.1
"""Speed at which the opening changes at most [m/s]."""

HOMING_SPEED = 0.05
TEMPERATURE = 30

DEFAULT_FORCE = 20.0
"""With which fingers push that were not asked to grasp [N]."""


@dataclass
class _Motion:
    """A request that is being carried out: what to answer decides on the opening at its end."""

    goal: float
    speed: float
    answer: Callable[[GripperStatus], None]
    force: float = DEFAULT_FORCE
    grasp_above: float | None = None
    grasp_below: float | None = None


class Hand:
    """Carries out one request at a time; a new one aborts the one before.

    Attributes:
        grasped: The last request was a grasp, and it met what it expected.
    """

    def __init__(self) -> None:
        self._own_fingers = ConstantSpeedFingers(MAX_WIDTH)
        self._fingers: Fingers = self._own_fingers
        self.grasped = False
        self._motion: _Motion | None = None

    @property
    def width(self) -> float:
        """Opening between the fingertips [m]."""
        return self._fingers.width

    @property
    def object_width(self) -> float | None:
        """Width of what was put between the hand's own fingers [m], None for nothing."""
        return self._own_fingers.object_width

    @object_width.setter
    def object_width(self, width: float | None) -> None:
        self._own_fingers.object_width = width

    def take_fingers(self, fingers: Fingers | None) -> None:
        """Let somebody else move the fingers, or (None) this program again; what is under way is aborted."""
        self._conclude(GripperStatus.ABORTED)
        if fingers is None:
            self._own_fingers.width = self._fingers.width
        self._fingers = fingers or self._own_fingers

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
        force: float = DEFAULT_FORCE,
    ) -> None:
        """Close; a grasp succeeds if the fingers end within ``below`` and ``above`` of ``width`` [m]."""
        self._begin(
            _Motion(_within(width), min(speed, MAX_SPEED), answer, force, width - below, width + above)
        )

    def stop(self) -> None:
        """Stay where the fingers are."""
        if self._motion is not None:
            self._fingers.drive(self.width, MAX_SPEED, self._motion.force)
        self._conclude(GripperStatus.ABORTED)

    def let_go(self) -> None:
        """Forget what was asked for and what was held: the cell is made anew."""
        self._conclude(GripperStatus.ABORTED)
        self.grasped = False

    def step(self, period_s: float) -> None:
        """Go on for ``period_s`` [s]."""
        motion = self._motion
        if motion is None:
            return
        progress = self._fingers.step(period_s)
        if progress is Progress.MOVING:
            return
        if motion.grasp_above is not None and motion.grasp_below is not None:
            self.grasped = motion.grasp_above < self.width < motion.grasp_below
            self._conclude(GripperStatus.SUCCESS if self.grasped else GripperStatus.UNSUCCESSFUL)
        else:
            blocked = progress is Progress.BLOCKED
            self._conclude(GripperStatus.UNSUCCESSFUL if blocked else GripperStatus.SUCCESS)

    def _begin(self, motion: _Motion) -> None:
        self._conclude(GripperStatus.ABORTED)
        self.grasped = False
        self._motion = motion
        self._fingers.drive(motion.goal, motion.speed, motion.force)

    def _conclude(self, status: GripperStatus) -> None:
        if self._motion is not None:
            motion, self._motion = self._motion, None
            motion.answer(status)


def _within(width: float) -> float:
    return min(max(width, 0.0), MAX_WIDTH)
