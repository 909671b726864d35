"""The ghost of a dry run: what the robot would do, shown beside the robot that does not move.

Plans are made for the arm where it stands, so each one is played from its own start to its end, at its own speed, and
then the newest one that came meanwhile: replacing them as a robot does would show their first centimetres only. Without
plans the ghost is where the robot is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ik_controller.joint_limits import JointLimits
from ik_controller.trajectory_executor import CommandError, JointRange, TrajectoryCommand, TrajectoryExecutor

FloatArray = NDArray[np.float64]

LINGER_S = 1.0
"""The ghost stays at the end of a plan for this long before it returns to the robot [s]."""

LONGEST_WAIT_S = 1.0
"""A plan older than this is not played any more [s]."""

LEAST_MOTION_RAD = 1e-3
"""Plans that move no joint further than this let the arm stand: there is nothing to see [rad]."""

FINGER_SPEED = 0.1
"""At which the ghost's opening changes [m/s]."""


@dataclass(frozen=True)
class _Plan:
    command: TrajectoryCommand
    received_s: float


@dataclass(frozen=True)
class _FingerMotion:
    start_s: float
    start: float
    goal: float

    def at(self, now_s: float) -> float:
        way = self.goal - self.start
        share = min(FINGER_SPEED * (now_s - self.start_s) / abs(way), 1.0) if way else 1.0
        return self.start + share * way


class Ghost:
    """Plays plans; all times are those of one clock, in seconds.

    Args:
        limits: Those of the arm's controller: plans that it would refuse are refused here.

    Attributes:
        plans_played: How many plans were begun.
        fingers_ordered: How often the fingers were told to move.
    """

    def __init__(self, limits: JointLimits) -> None:
        self._limits = limits
        self._robot = np.zeros(limits.count)
        self._robot_width = 0.0
        self._next: _Plan | None = None
        self._playing: TrajectoryExecutor | None = None
        self._fingers: _FingerMotion | None = None
        self.plans_played = 0
        self.fingers_ordered = 0

    def observe(self, positions: FloatArray, width: float | None) -> None:
        """Take note of where the robot is: joints (J,) [rad], opening of its fingers [m], None where unknown."""
        self._robot = np.array(positions, dtype=float)
        if width is not None:
            self._robot_width = width

    def propose(self, command: TrajectoryCommand, now_s: float) -> None:
        """Take note of a trajectory that was meant for the robot.

        Raises:
            CommandError: The arm's controller would refuse it.
        """
        play(command, self._limits, now_s)
        positions = np.asarray(command.positions)
        if np.ptp(positions, axis=0).max() > LEAST_MOTION_RAD:
            self._next = _Plan(command, now_s)

    def move_fingers(self, width: float, now_s: float) -> None:
        """Take note of an opening [m] that the robot's fingers were meant to have."""
        self._fingers = _FingerMotion(now_s, self.width(now_s), width)
        self.fingers_ordered += 1

    def positions(self, now_s: float) -> FloatArray:
        """(J,) joints of the ghost [rad]; times must not decrease from call to call."""
        self._turn_over(now_s)
        if self._playing is not None:
            return self._playing.setpoint(now_s).position
        return self._robot.copy()

    def width(self, now_s: float) -> float:
        """Opening of the ghost's fingers [m]."""
        return self._robot_width if self._fingers is None else self._fingers.at(now_s)

    @property
    def playing(self) -> bool:
        """The ghost shows a plan, or its end."""
        return self._playing is not None

    def _turn_over(self, now_s: float) -> None:
        """Begin the next plan, or return to the robot, if it is time."""
        playing = self._playing
        if playing is not None and now_s < playing.end_s:
            return
        plan, self._next = self._next, None
        if plan is not None and now_s - plan.received_s <= LONGEST_WAIT_S:
            self._playing = play(plan.command, self._limits, now_s)
            self.plans_played += 1
        elif playing is not None and now_s > playing.end_s + LINGER_S:
            self._playing = self._fingers = None


def play(command: TrajectoryCommand, limits: JointLimits, start_s: float) -> TrajectoryExecutor:
    """A controller that stands at the first knot of ``command`` and takes it up at ``start_s`` [s].

    Raises:
        CommandError: It refuses the command.
    """
    executor = TrajectoryExecutor(JointRange.of(limits), limits)
    positions = np.asarray(command.positions, dtype=float)
    if positions.ndim != 2 or not len(positions):
        raise CommandError("a trajectory needs one knot at least")
    executor.reset(start_s, positions[0])
    executor.submit(replace(command, start_s=0.0), start_s)
    return executor
