"""The arm as the node holds it: a worker process, the state that it is in, and what may be asked of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fr3_driver.arm_messages import Alive, Execute, Lost, Recover, Recovered, Refused, Report, Stop
from fr3_driver.arm_reading import ArmReading
from fr3_driver.arm_settings import ArmSettings
from fr3_driver.arm_worker import run_arm_worker
from fr3_driver.driver_state import DriverState, DriverStatus
from fr3_driver.worker_link import WorkerEnd, WorkerLink
from ik_controller.trajectory_executor import TrajectoryCommand

_SLACK_S = 1.0
"""On top of a worker's own deadline, before this side stops waiting [s]."""


class ArmDriverError(RuntimeError):
    """The driver cannot do now what it was asked for."""


@dataclass(frozen=True)
class ArmListener:
    """Who is told what happens; all are called in a thread of the driver.

    Attributes:
        on_reading: Each reading of the arm.
        on_status: Each change of the driver's state.
        on_refused: A trajectory that was not accepted, with the reason.
    """

    on_reading: Callable[[ArmReading], None]
    on_status: Callable[[DriverStatus], None]
    on_refused: Callable[[str], None]


class ArmDriver:
    """Drives one arm. Calls return at once, but for ``connect`` and ``recover``, which wait within their deadlines.

    Args:
        settings: How the arm is driven.
        listener: Who is told what happens.
    """

    def __init__(self, settings: ArmSettings, listener: ArmListener) -> None:
        self._settings = settings
        self._listener = listener
        self._link: WorkerLink | None = None
        self._status = DriverStatus(DriverState.DISCONNECTED, "not connected yet")
        self._changed = threading.Condition()
        self._recovery: Recovered | None = None

    @property
    def status(self) -> DriverStatus:
        """The state in force."""
        return self._status

    def connect(self) -> None:
        """Start a worker and wait until it reads the arm.

        Raises:
            ArmDriverError: It does not; with the reason.
        """
        self._end_worker()
        self._set(DriverStatus(DriverState.CONNECTING, self._settings.fci_ip))
        self._link = WorkerLink(
            "fr3_arm_worker",
            run_arm_worker,
            (self._settings,),
            self._settings.deadlines.connect,
            self._take,
            self._on_end,
        )
        connected = self._wait(
            lambda: self._status.state is not DriverState.CONNECTING,
            2 * self._settings.deadlines.connect + _SLACK_S,
        )
        if not connected or self._status.state.needs_connection:
            status = self._status
            self._end_worker()
            self._set(
                status if connected else DriverStatus(DriverState.UNRESPONSIVE, "no state after connecting")
            )
            raise ArmDriverError(str(status))

    def disconnect(self) -> None:
        """Bring the arm to rest and end the worker."""
        self._end_worker()
        self._set(DriverStatus(DriverState.DISCONNECTED, "disconnected"))

    def execute(self, command: TrajectoryCommand) -> None:
        """Follow a trajectory, whose start is on this machine's monotonic clock; it replaces the one under way.

        Raises:
            ArmDriverError: The arm cannot move now.
        """
        status = self._status
        if self._link is None or not status.state.well:
            advice = f"; {status.state.advice}" if status.state.advice else ""
            raise ArmDriverError(f"the arm cannot move, {status}{advice}")
        self._link.send(Execute(command))

    def stop(self, reason: str) -> None:
        """Come to rest."""
        if self._link is not None:
            self._link.send(Stop(reason))

    def keep_alive(self) -> None:
        """Say that the node is there; without it the arm is stopped."""
        if self._link is not None:
            self._link.send(Alive())

    def recover(self) -> None:
        """Clear the robot's errors, or connect anew where the connection is gone.

        Raises:
            ArmDriverError: It did not help; with the reason.
        """
        if self._link is None or self._status.state.needs_connection:
            self.connect()
            if not self._status.state.needs_recovery:
                return
        self._recovery = None
        assert self._link is not None
        self._link.send(Recover())
        deadline_s = self._settings.deadlines.recover + _SLACK_S
        answered = self._wait(
            lambda: self._recovery is not None or self._status.state.needs_connection, deadline_s
        )
        recovery = self._recovery
        if recovery is not None and not recovery.problem:
            self._wait(lambda: not self._status.state.needs_recovery, _SLACK_S)
            return
        if recovery is not None:
            raise ArmDriverError(recovery.problem)
        raise ArmDriverError(
            str(self._status) if answered else f"no answer to a recovery within {deadline_s:g} s"
        )

    def _end_worker(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    # What the worker says, in the link's thread

    def _take(self, message: Any) -> None:
        if isinstance(message, Report):
            self._set(message.status)
            self._listener.on_reading(message.reading)
        elif isinstance(message, Refused):
            self._listener.on_refused(message.reason)
        elif isinstance(message, Recovered):
            with self._changed:
                self._recovery = message
                self._changed.notify_all()
        else:
            assert isinstance(message, Lost)
            self._set(message.status)

    def _on_end(self, end: WorkerEnd) -> None:
        if end.stuck:
            self._set(DriverStatus(DriverState.UNRESPONSIVE, end.reason))
        elif not self._status.state.needs_connection:
            self._set(DriverStatus(DriverState.WORKER_DIED, end.reason))

    def _set(self, status: DriverStatus) -> None:
        with self._changed:
            if status == self._status:
                return
            self._status = status
            self._changed.notify_all()
        self._listener.on_status(status)

    def _wait(self, happened: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(happened, timeout_s)
