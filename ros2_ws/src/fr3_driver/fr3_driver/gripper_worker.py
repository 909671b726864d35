"""The process that talks to the Franka Hand: one motion at a time, the newest goal wins."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import Any

import franky

from fr3_driver.worker_link import Leave, WorkerSide

MAX_WIDTH = 0.08
"""Opening of the Franka Hand [m]."""

_REPORT_PERIOD_S = 0.05
_CONNECT_S = 10.0
_PATIENCE_S = 2.0
"""Between two signs of life [s]; the library itself gives up on the state after 1 s."""

_STOP_S = 2.0
_MOTION_S = 8.0
"""The longest that the fingers move: all the way at a tenth of their speed [s]."""

_HOMING_S = 20.0


class Act(StrEnum):
    """What the fingers can do."""

    HOME = "home"
    MOVE = "move"
    GRASP = "grasp"


@dataclass(frozen=True)
class FingerGoal:
    """Something for the fingers to do.

    Attributes:
        number: Counts the goals; results carry it.
        act: What to do.
        width: Opening between the fingertips [m].
        speed: [m/s]
        force: Of a grasp [N].
    """

    number: int
    act: Act
    width: float = MAX_WIDTH
    speed: float = 0.1
    force: float = 20.0


@dataclass(frozen=True)
class StopFingers:
    """Stay where the fingers are."""


@dataclass(frozen=True)
class FingerReading:
    """Opening between the fingertips [m], and whether they hold something."""

    width: float
    grasped: bool


@dataclass(frozen=True)
class FingerResult:
    """What became of a goal.

    Attributes:
        number: Of the goal.
        reading: The fingers at its end.
        problem: Why it was not carried out; empty where it was.
    """

    number: int
    reading: FingerReading
    problem: str = ""


@dataclass(frozen=True)
class GripperLost:
    """The worker's last words."""

    reason: str


def run_gripper_worker(connection: Connection, fci_ip: str) -> None:
    """Entry point of the process; returns when the owner wants it to, has gone, or the connection is lost."""
    side = WorkerSide(connection, _PATIENCE_S)
    try:
        with side.announce("connect to the gripper", _CONNECT_S):
            gripper = franky.Gripper(fci_ip)
        GripperWorker(side, gripper).run()
    except EOFError:
        pass
    except Exception as error:
        side.send(GripperLost(" ".join(str(error).split())))


class GripperWorker:
    """One hand.

    Args:
        side: The link to the node.
        gripper: The library's connection to it.
    """

    def __init__(self, side: WorkerSide, gripper: franky.Gripper) -> None:
        self._side = side
        self._gripper = gripper
        self._goal: FingerGoal | None = None
        self._future: franky.BoolFuture | None = None
        self._ends_s = 0.0

    def run(self) -> None:
        """Go on until told to leave."""
        due_s = time.monotonic()
        while True:
            self._side.send(self._read())
            self._conclude()
            due_s = max(due_s + _REPORT_PERIOD_S, time.monotonic())
            while (message := self._side.receive(due_s - time.monotonic())) is not None:
                if isinstance(message, Leave):
                    self._stop()
                    return
                self._take(message)

    def _take(self, message: Any) -> None:
        self._stop()
        if isinstance(message, StopFingers):
            return
        assert isinstance(message, FingerGoal)
        self._goal = message
        gripper = self._gripper
        if message.act is Act.HOME:
            self._future = gripper.homing_async()
        elif message.act is Act.MOVE:
            self._future = gripper.move_async(message.width, message.speed)
        else:
            # Whatever is between the fingers is held, however wide it is.
            self._future = gripper.grasp_async(
                message.width, message.speed, message.force, epsilon_inner=MAX_WIDTH, epsilon_outer=MAX_WIDTH
            )
        self._ends_s = time.monotonic() + (_HOMING_S if message.act is Act.HOME else _MOTION_S)

    def _stop(self) -> None:
        """End what is under way; its goal has failed."""
        if self._goal is None:
            return
        with self._side.announce("stop the gripper", _STOP_S):
            self._gripper.stop()
            if self._future is not None:
                self._future.wait(_STOP_S / 2)
        self._report("another goal or a stop came first")

    def _conclude(self) -> None:
        if self._goal is None or self._future is None:
            return
        if not self._future.wait(0.0):
            if time.monotonic() > self._ends_s:
                raise TimeoutError(f"no answer to '{self._goal.act}' in time")
            return
        try:
            succeeded = self._future.get()
        except Exception as error:
            self._report(" ".join(str(error).split()))
            return
        # A grasp that met nothing and a motion that met something have both ended where they could.
        self._report("" if succeeded or self._goal.act is not Act.HOME else "homing failed")

    def _report(self, problem: str) -> None:
        assert self._goal is not None
        number = self._goal.number
        self._goal = self._future = None
        self._side.send(FingerResult(number, self._read(), problem))

    def _read(self) -> FingerReading:
        state = self._gripper.state
        return FingerReading(float(state.width), bool(state.is_grasped))
