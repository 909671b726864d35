"""What the fingers were told, where they are, and whether something is between them."""

from __future__ import annotations

from dataclasses import dataclass

from ik_controller.follower_interface import GripperCommand

MOST_OPEN = 1.5
"""Reported openings beyond this many times the open width, and no numbers, are not believed."""


@dataclass(frozen=True)
class GripperConfig:
    """Settings of the fingers.

    Attributes:
        open_width: Opening for an approach [m].
        grip_effort: Force of a grasp [N].
        empty_width: Closed fingers nearer than this have nothing between them [m].
        closing_share: Fingers nearer than this share of ``open_width`` are not open.
        settled_change: The fingers stand still when they move less than this between two looks [m] ...
        settle_time_s: ... over at least this time [s].
        least_time_s: A command takes at least this long to show [s].
        arrived_within: Fingers this near to where they were told to go need not move any more [m].
        timeout_s: After this time the fingers are taken as they are [s].
    """

    open_width: float = 0.08
    grip_effort: float = 30.0
    empty_width: float = 0.012
    closing_share: float = 0.9
    settled_change: float = 0.0006
    settle_time_s: float = 0.12
    least_time_s: float = 0.25
    arrived_within: float = 0.002
    timeout_s: float = 2.5


class Gripper:
    """Follows the fingers' opening over time.

    Attributes:
        closed: The last command was to close.
    """

    def __init__(self, config: GripperConfig) -> None:
        self._config = config
        self.closed = False
        self._width: float | None = None
        self._still_since_s = 0.0
        self._commanded_at_s = float("-inf")
        self._width_at_command: float | None = None
        self._known = False
        self._before = self._belief

    @property
    def holding(self) -> bool:
        """Something is between the closed fingers: they came nearer to each other, and not all the way."""
        if not self.closed or self._width is None or self._width <= self._config.empty_width:
            return False
        return self._is_short_of_open or self._has_closed_by > self._config.settled_change

    @property
    def width(self) -> float:
        """Opening between the fingers [m]; open where none has been reported."""
        return self._config.open_width if self._width is None else self._width

    def observe(self, now_s: float, width: float | None) -> None:
        """Take note of a reported opening ``width`` [m]; what no fingers can do is no report."""
        if width is None or not abs(width) <= MOST_OPEN * self._config.open_width:
            return
        if self._width is None or abs(width - self._width) > self._config.settled_change:
            self._still_since_s = now_s
        self._width = width
        if not self._known:
            # Fingers found neither open nor shut hold something, as after a restart in the middle of a task.
            self._known = True
            self.closed = self._is_short_of_open

    def close(self, now_s: float) -> GripperCommand:
        """Command a grasp."""
        return self._command(now_s, closed=True)

    def open(self, now_s: float) -> GripperCommand:
        """Command the fingers open."""
        return self._command(now_s, closed=False)

    def undo(self) -> None:
        """The last command did not reach the fingers: they are as they were before."""
        self.closed, self._commanded_at_s, self._width_at_command = self._before

    def settled(self, now_s: float, busy: bool) -> bool:
        """The last command has had its effect: fingers that report their opening have begun to move, and stopped."""
        elapsed = now_s - self._commanded_at_s
        if elapsed >= self._config.timeout_s:
            return True
        still = now_s - self._still_since_s >= self._config.settle_time_s
        return elapsed >= self._config.least_time_s and still and self._begun and not busy

    def is_stuck(self, now_s: float) -> bool:
        """Fingers that report their opening have not moved at all since the last command, and time is up."""
        elapsed = now_s - self._commanded_at_s
        return elapsed >= self._config.timeout_s and not self._begun

    @property
    def _belief(self) -> tuple[bool, float, float | None]:
        """What a command changes."""
        return self.closed, self._commanded_at_s, self._width_at_command

    @property
    def _is_short_of_open(self) -> bool:
        """The fingers are reported clearly nearer to each other than open ones."""
        config = self._config
        return self._width is not None and self._width < config.closing_share * config.open_width

    @property
    def _has_closed_by(self) -> float:
        """How much nearer the fingers are than at the last command [m]; 0 where that is not known."""
        if self._width is None or self._width_at_command is None:
            return 0.0
        return self._width_at_command - self._width

    @property
    def _begun(self) -> bool:
        """The fingers have moved since the last command, or were where it sent them."""
        if self._width is None or self._width_at_command is None:
            return True
        moved = abs(self._width - self._width_at_command) > self._config.settled_change
        return moved or abs(self._width - self._target) <= self._config.arrived_within

    @property
    def _target(self) -> float:
        """Where the last command sent the fingers [m]."""
        return 0.0 if self.closed else self._config.open_width

    def _command(self, now_s: float, closed: bool) -> GripperCommand:
        self._before = self._belief
        self.closed = closed
        self._known = True
        self._commanded_at_s = self._still_since_s = now_s
        self._width_at_command = self._width
        return GripperCommand(self._target, self._config.grip_effort)
