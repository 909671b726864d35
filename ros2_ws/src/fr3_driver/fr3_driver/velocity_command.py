"""The velocity that brings the arm back to its trajectory and never takes it out of its limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr3_driver.arm_settings import ArmSettings
from ik_controller.joint_limits import JointLimits

FloatArray = NDArray[np.float64]

_BRAKING_SHARE = 0.5
"""Share of the acceleration limit that is kept for braking before a bound: jerk and delay take the rest."""

_VELOCITY_SHARE = 0.97
"""Commands stay this far inside of velocity bounds: the robot refuses a motion that breaks one."""

_LOOK_AHEAD_S = 0.03
"""Bounds are taken where the arm will be when the command takes effect and until the next one does [s]."""


class VelocityCommand:
    """Feed-forward plus position feedback, clamped.

        v = dq* + k (q* - q),   clamped to the velocity bounds and to what can be braked before a position bound

    Args:
        limits: Joint limits.
        settings: Gain, factor and margin.
        fastest: (7,) velocities that whoever takes the commands accepts [rad/s].
    """

    def __init__(self, limits: JointLimits, settings: ArmSettings, fastest: ArrayLike = np.inf) -> None:
        self._limits = limits
        self._gain = settings.position_gain
        self._fastest = np.minimum(limits.velocity * settings.velocity_factor, fastest) * _VELOCITY_SHARE
        self._lower = limits.position_lower + settings.position_margin_rad
        self._upper = limits.position_upper - settings.position_margin_rad
        self._braking = _BRAKING_SHARE * settings.acceleration_factor * limits.acceleration

    def velocity(self, planned: FloatArray, error: FloatArray, positions: FloatArray) -> FloatArray:
        """Velocity (7,) [rad/s] for an arm at ``positions`` [rad] that is ``error`` [rad] behind its trajectory.

        Args:
            planned: (7,) the trajectory's velocity [rad/s].
            error: (7,) from where the arm is to where it should be.
            positions: (7,) where it is.
        """
        return self.clamp(planned + self._gain * error, positions)

    def clamp(self, velocities: FloatArray, positions: FloatArray) -> FloatArray:
        """``velocities`` (7,) [rad/s] as near as the limits allow at ``positions`` (7,) [rad]."""
        wanted = np.clip(velocities, -self._fastest, self._fastest)
        ahead = positions + wanted * _LOOK_AHEAD_S
        slowest, fastest = self._limits.velocity_bounds(ahead)
        to_upper = np.sqrt(2.0 * self._braking * np.maximum(0.0, self._upper - ahead))
        to_lower = np.sqrt(2.0 * self._braking * np.maximum(0.0, ahead - self._lower))
        return np.clip(
            wanted,
            np.maximum(slowest * _VELOCITY_SHARE, -to_lower),
            np.minimum(fastest * _VELOCITY_SHARE, to_upper),
        )
