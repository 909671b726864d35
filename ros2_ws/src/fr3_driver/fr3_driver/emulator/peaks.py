"""The greatest values that commands have reached: what a benchmark of a driver reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fr3_driver.emulator.limit_check import JointCommand
from ik_controller.joint_limits import JointLimits

FloatArray = NDArray[np.float64]


class CommandPeaks:
    """Peaks of commanded velocity, acceleration and jerk, and the least room left to a velocity or position bound."""

    def __init__(self, limits: JointLimits) -> None:
        self._limits = limits
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self._peaks = np.zeros((3, self._limits.count))
        self._position_room = np.inf

    def add(self, command: JointCommand) -> None:
        """Take the command of one tick into account."""
        latest = np.stack([command.velocity, command.acceleration, command.jerk])
        np.maximum(self._peaks, np.abs(latest), out=self._peaks)
        room = np.minimum(
            command.position - self._limits.position_lower, self._limits.position_upper - command.position
        )
        self._position_room = min(self._position_room, float(room.min()))

    def summary(self) -> dict[str, float | None]:
        """Peaks over all joints [rad/s, rad/s², rad/s³], and the least distance to a position bound [rad]."""
        velocity, acceleration, jerk = (float(peak) for peak in self._peaks.max(axis=1))
        return {
            "velocity": velocity,
            "acceleration": acceleration,
            "jerk": jerk,
            "position_room": None if np.isinf(self._position_room) else self._position_room,
        }
