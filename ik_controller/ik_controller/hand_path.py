"""Curves for the tool centre point: arc lengths, joining a curve under way, straight moves with rounded corners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller import so3
from ik_controller.hand_orientation import OrientationFreedom, allowed_rotations

FloatArray = NDArray[np.float64]

WAYPOINT_SPACING = 0.02
"""Distance between the waypoints handed to inverse kinematics [m]."""

CORNER_LENGTH = 0.03
"""Path length over which a corner is averaged away [m]."""

SAMPLE_SPACING = 0.005
"""Distance between the samples of a straight move before its corners are rounded [m]."""

LEAST_STEP = 1e-5
"""Waypoints nearer to each other than this are one [m]."""

SHORTEST_PATH = 1e-3
"""A path shorter than this leads nowhere [m]."""


@dataclass(frozen=True)
class HandPath:
    """Where the tool centre point goes.

    Attributes:
        positions: (K, 3) [m, base frame].
        rotations: (K, 3, 3) orientation of the hand in the base frame.
        lengths: (K,) arc length, increasing from 0 [m]; a turn counts as the path that takes as long.
    """

    positions: FloatArray
    rotations: FloatArray
    lengths: FloatArray

    @property
    def length(self) -> float:
        """Arc length of the whole path [m]."""
        return float(self.lengths[-1])

    def thinned(self, spacing: float = WAYPOINT_SPACING) -> HandPath:
        """The same path with waypoints ``spacing`` [m] apart at least; its ends stay."""
        kept = [0]
        for index in range(1, len(self.lengths)):
            if self.lengths[index] - self.lengths[kept[-1]] >= spacing:
                kept.append(index)
        last = len(self.lengths) - 1
        if kept[-1] != last:
            if len(kept) > 1 and self.lengths[last] - self.lengths[kept[-1]] < spacing / 2:
                kept.pop()
            kept.append(last)
        return HandPath(self.positions[kept], self.rotations[kept], self.lengths[kept])

    def nearest_length(self, point: FloatArray, longest: float) -> float:
        """Arc length, at most ``longest`` [m], at which the path passes nearest to ``point`` (3,) [m]."""
        start, step = self.positions[:-1], np.diff(self.positions, axis=0)
        square = np.maximum(np.square(step).sum(axis=1), 1e-12)
        share = np.clip(((point - start) * step).sum(axis=1) / square, 0.0, 1.0)
        distance = np.linalg.norm(start + share[:, None] * step - point, axis=1)
        length = self.lengths[:-1] + share * np.diff(self.lengths)
        distance[self.lengths[:-1] > longest] = np.inf
        return float(min(length[np.argmin(distance)], longest))


def path_through(positions: FloatArray, rotations: FloatArray, metres_per_radian: float) -> HandPath | None:
    """A path through ``positions`` (K, 3) [m] and ``rotations`` (K, 3, 3); None where it does not lead anywhere.

    Args:
        positions: Waypoints; repeated ones are merged.
        rotations: Orientation of the hand at each.
        metres_per_radian: Path length that a turn of one radian counts as [m/rad].
    """
    steps = np.maximum(
        np.linalg.norm(np.diff(positions, axis=0), axis=1),
        metres_per_radian * so3.angles_between(rotations[:-1], rotations[1:]),
    )
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    kept = np.concatenate([[True], np.diff(lengths) > LEAST_STEP])
    if kept.sum() < 2 or lengths[-1] < SHORTEST_PATH:
        return None
    return HandPath(positions[kept], rotations[kept], lengths[kept])


def straight_moves(
    corners: list[FloatArray],
    rotations: list[FloatArray],
    freedom: OrientationFreedom,
    metres_per_radian: float,
) -> HandPath | None:
    """Straight lines through ``corners`` with rounded corners; None where all corners coincide.

    Between two corners the hand turns along the rotation vector from the first orientation,
    R(s) = R_0 exp(v(s)), with v linear from corner to corner and rounded as the positions are.

    Args:
        corners: Each (3,) [m, base frame].
        rotations: Wanted orientation (3, 3) at each; the first one is the present one.
        freedom: How much of them is obeyed.
        metres_per_radian: Path length that a turn of one radian counts as [m/rad].
    """
    wanted = np.array(rotations)
    coarse = path_through(np.array(corners), wanted, metres_per_radian)
    if coarse is None:
        return None
    first = coarse.rotations[0]
    at = np.linspace(0.0, coarse.length, max(2, int(np.ceil(coarse.length / SAMPLE_SPACING)) + 1))
    table = np.column_stack([coarse.positions, so3.log(first.T @ coarse.rotations)])
    dense = np.column_stack([np.interp(at, coarse.lengths, column) for column in table.T])
    half = int(CORNER_LENGTH / SAMPLE_SPACING / 2)
    rounded = dense.copy()
    for row in range(1, len(dense) - 1):
        window = min(half, row, len(dense) - 1 - row)
        rounded[row] = dense[row - window : row + window + 1].mean(axis=0)
    positions = rounded[:, :3]
    turned = allowed_rotations(freedom, positions, first @ so3.exp(rounded[:, 3:]))
    return path_through(positions, turned, metres_per_radian)
