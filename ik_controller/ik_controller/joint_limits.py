"""Joint limits of a robot, read from data, and an independent check of commands against them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from ik_controller.resources import resource_path

FloatArray = NDArray[np.float64]


class LimitsError(ValueError):
    """A limits file that does not describe the limits of a joint set."""


@dataclass(frozen=True)
class JointLimits:
    """Bounds on position, velocity, acceleration and jerk of J joints.

    Attributes:
        name: Name of the set, for logs and diagnostics.
        joint_names: The joints, in the order of all arrays.
        position_lower: (J,) [rad]; ``position_upper`` likewise.
        velocity: (J,) [rad/s]; ``acceleration`` [rad/s²] and ``jerk`` [rad/s³] likewise.
        velocity_offset: (J,) [rad/s] of the position-dependent velocity formula, or None where the set has none.
        deceleration: (J,) [rad/s²] of the same formula, or None.
    """

    name: str
    joint_names: tuple[str, ...]
    position_lower: FloatArray
    position_upper: FloatArray
    velocity: FloatArray
    acceleration: FloatArray
    jerk: FloatArray
    velocity_offset: FloatArray | None = None
    deceleration: FloatArray | None = None

    def __post_init__(self) -> None:
        count = len(self.joint_names)
        for field in ("position_lower", "position_upper", "velocity", "acceleration", "jerk"):
            values = getattr(self, field)
            if values.shape != (count,) or not np.isfinite(values).all():
                raise LimitsError(
                    f"limits '{self.name}': {field} must be {count} finite numbers, got {values.tolist()}"
                )
        if not (self.position_lower < self.position_upper).all():
            raise LimitsError(
                f"limits '{self.name}': position_lower must be below position_upper on every joint"
            )
        if (self.velocity_offset is None) != (self.deceleration is None):
            raise LimitsError(
                f"limits '{self.name}': velocity_offset and deceleration come together or not at all"
            )

    @classmethod
    def load(cls, name_or_path: str | Path) -> JointLimits:
        """Read a limits file: a path, or the name of a shipped set such as ``fr3_rectangular`` or ``fr3_full``.

        Raises:
            LimitsError: if the file lacks a field or holds something other than numbers.
        """
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            path = resource_path(f"limits/{name_or_path}.yaml")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        try:
            dependent = content.get("position_dependent_velocity")
            return cls(
                name=str(content["name"]),
                joint_names=tuple(content["joints"]),
                position_lower=_numbers(content["position_lower"]),
                position_upper=_numbers(content["position_upper"]),
                velocity=_numbers(content["velocity"]),
                acceleration=_numbers(content["acceleration"]),
                jerk=_numbers(content["jerk"]),
                velocity_offset=_numbers(dependent["offset"]) if dependent else None,
                deceleration=_numbers(dependent["deceleration"]) if dependent else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise LimitsError(
                f"limits file {path} lacks or garbles the field {error}; see urdf/limits/"
            ) from error

    @property
    def count(self) -> int:
        """Number of joints J."""
        return len(self.joint_names)

    def velocity_bounds(self, positions: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Lower and upper velocity bounds (..., J) [rad/s] at ``positions`` (..., J) [rad].

        Position-dependent sets: upper(q) = min(v, max(0, -offset + sqrt(max(0, 2 a_dec (q_max - q))))), the lower bound
        its mirror (Franka documentation, "Limits for Franka Research 3").
        """
        q = np.asarray(positions, dtype=float)
        upper = np.broadcast_to(self.velocity, q.shape)
        if self.velocity_offset is None or self.deceleration is None:
            return -upper, upper
        to_upper = np.sqrt(np.maximum(0.0, 2.0 * self.deceleration * (self.position_upper - q)))
        to_lower = np.sqrt(np.maximum(0.0, 2.0 * self.deceleration * (q - self.position_lower)))
        return (
            -np.minimum(upper, np.maximum(0.0, to_lower - self.velocity_offset)),
            np.minimum(upper, np.maximum(0.0, to_upper - self.velocity_offset)),
        )

    def clip(self, positions: ArrayLike, margin: float = 0.0) -> FloatArray:
        """``positions`` (..., J) moved into the range, ``margin`` [rad] inside its ends."""
        return np.clip(positions, self.position_lower + margin, self.position_upper - margin)


