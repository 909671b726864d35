"""The arm as the driver reads it: one state of the robot in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ArmReading:
    """One state.

    Attributes:
        taken_s: When it was read [s, monotonic clock of this machine].
        robot_time_s: The robot's own time [s].
        positions: (7,) measured [rad].
        velocities: (7,) measured [rad/s].
        efforts: (7,) measured [Nm].
        external_torques: (7,) estimated torques from outside [Nm].
        wrench_in_base: (6,) estimated force and torque on the hand, in the base frame [N, Nm].
        hand_in_base: (4, 4) pose of the end effector.
        mode: The robot's mode, in its own words.
        errors: Names of the robot's present errors.
        success_rate: Share of the last 100 commands that came in time, 0 to 1; 0 at rest.
        in_control: A motion of the library is running.
        tracking_error_rad: Greatest distance of a joint from its trajectory [rad]; None without one.
    """

    taken_s: float
    robot_time_s: float
    positions: FloatArray
    velocities: FloatArray
    efforts: FloatArray
    external_torques: FloatArray
    wrench_in_base: FloatArray
    hand_in_base: FloatArray
    mode: str
    errors: tuple[str, ...]
    success_rate: float
    in_control: bool
    tracking_error_rad: float | None = None
