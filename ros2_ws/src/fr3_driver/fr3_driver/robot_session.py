"""A connection to one robot through franky: settings, state, motions and what went wrong, in the driver's words.

Calls may block for ever, since the library waits for answers without a time limit; they belong into a process that can
be ended (``arm_worker``).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import franky
import numpy as np
from numpy.typing import NDArray

from fr3_driver.arm_reading import ArmReading
from fr3_driver.arm_settings import ArmSettings
from fr3_driver.driver_state import DriverState, DriverStatus
from fr3_driver.robot_faults import ConnectError, ConnectionLostError, RobotFaultError
from ik_controller.joint_limits import JointLimits

FloatArray = NDArray[np.float64]

Announce = Callable[[str, float], AbstractContextManager[None]]
"""Tells a watchdog that a call may take so many seconds."""

_ACCELERATION_SHARE = 0.95
_JERK_SHARE = 0.9
"""What the library plans with, of the limits: its commands are filtered on their way, which sharpens their peaks."""

_CARTESIAN_LIMITS = {
    "translation_velocity_limit": 3.0,
    "translation_acceleration_limit": 9.0,
    "translation_jerk_limit": 4500.0,
    "rotation_velocity_limit": 2.5,
    "rotation_acceleration_limit": 17.0,
    "rotation_jerk_limit": 8500.0,
    "elbow_velocity_limit": 1.5,
    "elbow_acceleration_limit": 10.0,
    "elbow_jerk_limit": 5000.0,
}
"""The FR3's [m, rad, s]; the library's own are another robot's."""

_FROZEN_S = 0.25
"""During a motion the robot's time must go on at least this often [s]."""

_MODES = {
    franky.RobotMode.Other: "other",
    franky.RobotMode.Idle: "idle",
    franky.RobotMode.Move: "move",
    franky.RobotMode.Guiding: "guiding",
    franky.RobotMode.Reflex: "reflex",
    franky.RobotMode.UserStopped: "user stopped",
    franky.RobotMode.AutomaticErrorRecovery: "recovery",
}

_ERROR_NAMES = tuple(name for name in dir(franky.Errors) if not name.startswith("_"))

_NETWORK_WORDS = ("Net Exception", "UDP", "TCP", "Connection", "Timeout")


