"""The FR3's conditions on commanded joint motion: one command that breaks one ends the motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fr3_driver.emulator.codes import GeneratorMode, RobotError
from ik_controller.joint_limits import JointLimits

FloatArray = NDArray[np.float64]

TOLERANCE = 1.05
"""Accelerations and jerks may be this much above the published bound; the true controller's tolerance is unknown."""

_VELOCITY_SLACK = 1e-3
_POSITION_SLACK = 1e-6


@dataclass(frozen=True)
class JointCommand:
    """What a client commands the joints to do within one tick, (7,) each [rad, rad/s, rad/s², rad/s³]."""

    position: FloatArray
    velocity: FloatArray
    acceleration: FloatArray
    jerk: FloatArray


class JointLimitCheck:
    """Compares commands with a set of limits, as position-dependent as the set is."""

    def __init__(self, limits: JointLimits) -> None:
        self._limits = limits
        self._lower = limits.position_lower - _POSITION_SLACK
        self._upper = limits.position_upper + _POSITION_SLACK
        self._acceleration = limits.acceleration * TOLERANCE
        self._jerk = limits.jerk * TOLERANCE

    def violation(self, command: JointCommand, generator: GeneratorMode) -> RobotError | None:
        """The error that ``command`` raises, or None; Cartesian motions have error names of their own."""
        joint_space = generator in (GeneratorMode.JOINT_POSITION, GeneratorMode.JOINT_VELOCITY)
        if ((command.position < self._lower) | (command.position > self._upper)).any():
            return (
                RobotError.JOINT_MOTION_GENERATOR_POSITION_LIMITS_VIOLATION
                if joint_space
                else RobotError.CARTESIAN_MOTION_GENERATOR_JOINT_POSITION_LIMITS_VIOLATION
            )
        slowest, fastest = self._limits.velocity_bounds(command.position)
        if (
            (command.velocity > fastest + _VELOCITY_SLACK) | (command.velocity < slowest - _VELOCITY_SLACK)
        ).any():
            return (
                RobotError.JOINT_MOTION_GENERATOR_VELOCITY_LIMITS_VIOLATION
                if joint_space
                else RobotError.CARTESIAN_MOTION_GENERATOR_JOINT_VELOCITY_LIMITS_VIOLATION
            )
        if (np.abs(command.acceleration) > self._acceleration).any():
            return (
                RobotError.JOINT_MOTION_GENERATOR_VELOCITY_DISCONTINUITY
                if joint_space
                else RobotError.CARTESIAN_MOTION_GENERATOR_JOINT_VELOCITY_DISCONTINUITY
            )
        if (np.abs(command.jerk) > self._jerk).any():
            return (
                RobotError.JOINT_MOTION_GENERATOR_ACCELERATION_DISCONTINUITY
                if joint_space
                else RobotError.CARTESIAN_MOTION_GENERATOR_JOINT_ACCELERATION_DISCONTINUITY
            )
        return None
