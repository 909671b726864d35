"""An emulated robot in a process of its own, and the driver's core against it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fr3_driver.arm_driver import ArmDriver, ArmListener
from fr3_driver.arm_reading import ArmReading
from fr3_driver.arm_settings import ArmSettings, Deadlines
from fr3_driver.driver_state import DriverState, DriverStatus
from fr3_driver.emulator.control_port import EmulatorControl
from ik_controller.trajectory_executor import TrajectoryCommand

HOST = f"127.1.{os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"
"""An address of this machine that no other test run uses: the robot's ports are always the same."""

DEADLINE_S = 60.0


@pytest.fixture(autouse=True)
def ordinary_priority() -> Iterator[None]:
    """Take back the real-time priority that libfranka gives to the thread of a motion, where it may.

    Whatever this process starts afterwards would inherit it, and a simulator at real-time priority stops the machine.
    The C library remembers a priority that it set and tells Fast DDS, hence not os.sched_setscheduler.
    """
    yield
    none = ctypes.byref(ctypes.c_int(0))
    ctypes.CDLL(None).pthread_setschedparam(ctypes.c_ulong(threading.get_ident()), os.SCHED_OTHER, none)


class EmulatedRobot:
    """An emulator, and what can be done to it."""

    def __init__(self, clock: str = "soft") -> None:
        self._clock = clock
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "fr3_driver.emulator.command_line",
                "--host",
                HOST,
                "--clock",
                self._clock,
            ],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._control = EmulatorControl(HOST, timeout_s=DEADLINE_S)
        self._control.wait_until_up()

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        return self._control.request(do, **fields)

    @property
    def status(self) -> dict[str, Any]:
        return self.ask("status")

    @property
    def alive(self) -> bool:
        """Its process runs."""
        return self._process.poll() is None

    def die(self) -> None:
        """The control box loses power."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._control.close()
        if self.alive:
            self._process.terminate()
        self._process.wait()


def wait(happened: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> float:
    """Seconds until ``happened()`` is true."""
    began_s = time.monotonic()
    while not happened():
        assert time.monotonic() < began_s + deadline_s, f"waited {deadline_s:g} s in vain for {what}"
        time.sleep(0.002)
    return time.monotonic() - began_s


class DrivenArm:
    """The driver's core, without ROS."""

    def __init__(self, **settings: Any) -> None:
        self.readings: list[ArmReading] = []
        self.history: list[tuple[float, DriverStatus]] = []
        """When [s, monotonic clock] the driver got into which state."""

        self.refusals: list[str] = []
        listener = ArmListener(
            self.readings.append,
            lambda status: self.history.append((time.monotonic(), status)),
            self.refusals.append,
        )
        patient = {"deadlines": Deadlines(connect=DEADLINE_S)}
        self.driver = ArmDriver(ArmSettings(HOST, **(patient | settings)), listener)

    def connect(self) -> None:
        self.driver.connect()
        wait(lambda: self.readings, "a reading")

    @property
    def state(self) -> DriverState:
        return self.driver.status.state

    @property
    def positions(self) -> np.ndarray:
        return self.readings[-1].positions

    def go(self, by: np.ndarray, seconds: float) -> np.ndarray:
        """Begin to move by some angles [rad] in a time; returns where that leads."""
        goal = self.positions + by
        rest = np.zeros((2, 7))
        knots = np.array([self.positions, goal])
        self.driver.execute(TrajectoryCommand(0.0, np.array([0.0, seconds]), knots, rest, rest))
        return goal

    def wait_for(self, state: DriverState, deadline_s: float = DEADLINE_S) -> float:
        """Seconds until the driver is in ``state``; the node is alive meanwhile."""

        def there() -> bool:
            self.driver.keep_alive()
            return self.state is state

        return wait(there, f"{state}, not {self.driver.status}", deadline_s)

    def move(self, by: np.ndarray, seconds: float) -> np.ndarray:
        """Move and arrive; returns where that should lead."""
        goal = self.go(by, seconds)
        self.wait_for(DriverState.MOVING)
        self.wait_for(DriverState.READY)
        return goal


@pytest.fixture(scope="module")
def robot() -> Iterator[EmulatedRobot]:
    robot = EmulatedRobot()
    yield robot
    robot.close()


@pytest.fixture
def healthy(robot: EmulatedRobot) -> EmulatedRobot:
    """The robot without the faults of the test before."""
    if not robot.alive:
        robot.start()
    robot.ask("mute", on=False)
    robot.ask("silence", on=False)
    robot.ask("user_stop", pressed=False)
    robot.ask("push", torques=[0.0] * 7)
    robot.ask("drop_commands", count=0)
    robot.ask("reset_statistics")
    return robot


@pytest.fixture(scope="module")
def connected(robot: EmulatedRobot) -> Iterator[DrivenArm]:
    arm = DrivenArm(deadlines=Deadlines(connect=DEADLINE_S, settings=1.0, recover=1.0, moving=0.4, idle=1.5))
    arm.connect()
    yield arm
    arm.driver.disconnect()


@pytest.fixture
def arm(connected: DrivenArm, healthy: EmulatedRobot) -> DrivenArm:
    """The driver, well again after the test before."""
    if connected.state.needs_recovery:
        connected.driver.recover()
    connected.wait_for(DriverState.READY)
    return connected


def only(joint: int, angle: float) -> np.ndarray:
    """One joint's angle [rad] among seven."""
    by = np.zeros(7)
    by[joint] = angle
    return by
