"""The process that talks to the arm: executes trajectories, reads the state, and notices what goes wrong."""

from __future__ import annotations

import time
from dataclasses import replace
from enum import Enum
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from fr3_driver.arm_messages import Alive, Execute, Lost, Recover, Recovered, Refused, Report, Stop
from fr3_driver.arm_settings import ArmSettings
from fr3_driver.driver_state import DriverState, DriverStatus
from fr3_driver.robot_faults import ConnectionLostError, RobotFaultError
from fr3_driver.robot_session import RobotSession, status_of
from fr3_driver.trackers import make_tracker
from fr3_driver.worker_link import Leave, WorkerSide
from ik_controller.joint_trajectory import JointState
from ik_controller.trajectory_executor import (
    CommandError,
    JointRange,
    TrajectoryCommand,
    TrajectoryExecutor,
)

_SETTLED_RAD = 1e-3
"""An arm this near to the end of its trajectory has arrived [rad]."""

_TAKES_EFFECT_S = 0.005
"""From a reading to the command computed from it being in force [s]."""

_STARTED_S = 0.5
"""A motion that the robot has not taken up within this has failed [s]."""


class _Phase(Enum):
    REST = "rest"
    MOVING = "moving"
    STOPPING = "stopping"


def run_arm_worker(connection: Connection, settings: ArmSettings) -> None:
    """Entry point of the process; returns when the owner wants it to, has gone, or the connection is lost."""
    side = WorkerSide(connection, settings.deadlines.connect)
    try:
        ArmWorker(side, settings).run()
    except RobotFaultError as error:
        side.send(Lost(error.status))
    except EOFError:
        pass


