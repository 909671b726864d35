"""Where the tool centre point may go, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.path_timing import PathSpeed

FloatArray = NDArray[np.float64]


class WorkspaceError(ValueError):
    """The box or the speeds are none."""


@dataclass(frozen=True)
class Workspace:
    """A box for the tool centre point in the base frame, and the speed inside it.

    Attributes:
        lower: (x, y, z) [m]. Its z is the last guard over the table: no estimate of a surface goes below it.
        upper: (x, y, z) [m].
        speed: Speed along a path [m/s].
        acceleration: Acceleration along a path [m/s²].
        jerk: Jerk along a path [m/s³].
        turning_speed: Speed of rotation [rad/s].
        table_height: Height of the table that the arm keeps clear of, and that is assumed where no image shows it [m];
            None = so far below ``lower`` that the lowest grasp is at it.
    """

    lower: tuple[float, float, float] = (0.25, -0.40, 0.012)
    upper: tuple[float, float, float] = (0.75, 0.40, 0.55)
    speed: float = 0.30
    acceleration: float = 1.5
    jerk: float = 15.0
    turning_speed: float = 1.2
    table_height: float | None = None

    def __post_init__(self) -> None:
        if not all(low < high for low, high in zip(self.lower, self.upper, strict=True)):
            raise WorkspaceError(
                f"workspace lower corner {self.lower} must lie below its upper corner {self.upper}"
            )
        speeds = (self.speed, self.acceleration, self.jerk, self.turning_speed)
        if min(speeds) <= 0.0:
            raise WorkspaceError(f"workspace speeds must be positive, got {speeds}")

    def path_speed(self, speed: float | None = None) -> PathSpeed:
        """Bounds along a path, at ``speed`` [m/s] where one is given."""
        return PathSpeed(self.speed if speed is None else speed, self.acceleration, self.jerk)

    @property
    def metres_per_radian(self) -> float:
        """Path length that takes as long as a turn of one radian [m/rad]."""
        return self.speed / self.turning_speed

    def clamp(self, positions: FloatArray) -> FloatArray:
        """``positions`` (..., 3) [m] moved into the box."""
        return np.clip(positions, self.lower, self.upper)

    def clamp_from(self, start: FloatArray, positions: FloatArray) -> FloatArray:
        """Like ``clamp`` for a path (K, 3) or a place (3,) [m] that is reached from ``start`` (3,) [m].

        From a start outside of the box the path comes in without a jump: it may be as far outside as the start is,
        less the way it has gone.
        """
        steps = np.diff(np.vstack([start, positions]), axis=0)
        gone = np.cumsum(np.linalg.norm(steps, axis=1))[:, None]
        below = np.maximum(np.maximum(np.subtract(self.lower, start), 0.0) - gone, 0.0)
        above = np.maximum(np.maximum(np.subtract(start, self.upper), 0.0) - gone, 0.0)
        return np.clip(positions, np.subtract(self.lower, below), np.add(self.upper, above)).reshape(
            np.shape(positions)
        )
