"""What a joint controller executes: a piecewise polynomial in time, and where it is at one instant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ik_controller.joint_trajectory import JointState
from ik_controller.piecewise_polynomial import derivatives, segment_coefficients

FloatArray = NDArray[np.float64]


class JointSpline:
    """A piecewise polynomial in time that rests after its end.

    Attributes:
        start_s: When it starts [s].
        has_velocities: Its knots carried velocities; ``has_accelerations`` likewise.
    """

    def __init__(
        self,
        start_s: float,
        breaks_s: FloatArray,
        coefficients: FloatArray,
        end: FloatArray,
        *,
        has_velocities: bool = True,
        has_accelerations: bool = True,
    ) -> None:
        self.start_s = start_s
        self._breaks_s = breaks_s
        self._coefficients = coefficients
        self._end = end
        self.has_velocities = has_velocities
        self.has_accelerations = has_accelerations

    @classmethod
    def standing(cls, start_s: float, position: FloatArray) -> JointSpline:
        """Resting at ``position`` (J,) [rad]."""
        return cls(start_s, np.zeros(1), np.zeros((6, 0, len(position))), np.array(position))

    @classmethod
    def through(
        cls,
        start_s: float,
        times_s: FloatArray,
        positions: FloatArray,
        velocities: FloatArray | None,
        accelerations: FloatArray | None,
        before: JointState,
    ) -> JointSpline:
        """Through knots, with a first segment from ``before`` where the first time is above zero.

        Args:
            start_s: When the knots' time zero is [s].
            times_s: (T,) increasing, >= 0 [s].
            positions: (T, J) [rad].
            velocities: (T, J) [rad/s], or None.
            accelerations: (T, J) [rad/s²], or None; needs velocities.
            before: Where the joints are at ``start_s``.
        """
        times, positions = np.asarray(times_s, dtype=float), np.asarray(positions, dtype=float)
        if times[0] > 0.0:
            times = np.concatenate([[0.0], times])
            positions = np.vstack([before.position, positions])
            velocities = None if velocities is None else np.vstack([before.velocity, velocities])
            accelerations = None if accelerations is None else np.vstack([before.acceleration, accelerations])
        return cls(
            start_s,
            times,
            segment_coefficients(np.diff(times), positions, velocities, accelerations),
            positions[-1],
            has_velocities=velocities is not None,
            has_accelerations=accelerations is not None,
        )

    @classmethod
    def decaying(cls, start_s: float, duration_s: float, mismatch: JointState) -> JointSpline:
        """From ``mismatch`` to zero in ``duration_s`` [s], with zero velocity and acceleration at the end."""
        zero = np.zeros_like(mismatch.position)
        states = (mismatch.position, mismatch.velocity, mismatch.acceleration)
        coefficients = segment_coefficients(
            np.array([duration_s]), *(np.stack([state, zero]) for state in states)
        )
        return cls(start_s, np.array([0.0, duration_s]), coefficients, zero)

    @property
    def knots_s(self) -> FloatArray:
        """(T,) where its polynomials meet [s]."""
        return self.start_s + self._breaks_s

    @property
    def end_s(self) -> float:
        """When it comes to rest [s]."""
        return self.start_s + float(self._breaks_s[-1])

    def sample(self, now_s: float) -> JointState:
        """Setpoint at ``now_s``, clamped to the ends; what a controller asks for every millisecond."""
        time_s = now_s - self.start_s
        if time_s >= self._breaks_s[-1]:
            return JointState.at_rest(self._end)
        segment = max(int(self._breaks_s.searchsorted(time_s, side="right")) - 1, 0)
        u = max(time_s - float(self._breaks_s[segment]), 0.0)
        weights = np.array(
            [
                [1.0, u, u**2, u**3, u**4, u**5],
                [0.0, 1.0, 2 * u, 3 * u**2, 4 * u**3, 5 * u**4],
                [0.0, 0.0, 2.0, 6 * u, 12 * u**2, 20 * u**3],
            ]
        )
        return JointState(*(weights @ self._coefficients[:, segment]))

    def sample_many(self, times_s: FloatArray) -> FloatArray:
        """(4, M, J) positions, velocities, accelerations and jerks at ``times_s`` (M,), clamped to the ends."""
        times = times_s - self.start_s
        ended = times >= self._breaks_s[-1]
        result = np.zeros((4, len(times), len(self._end)))
        result[0, ended] = self._end
        if ended.all():
            return result
        under_way = times[~ended]
        segment = np.maximum(np.searchsorted(self._breaks_s, under_way, side="right") - 1, 0)
        u = np.maximum(under_way - self._breaks_s[segment], 0.0)[:, None]
        result[:, ~ended] = derivatives(self._coefficients[:, segment], u)
        return result
