"""The ghost of commanded motion: where the arm will be a moment from now, shown while the arm itself moves there.

It stands where the newest trajectory will have brought the arm after a fixed time; each new trajectory replaces the
one before, as it does for the arm. Without motion ahead the ghost is where the robot is, and hides in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ik_controller.ghost import LINGER_S, play
from ik_controller.joint_limits import JointLimits
from ik_controller.trajectory_executor import TrajectoryCommand, TrajectoryExecutor

FloatArray = NDArray[np.float64]

OLDEST_START_S = 2.0
"""A trajectory is not sent later than this after its start [s]; an older start is one of another clock."""


class GhostAhead:
    """Looks ahead on commands; all times are those of one clock, in seconds.

    Args:
        limits: What the arm's controller keeps: trajectories that it would refuse are refused here.
        ahead_s: How far the ghost is ahead [s].

    Attributes:
        plans_played: How many trajectories were taken up.
    """

    def __init__(self, limits: JointLimits, ahead_s: float) -> None:
        self._limits = limits
        self._ahead_s = ahead_s
        self._robot = np.zeros(limits.count)
        self._robot_width = 0.0
        self._motion: TrajectoryExecutor | None = None
        self.plans_played = 0

    def observe(self, positions: FloatArray, width: float | None) -> None:
        """Take note of where the robot is: joints (J,) [rad], opening of its fingers [m], None where unknown."""
        self._robot = np.array(positions, dtype=float)
        if width is not None:
            self._robot_width = width

    def propose(self, command: TrajectoryCommand, now_s: float) -> None:
        """Take note of a trajectory that the robot was just sent.

        One that says no start, or one of another clock, is taken to start now.

        Raises:
            CommandError: The arm's controller would refuse it.
        """
        same_clock = -OLDEST_START_S <= command.start_s - now_s <= self._ahead_s
        self._motion = play(command, self._limits, command.start_s if same_clock else now_s)
        self.plans_played += 1

    def positions(self, now_s: float) -> FloatArray:
        """(J,) joints of the ghost [rad]; times must not decrease from call to call."""
        if self._motion is not None and now_s > self._motion.end_s + LINGER_S:
            self._motion = None
        if self._motion is None:
            return self._robot.copy()
        return self._motion.setpoint(now_s + self._ahead_s).position

    def width(self, now_s: float) -> float:
        """Opening of the ghost's fingers [m]: the robot's."""
        return self._robot_width

    @property
    def playing(self) -> bool:
        """There is motion ahead, or was a moment ago."""
        return self._motion is not None
