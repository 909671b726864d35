"""A path has length but no clock: the time law along it, and the time law that brings a motion to rest.

Bounds on speed, acceleration and jerk hold along stretches of the path. Within a stretch the time law is a
one-dimensional Ruckig problem; between two stretches it passes with zero acceleration, at a speed u that both of them
allow and that can be reached. From u_0 to u_1 with zero acceleration at both ends, jerk j and acceleration a take

    t = 2 sqrt(d / j)  where d = |u_1 - u_0| <= a^2 / j,  else  d / a + a / j;   length = (u_0 + u_1) t / 2,

so a pass backwards from the end lowers what could not be braked from, and one forwards what could not be reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import ruckig
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MIN_LENGTH = 1e-9
"""A stretch is this long at least [m]."""

MIN_DURATION_S = 1e-3
"""A time law takes this long at least [s]."""

MIN_SPACING_S = 0.004
"""Two samples of a time law are this far apart at least [s]."""

LOWERINGS = 12
"""So often a start that is too fast for the path is made slower ..."""

LOWERING = 0.7
"""... to this share, before it is taken from rest."""

BISECTIONS = 40
"""Halvings in the search for a speed that can be reached."""

_REACHABLE = 0.999
"""Speeds are chosen for this share of a stretch, so that rounding does not make them unreachable."""

_OVERSHOOT = 1e-6
"""A path is overrun, or run backwards, where it is by more than this [m, m/s]."""


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

    def speed_after(self, speed: float, length: float) -> float:
        """The greatest speed that ``length`` allows to reach from ``speed``, with zero acceleration at both ends.

        Braking is the same in reverse: the greatest speed that ``length`` allows to brake from to ``speed``.
        """
        length = length * _REACHABLE
        if self._change(speed, self.velocity) <= length:
            return max(self.velocity, speed)
        low, high = speed, self.velocity
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if self._change(speed, middle) <= length:
                low = middle
            else:
                high = middle
        return low

    def _change(self, speed: float, other: float) -> float:
        """Length that a change of speed takes."""
        step = abs(other - speed)
        jerk_only = step * self.jerk <= self.acceleration**2
        time = (
            2 * (step / self.jerk) ** 0.5
            if jerk_only
            else step / self.acceleration + self.acceleration / self.jerk
        )
        return (speed + other) / 2 * time


@dataclass(frozen=True)
class Stretch:
    """A part of a path: it begins where the one before it ends.

    Attributes:
        end: Path parameter of its end [m].
        bounds: What holds on it.
    """

    end: float
    bounds: PathSpeed


@dataclass(frozen=True)
class TimeLaw:
    """Path parameter and its first two derivatives at ``times`` (T,) [s], from 0 to rest."""

    times: FloatArray
    parameter: FloatArray
    speed: FloatArray
    acceleration: FloatArray


def time_along_path(
    stretches: Sequence[Stretch], speed_at_start: float, acceleration_at_start: float, period: float
) -> TimeLaw:
    """Go from parameter 0 to the last stretch's end, ending at rest.

    Args:
        stretches: The path in order, one stretch at least.
        speed_at_start: [m/s], not negative; reduced where the path is too short to stop from it.
        acceleration_at_start: [m/s²].
        period: Greatest time between the samples returned [s]; there is one wherever the jerk changes, too.

    Raises:
        TimingError: if Ruckig finds no solution.
    """
    first = stretches[0].bounds
    speed = max(0.0, speed_at_start)
    acceleration = float(np.clip(acceleration_at_start, -first.acceleration, first.acceleration))
    for _ in range(LOWERINGS):
        pieces = _chained(stretches, speed, acceleration)
        if pieces is not None:
            return _sampled(pieces, period)
        speed, acceleration = speed * LOWERING, 0.0
    return _sampled(_chained(stretches, 0.0, 0.0) or [_slowest(stretches)], period)


def time_to_rest(bounds: PathSpeed, period: float) -> TimeLaw:
    """Slow a motion's clock from full rate to standstill: rate 1 to 0, within acceleration and jerk of ``bounds``."""
    solution = _solved(ruckig.ControlInterface.Velocity, 0.0, (1.0, 0.0), 0.0, bounds)
    return _sampled([_phases(solution)], period)


def _chained(
    stretches: Sequence[Stretch], speed_at_start: float, acceleration_at_start: float
) -> list[FloatArray] | None:
    """Phases of the time law, or None where the start is too fast for the path."""
    begin, speed, acceleration = 0.0, speed_at_start, acceleration_at_start
    pieces = []
    bounds = stretches[0].bounds
    if speed + max(acceleration, 0.0) ** 2 / (2 * bounds.jerk) > bounds.velocity:
        braking = _brake(stretches, speed, acceleration)
        if braking is None:
            return None
        phases, begin, speed = braking
        pieces.append(phases)
        acceleration = 0.0
        stretches = [stretch for stretch in stretches if stretch.end > begin]
    ends = [stretch.end for stretch in stretches]
    lengths = [max(end - start, MIN_LENGTH) for start, end in pairwise([begin, *ends])]
    limits = [stretch.bounds for stretch in stretches]
    count = len(lengths)
    speeds = [speed, *(min(a.velocity, b.velocity) for a, b in pairwise(limits)), 0.0]
    for k in range(count - 1, 0, -1):
        speeds[k] = min(speeds[k], limits[k].speed_after(speeds[k + 1], lengths[k]))
    for k in range(1, count):
        speeds[k] = min(speeds[k], limits[k - 1].speed_after(speeds[k - 1], lengths[k - 1]))
    for k in range(count):
        solution = _solved(
            ruckig.ControlInterface.Position,
            lengths[k],
            (speeds[k], acceleration),
            speeds[k + 1],
            limits[k],
        )
        phases = _phases(solution)
        extrema = solution.position_extrema[0]
        overrun = extrema.max > lengths[k] + _OVERSHOOT or extrema.min < -_OVERSHOOT
        if overrun or phases[2].min(initial=0.0) < -_OVERSHOOT:
            return None
        phases[1] += ends[k] - lengths[k]
        pieces.append(phases)
        acceleration = 0.0
    return pieces


