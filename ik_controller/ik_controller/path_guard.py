"""Slower where the path ahead leads towards a singularity or a collision, and no further than either.

The share of the speed that may be used at a waypoint falls linearly from 1 to ``least_scale`` between where a measure
x is far enough and where the path has to end, and is 0 beyond:

    scale = 1 - (1 - least) * clip((x - x_far) / (x_end - x_far), 0, 1)

for the Jacobian's condition number (x grows towards a singularity) and for the distances of the arm to itself and to
the scene (x shrinks). Only what gets worse along the path counts: an arm that stands in such a place may leave it, at
full speed. Where inverse kinematics ends the path at a margin, that end comes slowly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.collision_model import CollisionMargins
from ik_controller.gates import Gate, Shut
from ik_controller.inverse_kinematics import SolvedPath

FloatArray = NDArray[np.float64]

TOLERANCE = 1e-9
"""A measure that differs by less from that at the path's start has not become worse."""


@dataclass(frozen=True)
class PathGuardConfig:
    """Where the arm slows down, and where its path ends.

    Attributes:
        slow_condition: From this condition number of the Jacobian on the hand slows down ...
        end_condition: ... and it goes no further than this one.
        slow_self_m: The hand slows down where parts of the arm come nearer to each other than this, down to the
            margin that inverse kinematics keeps [m].
        slow_scene_m: The hand slows down where the arm, but for its fingers, comes nearer to the table than this,
            down to the margin that inverse kinematics keeps [m].
        least_scale: Share of the speed that is left just before the end.

    Raises:
        ValueError: The hand would slow down beyond the end, or to more than its speed.
    """

    slow_condition: float = 17.0
    end_condition: float = 30.0
    slow_self_m: float = 0.03
    slow_scene_m: float = 0.04
    least_scale: float = 0.15

    def __post_init__(self) -> None:
        if not (self.slow_condition < self.end_condition and 0.0 < self.least_scale <= 1.0):
            raise ValueError(f"expected slow_condition < end_condition and least_scale in (0, 1], got {self}")

    def check_margins(self, margins: CollisionMargins) -> None:
        """Whether the hand slows down before the distances at which its path ends.

        Raises:
            ValueError: It does not.
        """
        for name, slow, end in (
            ("self_m", self.slow_self_m, margins.self_m),
            ("scene_m", self.slow_scene_m, margins.scene_m),
        ):
            if end >= slow:
                raise ValueError(f"the margin {name} = {end:g} m must be less than slow_{name} = {slow:g} m")


def scale_along(solved: SolvedPath, config: PathGuardConfig, margins: CollisionMargins | None) -> FloatArray:
    """(K,) share of the speed that may be used at each waypoint of ``solved``, 0 where the path ends before it.

    ``margins`` are those that ``solved`` keeps; None where it keeps none.
    """
    if not len(solved.joints):
        return np.zeros(0)
    conditions = np.where(np.isfinite(solved.conditions), solved.conditions, np.inf)
    scale = _falling(conditions, config.slow_condition, config.end_condition, config.least_scale)
    scale[conditions >= config.end_condition] = 0.0
    scale[conditions <= conditions[0] + TOLERANCE] = 1.0
    if margins is None:
        return scale
    for distances, far, end in (
        ([clearance.self_m for clearance in solved.clearances], config.slow_self_m, margins.self_m),
        ([clearance.scene_m for clearance in solved.clearances], config.slow_scene_m, margins.scene_m),
    ):
        if distances:
            nearness = -np.array(distances)
            near = _falling(nearness, -far, -end, config.least_scale)
            near[nearness <= nearness[0] + TOLERANCE] = 1.0
            scale = np.minimum(scale, near)
    return scale


def end_of_path(solved: SolvedPath, scale: FloatArray) -> tuple[int, Shut | None]:
    """How many waypoints of ``solved`` may be followed under ``scale`` (K,), and what ends the path there, or None."""
    ends = np.flatnonzero(scale <= 0.0)
    if len(ends):
        first = int(ends[0])
        condition = solved.conditions[first]
        return first, Shut(
            Gate.SINGULARITY, f"waypoint {first} is singular (condition number {condition:.0f})"
        )
    if solved.shortened_because is None:
        return len(solved.joints), None
    return len(solved.joints), Shut(solved.shortened_by or Gate.OUT_OF_REACH, solved.shortened_because)


def _falling(x: FloatArray, far: float, end: float, least: float) -> FloatArray:
    """1 up to ``far``, ``least`` from ``end`` on, linear in between."""
    finite = np.clip(x, far, end)
    return 1.0 - (1.0 - least) * (finite - far) / (end - far)
