"""The hand as the node holds it: goals in the terms of ``control_msgs/GripperCommand``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fr3_driver.gripper_worker import (
    MAX_WIDTH,
    Act,
    FingerGoal,
    FingerReading,
    FingerResult,
    GripperLost,
    StopFingers,
    run_gripper_worker,
)
from fr3_driver.worker_link import WorkerEnd, WorkerLink

DEFAULT_EFFORT = 20.0
"""Grip force where a goal gives none [N]."""

MAX_EFFORT = 70.0
"""Continuous grip force of the Franka Hand [N]."""

REACHED_TOLERANCE = 0.002
"""The goal is reached this near to it [m]."""

_CONNECT_S = 12.0


class GripperGoalError(ValueError):
    """A goal that the gripper cannot take."""


class GripperDriverError(RuntimeError):
    """The gripper is not there."""


@dataclass(frozen=True)
class GripperOutcome:
    """What ``control_msgs/GripperCommand`` reports.

    Attributes:
        width: Total opening [m].
        effort: Force between the fingers [N]; 0 where they hold nothing.
        stalled: The fingers stopped before the goal: they hold something.
        reached_goal: The opening asked for is there.
        problem: Why the goal was not carried out; empty where it was.
    """

    width: float
    effort: float
    stalled: bool
    reached_goal: bool
    problem: str = ""


def check_goal(width: float, effort: float) -> None:
    """Check a goal.

    Raises:
        GripperGoalError: The opening is not one of the hand's, or the force is not one.
    """
    if not (np.isfinite(width) and -1e-6 <= width <= MAX_WIDTH + 1e-6):
        raise GripperGoalError(
            f"the gripper opens from 0 to {MAX_WIDTH} m between its fingertips, got {width} m"
        )
    if not (np.isfinite(effort) and effort >= 0.0):
        raise GripperGoalError(f"max_effort must be a force >= 0 N (0 = default), got {effort}")


class GripperDriver:
    """Drives one hand.

    Args:
        fci_ip: Address of the control box's robot network.
        speed: Of the opening [m/s].
        on_outcome: Called in a thread of the driver with each goal's number and what became of it.
        on_lost: Called there when the hand is gone, with the reason.
    """

    def __init__(
        self,
        fci_ip: str,
        speed: float,
        on_outcome: Callable[[int, GripperOutcome], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._fci_ip = fci_ip
        self._speed = speed
        self._on_outcome = on_outcome
        self._on_lost = on_lost
        self._link: WorkerLink | None = None
        self._changed = threading.Condition()
        self._reading: FingerReading | None = None
        self._problem = "not connected"
        self._goal: FingerGoal | None = None
        self._count = 0

    @property
    def reading(self) -> FingerReading | None:
        """The fingers now; None without a connection."""
        return self._reading

    @property
    def problem(self) -> str:
        """Why there is no connection; empty where there is one."""
        return self._problem

    def connect(self) -> None:
        """Start a worker and wait until it reads the fingers.

        Raises:
            GripperDriverError: It does not; with the reason.
        """
        self.disconnect()
        self._problem = ""
        self._link = WorkerLink(
            "fr3_gripper_worker", run_gripper_worker, (self._fci_ip,), _CONNECT_S, self._take, self._on_end
        )
        with self._changed:
            self._changed.wait_for(lambda: self._reading is not None or self._problem, 2 * _CONNECT_S)
        if self._reading is None:
            problem = self._problem or "no state of the gripper"
            self.disconnect()
            self._problem = problem
            raise GripperDriverError(f"no gripper at {self._fci_ip}: {problem}")

    def disconnect(self) -> None:
        """Stop the fingers and end the worker."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._reading = None
        self._problem = "not connected"

    def move(self, width: float, effort: float) -> int:
        """Go to an opening [m]: closing holds what it meets with a force [N]; returns the goal's number.

        Raises:
            GripperGoalError: The hand cannot do it.
            GripperDriverError: The hand is not there.
        """
        check_goal(width, effort)
        reading = self._reading
        if reading is None:
            raise GripperDriverError(f"the gripper is not there: {self._problem}")
        width = float(np.clip(width, 0.0, MAX_WIDTH))
        closes = width < reading.width - REACHED_TOLERANCE
        force = min(effort or DEFAULT_EFFORT, MAX_EFFORT)
        return self._begin(Act.GRASP if closes else Act.MOVE, width, force)

    def home(self) -> int:
        """Find the greatest opening: needed once after the hand was switched on; returns the goal's number.

        Raises:
            GripperDriverError: The hand is not there.
        """
        return self._begin(Act.HOME, MAX_WIDTH, DEFAULT_EFFORT)

    def stop(self) -> None:
        """Stay where the fingers are."""
        if self._link is not None:
            self._link.send(StopFingers())

    def _begin(self, act: Act, width: float, force: float) -> int:
        if self._link is None:
            raise GripperDriverError(f"the gripper is not there: {self._problem}")
        self._count += 1
        self._goal = FingerGoal(self._count, act, width, self._speed, force)
        self._link.send(self._goal)
        return self._count

    def _take(self, message: Any) -> None:
        if isinstance(message, FingerReading):
            with self._changed:
                self._reading = message
                self._changed.notify_all()
        elif isinstance(message, FingerResult):
            self._on_outcome(message.number, self._outcome(message))
        else:
            assert isinstance(message, GripperLost)
            self._lose(message.reason)

    def _outcome(self, result: FingerResult) -> GripperOutcome:
        goal, width = self._goal, result.reading.width
        reached = (
            goal is not None and goal.number == result.number and abs(width - goal.width) < REACHED_TOLERANCE
        )
        holds = result.reading.grasped and not reached
        force = goal.force if goal is not None and holds else 0.0
        return GripperOutcome(width, force, not reached and not result.problem, reached, result.problem)

    def _on_end(self, end: WorkerEnd) -> None:
        self._lose(end.reason)

    def _lose(self, reason: str) -> None:
        with self._changed:
            if self._problem:
                return
            self._problem = reason
            self._reading = None
            self._changed.notify_all()
        self._on_lost(reason)