class ArmWorker:
    """One arm under way.

    Args:
        side: The link to the node.
        settings: How the arm is driven.

    Raises:
        ConnectError: No connection.
    """

    def __init__(self, side: WorkerSide, settings: ArmSettings) -> None:
        self._side = side
        self._settings = settings
        self._session = RobotSession(settings, side.announce)
        limits = self._session.limits
        self._executor = TrajectoryExecutor(JointRange.of(limits), limits)
        self._tracker = make_tracker(self._session, settings)
        # A command takes effect a little later, and holds until the next one.
        self._lead_s = 0.5 / settings.command_rate_hz + _TAKES_EFFECT_S
        self._phase = _Phase.REST
        self._fault: DriverStatus | None = None
        self._note = ""
        self._wanted_stop = ""
        self._leaving = False
        self._heard_s = self._commanded_s = self._controlled_s = time.monotonic()
        self._reading = self._session.read()
        self._executor.reset(self._heard_s, self._reading.positions)

    def run(self) -> None:
        """Go on until told to leave and at rest.

        Raises:
            ConnectionLostError: There is no talking to the robot any more.
        """
        period_s = 1.0 / self._settings.command_rate_hz
        report_period_s = 1.0 / self._settings.state_rate_hz
        due_s = report_due_s = time.monotonic()
        while not (self._leaving and self._phase is _Phase.REST):
            self._read()
            self._advance()
            now_s = time.monotonic()
            # Half a period of slack: reports at the rate of commands come with each of them.
            if now_s >= report_due_s - period_s / 2:
                self._side.send(Report(self._reading, self._status()))
                report_due_s = max(report_due_s + report_period_s, now_s)
            due_s = max(due_s + period_s, time.monotonic())
            self._listen_until(due_s)

    # What the node wants

    def _listen_until(self, due_s: float) -> None:
        while True:
            try:
                message = self._side.receive(due_s - time.monotonic())
            except EOFError:
                self._leave("the driver's node has gone")
                time.sleep(max(due_s - time.monotonic(), 0.0))
                return
            if message is None:
                return
            self._heard_s = time.monotonic()
            self._take(message)

    def _take(self, message: Any) -> None:
        if isinstance(message, Execute):
            self._execute(message.command)
        elif isinstance(message, Stop):
            self._stop(message.reason)
        elif isinstance(message, Recover):
            self._recover()
        elif isinstance(message, Leave):
            self._leave("the driver is being shut down")
        else:
            assert isinstance(message, Alive)

    def _execute(self, command: TrajectoryCommand) -> None:
        now_s = time.monotonic()
        status = self._status()
        if not status.state.well:
            self._side.send(Refused(f"the arm cannot move, {status}"))
            return
        if self._phase is _Phase.REST:
            # Where the arm stands is where the next motion begins.
            self._executor.reset(now_s, self._reading.positions)
        try:
            self._executor.submit(command, now_s)
        except CommandError as error:
            self._side.send(Refused(str(error)))
            return
        self._commanded_s = now_s
        self._note = ""
        if self._phase is not _Phase.MOVING:
            self._phase, self._controlled_s, self._wanted_stop = _Phase.MOVING, now_s, ""

    def _stop(self, reason: str) -> None:
        """Have the next cycle stop the motion."""
        self._wanted_stop = self._wanted_stop or reason

    def _leave(self, reason: str) -> None:
        self._leaving = True
        self._stop(reason)

    def _recover(self) -> None:
        try:
            self._session.recover()
        except ConnectionLostError:
            raise
        except RobotFaultError as error:
            self._fault = error.status
            self._side.send(Recovered(str(error)))
            return
        self._fault = None
        self._note = ""
        self._phase = _Phase.REST
        self._read()
        self._side.send(Recovered())

    # What the arm does

    def _read(self) -> None:
        deadlines = self._settings.deadlines
        self._side.patience_s = deadlines.idle if self._phase is _Phase.REST else deadlines.moving
        self._reading = self._session.read()

    def _advance(self) -> None:
        """One cycle of the motion."""
        if self._fault is not None:
            return
        try:
            if self._phase is not _Phase.REST:
                goes_on = self._session.motion_goes_on()
                if self._phase is _Phase.MOVING:
                    self._move(time.monotonic())
                elif not goes_on:
                    self._phase = _Phase.REST
        except ConnectionLostError:
            raise
        except RobotFaultError as error:
            self._fail(error.status)
        except Exception as error:
            fault = self._session.explain(error)
            if isinstance(fault, ConnectionLostError):
                raise fault from error
            self._fail(fault.status)
        if self._phase is _Phase.REST:
            status = status_of(self._reading)
            if status is not None and status.state.needs_recovery:
                self._fail(status)

    def _move(self, now_s: float) -> None:
        if self._reading.in_control:
            self._controlled_s = now_s
        elif now_s - self._controlled_s > _STARTED_S:
            raise RobotFaultError(DriverStatus(DriverState.FAULT, "the robot does not take up the motion"))
        setpoint = self._executor.setpoint(now_s + self._lead_s)
        planned = setpoint.position - setpoint.velocity * self._lead_s
        error_rad = float(np.abs(planned - self._reading.positions).max())
        self._reading = replace(self._reading, tracking_error_rad=error_rad)
        reason = self._wanted_stop or self._reason_to_stop(now_s, error_rad)
        if reason:
            self._note = f"stopped: {reason}"
            self._finish()
        elif self._arrived(setpoint, now_s, error_rad):
            self._finish()
        else:
            self._tracker.send(setpoint, planned, self._reading)

    def _finish(self) -> None:
        """Come to rest; a motion that was sent and not yet taken up is brought to its end as well."""
        if self._session.motion_goes_on():
            self._tracker.finish()
        self._phase = _Phase.STOPPING

    def _arrived(self, setpoint: JointState, now_s: float, error_rad: float) -> bool:
        over_s = now_s - self._executor.end_s
        if over_s < 0.0 or setpoint.velocity.any():
            return False
        hold = self._settings.compliant_hold_s if self._settings.tracking == "compliant" else 0.0
        return over_s > self._tracker.settle_s or (error_rad < _SETTLED_RAD and over_s >= hold)

    def _reason_to_stop(self, now_s: float, error_rad: float) -> str:
        settings = self._settings
        if now_s - self._heard_s > settings.deadlines.node:
            return f"the driver's node was silent for {settings.deadlines.node:g} s"
        if error_rad > settings.max_tracking_error_rad:
            return f"the arm is {error_rad:.3f} rad from its trajectory (at most {settings.max_tracking_error_rad:g})"
        if 0.0 < settings.command_timeout_s < now_s - self._commanded_s:
            return f"no new trajectory for {settings.command_timeout_s:g} s"
        return ""

    def _fail(self, status: DriverStatus) -> None:
        self._phase = _Phase.REST
        self._fault = status
        self._executor.reset(time.monotonic(), self._reading.positions)

    def _status(self) -> DriverStatus:
        if self._fault is not None:
            return self._fault
        if self._phase is _Phase.STOPPING and self._note:
            return DriverStatus(DriverState.STOPPING, self._note)
        if self._phase is not _Phase.REST:
            return DriverStatus(DriverState.MOVING)
        return status_of(self._reading) or DriverStatus(DriverState.READY, self._note)