def _slowest(stretches: Sequence[Stretch]) -> FloatArray:
    """Phases of the whole path from rest to rest within the bounds of all its stretches."""
    bounds = [stretch.bounds for stretch in stretches]
    least = PathSpeed(
        min(bound.velocity for bound in bounds),
        min(bound.acceleration for bound in bounds),
        min(bound.jerk for bound in bounds),
    )
    length = max(stretches[-1].end, MIN_LENGTH)
    return _phases(_solved(ruckig.ControlInterface.Position, length, (0.0, 0.0), 0.0, least))


def _brake(
    stretches: Sequence[Stretch], speed: float, acceleration: float
) -> tuple[FloatArray, float, float] | None:
    """Slow down to what the stretches allow on which that happens.

    Returns:
        Phases, parameter and speed afterwards; None where the path is too short.
    """
    target = stretches[0].bounds.velocity
    for stretch in stretches:
        target = min(target, stretch.bounds.velocity)
        solution = _solved(
            ruckig.ControlInterface.Velocity, 0.0, (speed, acceleration), target, stretches[0].bounds
        )
        reached = float(solution.at_time(solution.duration)[0][0])
        if reached < stretch.end:
            return _phases(solution), reached, target
    return None


def _solved(
    interface: ruckig.ControlInterface,
    target: float,
    state: tuple[float, float],
    speed_at_end: float,
    bounds: PathSpeed,
) -> ruckig.Trajectory:
    problem = ruckig.InputParameter(1)
    problem.control_interface = interface
    problem.current_position = [0.0]
    problem.current_velocity = [state[0]]
    problem.current_acceleration = [state[1]]
    problem.target_position = [target]
    problem.target_velocity = [speed_at_end]
    problem.target_acceleration = [0.0]
    problem.max_velocity = [bounds.velocity]
    problem.max_acceleration = [bounds.acceleration]
    problem.max_jerk = [bounds.jerk]
    solution = ruckig.Trajectory(1)
    result = ruckig.Ruckig(1).calculate(problem, solution)
    if result not in (ruckig.Result.Working, ruckig.Result.Finished):
        raise TimingError(
            f"no time law over {target:.4f} from speed {state[0]:.4f}, acceleration {state[1]:.4f} "
            f"to speed {speed_at_end:.4f} within {bounds}: {result}"
        )
    return solution


def _phases(solution: ruckig.Trajectory) -> FloatArray:
    """(5, P) durations, positions, velocities, accelerations and jerks at the start of each phase of constant jerk."""
    profile = solution.profiles[0][0]
    brake = profile.brake
    rows = np.array(
        [
            [*brake.t, *profile.t],
            [*brake.p, *profile.p[:7]],
            [*brake.v, *profile.v[:7]],
            [*brake.a, *profile.a[:7]],
            [*brake.j, *profile.j],
        ]
    )
    return rows[:, rows[0] > 0.0]


def _sampled(pieces: list[FloatArray], period: float) -> TimeLaw:
    durations, *start = np.concatenate(pieces, axis=1)
    p, v, a, j = start
    begins = np.concatenate([[0.0], np.cumsum(durations)])
    end = max(float(begins[-1]), MIN_DURATION_S)
    even = np.linspace(0.0, end, max(2, int(np.ceil(end / period)) + 1))
    times = _apart(np.sort(np.concatenate([even, begins[1:-1]])), MIN_SPACING_S)
    if len(durations) == 0:
        zero = np.zeros_like(times)
        return TimeLaw(times, zero, zero, zero)
    phase = np.clip(np.searchsorted(begins, times, side="right") - 1, 0, len(durations) - 1)
    t = np.minimum(times - begins[phase], durations[phase])
    p, v, a, j = p[phase], v[phase], a[phase], j[phase]
    law = TimeLaw(
        times,
        p + t * (v + t * (a / 2 + t * j / 6)),
        np.maximum(v + t * (a + t * j / 2), 0.0),
        a + t * j,
    )
    law.speed[-1] = law.acceleration[-1] = 0.0
    return law


def _apart(times: FloatArray, spacing: float) -> FloatArray:
    """``times`` (T,) increasing [s] without those that follow another too closely; both ends stay."""
    last = float(times[-1])
    kept = [float(times[0])]
    for time in times[1:-1].tolist():
        if time - kept[-1] >= spacing and last - time >= spacing:
            kept.append(time)
    return np.array([*kept, last])
