"""A path has length but no clock: the time law along it, and the time law that brings a motion to rest.

Both are one-dimensional Ruckig problems: jerk-limited, from any speed, ending at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import ruckig
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class TimingError(RuntimeError):
    """No time law exists for the numbers given."""


@dataclass(frozen=True)
class PathSpeed:
    """Bounds along a path, per unit of its parameter (metres for an arc length).

    Attributes:
        velocity: [1/s]; ``acceleration`` [1/s²]; ``jerk`` [1/s³].
    """

    velocity: float
    acceleration: float
    jerk: float

    def slowed(self, factor: float) -> PathSpeed:
        """The same motion ``factor`` times as fast (factor < 1: slower)."""
        return PathSpeed(self.velocity * factor, self.acceleration * factor**2, self.jerk * factor**3)


@dataclass(frozen=True)
class TimeLaw:
    """Path parameter and its first two derivatives at ``times`` (T,) [s], from 0 to rest."""

    times: FloatArray
    parameter: FloatArray
    speed: FloatArray
    acceleration: FloatArray


def time_along_path(
    length: float, speed_at_start: float, acceleration_at_start: float, bounds: PathSpeed, period: float
) -> TimeLaw:
    """Go from parameter 0 to ``length``, ending at rest.

    Args:
        length: Arc length to go [m].
        speed_at_start: [m/s], not negative; reduced where the path is too short to stop from it.
        acceleration_at_start: [m/s²].
        bounds: Speed, acceleration and jerk along the path.
        period: Time between the samples returned [s].

    Raises:
        TimingError: if Ruckig finds no solution.
    """
    length = max(length, 1e-9)
    speed = min(max(0.0, speed_at_start), bounds.velocity)
    acceleration = float(np.clip(acceleration_at_start, -bounds.acceleration, bounds.acceleration))
    if speed < speed_at_start:
        acceleration = min(acceleration, 0.0)
    for _ in range(12):
        law = _solve(ruckig.ControlInterface.Position, length, speed, acceleration, bounds, period)
        if law.parameter.max() <= length * (1 + 1e-6) + 1e-9 and law.speed.min() >= -1e-6:
            return law
        speed, acceleration = speed * 0.7, 0.0
    return _solve(ruckig.ControlInterface.Position, length, 0.0, 0.0, bounds, period)


def time_to_rest(bounds: PathSpeed, period: float) -> TimeLaw:
    """Slow a motion's clock from full rate to standstill: rate 1 to 0, within acceleration and jerk of ``bounds``."""
    return _solve(ruckig.ControlInterface.Velocity, 0.0, 1.0, 0.0, bounds, period)


def _solve(
    interface: ruckig.ControlInterface,
    target: float,
    speed: float,
    acceleration: float,
    bounds: PathSpeed,
    period: float,
) -> TimeLaw:
    problem = ruckig.InputParameter(1)
    problem.control_interface = interface
    problem.current_position = [0.0]
    problem.current_velocity = [speed]
    problem.current_acceleration = [acceleration]
    problem.target_position = [target]
    problem.target_velocity = [0.0]
    problem.target_acceleration = [0.0]
    problem.max_velocity = [bounds.velocity]
    problem.max_acceleration = [bounds.acceleration]
    problem.max_jerk = [bounds.jerk]
    solution = ruckig.Trajectory(1)
    result = ruckig.Ruckig(1).calculate(problem, solution)
    if result not in (ruckig.Result.Working, ruckig.Result.Finished):
        raise TimingError(
            f"no time law over {target:.4f} from speed {speed:.4f}, acceleration {acceleration:.4f} "
            f"within {bounds}: {result}"
        )
    duration = max(solution.duration, 1e-3)
    samples = max(2, int(np.ceil(duration / period)) + 1)
    times = np.linspace(0.0, duration, samples)
    states = np.array([solution.at_time(min(t, solution.duration)) for t in times])[:, :3, 0]
    states[-1, 1:] = 0.0
    return TimeLaw(times, states[:, 0], states[:, 1], states[:, 2])