@dataclass(frozen=True)
class LimitViolation:
    """One joint outside one bound.

    Attributes:
        time: When [s], in the time of the samples.
        joint: Name of the joint.
        quantity: ``position``, ``velocity``, ``acceleration`` or ``jerk``.
        value: What was commanded [rad, rad/s, rad/s² or rad/s³].
        bound: The bound it lies outside of, same unit.
    """

    time: float
    joint: str
    quantity: str
    value: float
    bound: float

    def __str__(self) -> str:
        return (
            f"{self.joint} {self.quantity} {self.value:.5g} outside {self.bound:.5g} at t = {self.time:.4f} s"
        )


def find_violations(
    times: ArrayLike, positions: ArrayLike, limits: JointLimits, tolerance: float = 1e-3
) -> list[LimitViolation]:
    """Check recorded commands against ``limits``, knowing nothing of how they were planned.

    Velocity, acceleration and jerk are divided differences of neighbouring samples: means over one, two and three
    sampling periods, so a motion inside its limits passes at any sampling rate and a jump fails at any.

    Args:
        times: (T,) strictly increasing [s].
        positions: (T, J) commanded positions [rad].
        limits: The set in force.
        tolerance: Share of a bound that rounding may take (positions: radians).

    Returns:
        The worst violation of each joint and quantity; empty when there is none.
    """
    t = np.asarray(times, dtype=float)
    q = np.asarray(positions, dtype=float)
    if t.ndim != 1 or q.shape != (len(t), limits.count):
        raise LimitsError(
            f"expected times (T,) and positions (T, {limits.count}), got {t.shape} and {q.shape}"
        )
    if (np.diff(t) <= 0.0).any():
        raise LimitsError("times must increase strictly; merge repeated samples first")
    found = _outside(
        t, q, limits.position_lower - tolerance, limits.position_upper + tolerance, "position", limits
    )
    derivative, at = q, t
    for order, quantity in ((1, "velocity"), (2, "acceleration"), (3, "jerk")):
        if len(t) <= order:
            break
        # The n-th derivative's mean over a window is n! times the divided difference over it.
        derivative = np.diff(derivative, axis=0) * order / (t[order:] - t[:-order])[:, None]
        at = (t[order:] + t[:-order]) / 2
        if quantity == "velocity":
            low_start, high_start = limits.velocity_bounds(q[:-1])
            low_end, high_end = limits.velocity_bounds(q[1:])
            lower, upper = np.minimum(low_start, low_end), np.maximum(high_start, high_end)
        else:
            upper = np.broadcast_to(getattr(limits, quantity), derivative.shape)
            lower = -upper
        slack = tolerance * limits.velocity if quantity == "velocity" else tolerance * upper
        found += _outside(at, derivative, lower - slack, upper + slack, quantity, limits)
    return found


def _outside(
    times: FloatArray,
    values: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    quantity: str,
    limits: JointLimits,
) -> list[LimitViolation]:
    lower, upper = np.broadcast_to(lower, values.shape), np.broadcast_to(upper, values.shape)
    # A NaN is never inside.
    excess = np.where(np.isnan(values), np.inf, np.maximum(values - upper, lower - values))
    worst = np.argmax(excess, axis=0)
    violations = []
    for joint, row in enumerate(worst):
        if excess[row, joint] > 0.0:
            value = float(values[row, joint])
            bound = lower[row, joint] if value < lower[row, joint] else upper[row, joint]
            violations.append(
                LimitViolation(float(times[row]), limits.joint_names[joint], quantity, value, float(bound))
            )
    return violations


def _numbers(values: object) -> FloatArray:
    return np.array(values, dtype=float)
