"""Judges a stream of joint commands by the limits file alone: shares no code with what plans, joins or executes.

Commands come once a millisecond, as the FR3's control interface takes them. Velocity, acceleration and jerk are the
backward differences of the stream, which is how the robot's own controller sees them:

    v_k = (q_k - q_k-1) / dt,   a_k = (v_k - v_k-1) / dt,   j_k = (a_k - a_k-1) / dt

with the arm at rest before the first command. A velocity must keep the bound at both ends of its millisecond, where the
set's bounds depend on the position (Franka documentation, "Limits for Franka Research 3"):

    v <= min(v_max, max(0, -offset + sqrt(max(0, 2 a_dec (q_max - q))))),   and its mirror with q - q_min.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

PERIOD_S = 0.001
"""Time between two commands [s]."""

QUANTITIES = ("position", "velocity", "acceleration", "jerk")

ROUNDING = {"position": 1e-9, "velocity": 1e-9, "acceleration": 1e-5, "jerk": 1e-2}
"""What differences of double-precision positions at 1 kHz are off by at most [rad, rad/s, rad/s², rad/s³]."""

REST_SPEED = 1e-7
"""A stream that ends faster than this has not come to rest [rad/s]."""


@dataclass(frozen=True)
class Bounds:
    """A limits file as written: (J,) each, lowest and highest position [rad], then [rad/s], [rad/s²], [rad/s³]."""

    joints: tuple[str, ...]
    lowest: FloatArray
    highest: FloatArray
    fastest: FloatArray
    acceleration: FloatArray
    jerk: FloatArray
    offset: FloatArray | None
    deceleration: FloatArray | None

    @classmethod
    def read(cls, path: Path) -> Bounds:
        """Read a limits file (``urdf/limits/*.yaml``)."""
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        near_ends = content.get("position_dependent_velocity") or {}
        return cls(
            tuple(content["joints"]),
            *(
                np.array(content[name], dtype=float)
                for name in ("position_lower", "position_upper", "velocity", "acceleration", "jerk")
            ),
            offset=np.array(near_ends["offset"], dtype=float) if near_ends else None,
            deceleration=np.array(near_ends["deceleration"], dtype=float) if near_ends else None,
        )

    def fastest_at(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Greatest speed (T, J) [rad/s] downwards and upwards at ``positions`` (T, J) [rad]."""
        if self.offset is None or self.deceleration is None:
            same = np.tile(self.fastest, (len(positions), 1))
            return same, same
        speeds = []
        for way in (positions - self.lowest, self.highest - positions):
            speed = np.sqrt(2.0 * self.deceleration * np.where(way > 0.0, way, 0.0)) - self.offset
            speeds.append(np.minimum(np.where(speed > 0.0, speed, 0.0), self.fastest))
        return speeds[0], speeds[1]


@dataclass(frozen=True)
class Breach:
    """A command outside a bound.

    Attributes:
        command: Which one, counted from the stream's first.
        joint: Name.
        quantity: One of ``QUANTITIES``, ``number`` (not finite) or ``rest`` (the stream does not end at rest).
        value: What was commanded.
        bound: What is allowed.
    """

    command: int
    joint: str
    quantity: str
    value: float
    bound: float

    def __str__(self) -> str:
        return f"{self.joint} {self.quantity} {self.value:.6g}, allowed {self.bound:.6g}, at command {self.command}"


@dataclass
class Judgement:
    """What a check found.

    Attributes:
        breaches: The first of each joint and quantity.
        used: Largest share of each bound that was used, by quantity (1 = all of it).
    """

    breaches: list[Breach] = field(default_factory=list)
    used: dict[str, float] = field(default_factory=lambda: dict.fromkeys(QUANTITIES, 0.0))


def judge(positions: FloatArray, bounds: Bounds, *, ends_at_rest: bool = False) -> Judgement:
    """Check commands ``positions`` (T, J) [rad], one a millisecond, of an arm at rest at the first of them."""
    found = Judgement()
    if not np.isfinite(positions).all():
        command, joint = np.argwhere(~np.isfinite(positions))[0]
        found.breaches.append(Breach(int(command), bounds.joints[joint], "number", np.nan, np.nan))
        return found
    middle, half = (bounds.highest + bounds.lowest) / 2, (bounds.highest - bounds.lowest) / 2
    _look(found, bounds, "position", np.abs(positions - middle), np.broadcast_to(half, positions.shape))
    padded = np.concatenate([np.repeat(positions[:1], 3, axis=0), positions])
    velocity = np.diff(padded, axis=0)[2:] / PERIOD_S
    down, up = bounds.fastest_at(padded[2:])
    allowed_up, allowed_down = np.minimum(up[:-1], up[1:]), np.minimum(down[:-1], down[1:])
    _look(found, bounds, "velocity", np.abs(velocity), np.where(velocity > 0.0, allowed_up, allowed_down))
    for order, (quantity, bound) in enumerate(
        (("acceleration", bounds.acceleration), ("jerk", bounds.jerk)), start=2
    ):
        difference = np.abs(np.diff(padded, n=order, axis=0)[3 - order :]) / PERIOD_S**order
        _look(found, bounds, quantity, difference, np.broadcast_to(bound, difference.shape))
    if ends_at_rest and len(positions) > 1:
        last = np.abs(positions[-1] - positions[-2]) / PERIOD_S
        if last.max() > REST_SPEED:
            joint = int(np.argmax(last))
            found.breaches.append(
                Breach(len(positions) - 1, bounds.joints[joint], "rest", float(last[joint]), 0.0)
            )
    return found


def _look(found: Judgement, bounds: Bounds, quantity: str, size: FloatArray, allowed: FloatArray) -> None:
    """Note what of ``size`` (T, J) is more than ``allowed`` (T, J)."""
    beyond = size > allowed + ROUNDING[quantity]
    for joint in np.flatnonzero(beyond.any(axis=0)):
        command = int(np.argmax(beyond[:, joint]))
        found.breaches.append(
            Breach(
                command,
                bounds.joints[joint],
                quantity,
                float(size[command, joint]),
                float(allowed[command, joint]),
            )
        )
    # Where hardly anything is allowed, a share says nothing.
    counted = allowed > 1e-3
    if counted.any():
        found.used[quantity] = max(found.used[quantity], float((size[counted] / allowed[counted]).max()))