class RobotSession:
    """One robot, connected and set up.

    Args:
        settings: How it is driven.
        announce: Called around everything that waits for an answer of the robot.

    Raises:
        ConnectError: No connection, or a setting is refused.
    """

    def __init__(self, settings: ArmSettings, announce: Announce) -> None:
        self._settings = settings
        self._announce = announce
        self.limits = JointLimits.load(settings.limits)
        try:
            self.robot = self._connect()
            with announce("settings", settings.deadlines.settings):
                self._apply_settings()
        except Exception as error:
            raise ConnectError(f"{settings.fci_ip}: {error}") from error
        self._robot_time_s = -1.0
        self._moved_on_s = time.monotonic()

    def read(self) -> ArmReading:
        """The newest state; at rest this waits for the next one, about a millisecond.

        Raises:
            ConnectionLostError: No state comes.
        """
        try:
            in_control = bool(self.robot.is_in_control)
            state = self.robot.state
        except Exception as error:
            raise ConnectionLostError(f"no state of the robot: {error}") from error
        now_s = time.monotonic()
        robot_time_s = state.time.to_sec()
        if robot_time_s != self._robot_time_s or not in_control:
            self._robot_time_s, self._moved_on_s = robot_time_s, now_s
        elif now_s - self._moved_on_s > _FROZEN_S:
            raise ConnectionLostError(f"no new state of the robot for {_FROZEN_S} s during a motion")
        force = state.O_F_ext_hat_K
        return ArmReading(
            taken_s=now_s,
            robot_time_s=robot_time_s,
            positions=_vector(state.q),
            velocities=_vector(state.dq),
            efforts=_vector(state.tau_J),
            external_torques=_vector(state.tau_ext_hat_filtered),
            wrench_in_base=_vector(force),
            hand_in_base=np.array(state.O_T_EE.matrix, dtype=float),
            mode=_MODES.get(state.robot_mode, "other"),
            errors=_names(state.current_errors),
            success_rate=float(state.control_command_success_rate),
            in_control=in_control,
        )

    def motion_goes_on(self) -> bool:
        """A motion runs, or is about to: the robot may not have taken up its first command yet.

        Raises:
            RobotFaultError: It has failed; with the state that this leads to.
        """
        try:
            # True when the motion is over, whatever the library's documentation says (test_franky_on_the_emulator).
            return not self.robot.poll_motion()
        except Exception as error:
            raise self.explain(error) from error

    def explain(self, error: Exception) -> RobotFaultError:
        """The fault behind an exception of the library."""
        text = " ".join(str(error).split())
        if isinstance(error, franky.NetworkException) or any(word in text for word in _NETWORK_WORDS):
            return ConnectionLostError(text)
        with contextlib.suppress(ConnectionLostError):
            status = status_of(self.read())
            if status is not None:
                return RobotFaultError(status)
        return RobotFaultError(DriverStatus(DriverState.FAULT, text))

    def recover(self) -> None:
        """Clear the robot's errors.

        Raises:
            RobotFaultError: It did not; with the state that is still in force.
        """
        # What is left of a motion that failed must be taken out before the next.
        with contextlib.suppress(Exception):
            self.robot.poll_motion()
        try:
            with self._announce("recover", self._settings.deadlines.recover):
                recovered = self.robot.recover_from_errors()
        except Exception as error:
            raise self.explain(error) from error
        if not recovered:
            status = status_of(self.read()) or DriverStatus(DriverState.FAULT, "the recovery had no effect")
            raise RobotFaultError(status)

    def _connect(self) -> franky.Robot:
        settings = self._settings
        policy = franky.RealtimeConfig.Enforce if settings.enforce_real_time else franky.RealtimeConfig.Ignore
        with self._announce("connect", settings.deadlines.connect):
            return franky.Robot(settings.fci_ip, realtime_config=policy)

    def _apply_settings(self) -> None:
        """Everything that is set once; nothing of the library's defaults stays in force unseen."""
        settings, robot, limits = self._settings, self.robot, self.limits
        # Velocities are clamped by the driver: the library refuses what is above its limit instead of slowing down.
        robot.relative_dynamics_factor = franky.RelativeDynamicsFactor(
            1.0, settings.acceleration_factor, settings.jerk_factor
        )
        _set_limit(robot.joint_velocity_limit, limits.velocity)
        self.library_velocity = np.array(robot.joint_velocity_limit.get(), dtype=float)
        _set_limit(robot.joint_acceleration_limit, _ACCELERATION_SHARE * limits.acceleration)
        _set_limit(robot.joint_jerk_limit, _JERK_SHARE * limits.jerk)
        for name, bound in _CARTESIAN_LIMITS.items():
            limit = getattr(robot, name)
            limit.set(min(bound, float(limit.max)))
        robot.set_collision_behavior(
            np.array(settings.torque_thresholds),
            np.array(settings.torque_thresholds),
            np.array(settings.force_thresholds),
            np.array(settings.force_thresholds),
        )
        robot.set_joint_impedance([float(value) for value in settings.joint_impedance])
        load = settings.load
        robot.set_load(load.mass, list(load.centre), list(load.inertia))


def status_of(reading: ArmReading) -> DriverStatus | None:
    """The state that the robot's own condition puts the driver into; None where it can move."""
    errors = ", ".join(reading.errors)
    if reading.mode == "user stopped":
        return DriverStatus(DriverState.USER_STOPPED, "the stop button is pressed")
    if reading.mode == "reflex" or reading.errors:
        return DriverStatus(DriverState.REFLEX, errors or "the robot stopped itself")
    if reading.mode in ("guiding", "other") and not reading.in_control:
        return DriverStatus(DriverState.NOT_READY, f"the robot's mode is '{reading.mode}'")
    return None


def _set_limit(limit: Any, bounds: FloatArray) -> None:
    # The library refuses values above its own, some of which are lower than the FR3's.
    limit.set(np.minimum(bounds, np.asarray(limit.max, dtype=float)))


def _vector(values: object) -> FloatArray:
    return np.array(values, dtype=float).reshape(-1)


def _names(errors: franky.Errors) -> tuple[str, ...]:
    return tuple(name for name in _ERROR_NAMES if getattr(errors, name))
