"""Tells an arm that is blocked from one whose commands were lost.

Both stand still while they are told to move, and are taken up where they stand. An arm whose commands came too late,
and were refused, goes on from there; one that is held is found at the same place again:

    held again  <=>  t - t_before <= within,   max_j |q_j - q_j,before| <= moved,   every update came within gap

The last condition leaves out what a starved machine does: where the updates themselves come late, so do the commands,
and standing still says nothing about the arm.
"""

from __future__ import annotations

import numpy as np

from ik_controller.follower_interface import FloatArray
from ik_controller.gates import Gate, Shut
from ik_controller.safety import SafetyConfig


class BlockedArm:
    """Counts how often in a row the arm was found standing at the same place while it was told to move on.

    Args:
        config: What counts as in a row, and how often is too often.
    """

    def __init__(self, config: SafetyConfig) -> None:
        self._config = config
        self._updated_s = float("-inf")
        self.forget()

    def forget(self) -> None:
        """Count from the beginning."""
        self._count = 0
        self._found_s = float("-inf")
        self._place: FloatArray | None = None

    def note_update(self, now_s: float) -> None:
        """The core is asked at ``now_s`` [s]; late, it forgets what it has counted."""
        if now_s - self._updated_s > self._config.blocked_gap_s:
            self.forget()
        self._updated_s = now_s

    def note_found(self, position: FloatArray, now_s: float) -> Shut | None:
        """The arm was found standing at ``position`` (J,) [rad] at ``now_s`` [s]; shut where that is once too often."""
        config = self._config
        held_again = (
            self._place is not None
            and now_s - self._found_s <= config.blocked_within_s
            and float(np.abs(position - self._place).max()) <= config.blocked_moved
        )
        self._count = self._count + 1 if held_again else 1
        self._found_s = now_s
        if not held_again:
            self._place = position.copy()
        if not config.robot_obeys or self._count <= config.max_blocked:
            return None
        return Shut(Gate.BLOCKED, f"the arm was held at the same place {self._count} times in a row")
