"""A joint trajectory: knots with position, velocity and acceleration, and the quintic through them.

The interpolation is the one ``joint_trajectory_controller`` uses for knots that carry all three, so what is planned and
checked here is what the robot's controller executes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ik_controller.piecewise_polynomial import derivatives, derivatives_at_shares, segment_coefficients

FloatArray = NDArray[np.float64]


SAMPLES_PER_SEGMENT = 6
"""Between two knots, a trajectory is looked at in so many places, both knots among them."""


class TrajectoryError(ValueError):
    """Arrays that do not form a trajectory."""


@dataclass(frozen=True)
class JointState:
    """Position (J,) [rad], velocity (J,) [rad/s] and acceleration (J,) [rad/s²] of the joints at one instant."""

    position: FloatArray
    velocity: FloatArray
    acceleration: FloatArray

    @classmethod
    def at_rest(cls, position: ArrayLike) -> JointState:
        """Standing still at ``position`` (J,) [rad]."""
        q = np.array(position, dtype=float)
        return cls(q, np.zeros_like(q), np.zeros_like(q))


@dataclass(frozen=True)
class JointTrajectory:
    """Knots of a motion that ends at rest; before the first knot and after the last one the joints stand.

    Attributes:
        times_s: (T,) increasing from 0 [s], relative to the trajectory's start.
        positions: (T, J) [rad].
        velocities: (T, J) [rad/s]; zero in the last row.
        accelerations: (T, J) [rad/s²]; zero in the last row.
    """

    times_s: FloatArray
    positions: FloatArray
    velocities: FloatArray
    accelerations: FloatArray

    def __post_init__(self) -> None:
        shape = self.positions.shape
        if self.positions.ndim != 2 or self.times_s.shape != shape[:1] or shape[0] < 2:
            raise TrajectoryError(
                f"expected times (T,) and positions (T, J) with T >= 2, got {self.times_s.shape} and {shape}"
            )
        if self.velocities.shape != shape or self.accelerations.shape != shape:
            raise TrajectoryError(f"velocities and accelerations must be {shape} like the positions")
        if self.times_s[0] != 0.0 or (np.diff(self.times_s) <= 0.0).any():
            raise TrajectoryError("times must start at 0 and increase strictly")
        if self.velocities[-1].any() or self.accelerations[-1].any():
            raise TrajectoryError(
                "a trajectory must end at rest; the last knot has a velocity or an acceleration"
            )

    @classmethod
    def standing(cls, position: ArrayLike, duration_s: float = 0.1) -> JointTrajectory:
        """Hold ``position`` (J,) [rad]."""
        q = np.array(position, dtype=float)
        zero = np.zeros((2, len(q)))
        return cls(np.array([0.0, duration_s]), np.stack([q, q]), zero, zero)

    @property
    def duration_s(self) -> float:
        """Time from the first knot to rest [s]."""
        return float(self.times_s[-1])

    @cached_property
    def _coefficients(self) -> FloatArray:
        """(6, T - 1, J) polynomial coefficients of each segment."""
        return segment_coefficients(
            np.diff(self.times_s), self.positions, self.velocities, self.accelerations
        )

    def sample(self, time_s: float) -> JointState:
        """State at ``time_s`` [s] after the start, clamped to the trajectory's ends."""
        q, v, a = self.sample_many(np.array([time_s]))
        return JointState(q[0], v[0], a[0])

    def sample_many(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Positions, velocities and accelerations (M, J) at ``times_s`` (M,) [s], clamped to the trajectory's ends."""
        segment = np.clip(np.searchsorted(self.times_s, times_s, side="right") - 1, 0, len(self.times_s) - 2)
        u = np.clip(times_s - self.times_s[segment], 0.0, None)[:, None]
        q, v, a, _ = derivatives(self._coefficients[:, segment], u)
        ended = times_s >= self.times_s[-1]
        q[ended], v[ended], a[ended] = self.positions[-1], 0.0, 0.0
        return q, v, a

    @cached_property
    def samples(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Times (M,), positions, velocities, accelerations and jerks (M, J), evenly within every segment.

        Not in the order of time: all segments at their start, then all a little later, and so on.
        """
        h = np.diff(self.times_s)
        share = np.linspace(0.0, 1.0, SAMPLES_PER_SEGMENT)
        q, v, a, j = derivatives_at_shares(self._coefficients, h, share)
        return (self.times_s[:-1] + share[:, None] * h).ravel(), q, v, a, j

    def tail(self, time_s: float) -> JointTrajectory:
        """What is left after ``time_s`` [s]: the same curve, starting there."""
        if time_s <= 0.0:
            return self
        if time_s >= self.times_s[-1] - 1e-6:
            return JointTrajectory.standing(self.positions[-1])
        now = self.sample(time_s)
        # A knot almost at the start would leave a segment too short to divide by.
        rest = self.times_s > time_s + 1e-6
        return JointTrajectory(
            np.concatenate([[0.0], self.times_s[rest] - time_s]),
            np.vstack([now.position, self.positions[rest]]),
            np.vstack([now.velocity, self.velocities[rest]]),
            np.vstack([now.acceleration, self.accelerations[rest]]),
        )
