"""The scripted expert: the path a hand takes from any state of the task to its end.

A path is a curve without a clock. It is cut into phases at the moments the gripper opens or closes; within a phase its
corners are rounded, at a grasp or a release it turns sharply.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fr3_sim.layout import BLOCK_HALF_SIZE

NOTHING = -1
"""Carried-block index of an empty hand."""

APPROACH_HEIGHT = 0.12
"""TCP height from which the hand goes straight down to a block [m]."""

CLEARANCE_HEIGHT = 0.10
"""A hand lower than this rises to it before it moves sideways [m]."""

GRASP_HEIGHT = 0.018
"""TCP height at a grasp [m]: just below the block's middle."""

CARRY_HEIGHT = 0.16
"""TCP height on the way to the zone [m]."""

RETREAT_HEIGHT = 0.14
"""TCP height at the end, above the placed block [m]."""

RELEASE_GAP = 0.003
"""A block is let go with its underside this far above the table [m]."""

LOWEST_TCP = 0.012
"""The TCP never goes lower than this [m]: the fingertips reach a centimetre below it."""

ALIGNED_DISTANCE = 0.012
"""A hand this close [m] sideways to its goal goes straight down."""

YAW_LENGTH = 0.08
"""A turn of one radian counts as this much path [m]."""

SAMPLE_SPACING = 0.004
"""Spacing of the path's samples [m]."""

ROUNDING_LENGTH = 0.05
"""Path length over which corners are averaged away [m]."""


@dataclass(frozen=True)
class HandPath:
    """A densely sampled path of the tool centre point, hand pointing down, in ``fr3_link0``.

    Attributes:
        positions: (K, 3) [m].
        yaws: (K,) [rad].
        carried: (K,) index of the block in the hand at each sample, ``NOTHING`` for none.
        lengths: (K,) path length from the start [m].
    """

    positions: NDArray[np.float64]
    yaws: NDArray[np.float64]
    carried: NDArray[np.int64]
    lengths: NDArray[np.float64]

    @property
    def length(self) -> float:
        """Length of the whole path [m]."""
        return float(self.lengths[-1])

    def resampled(self, step: float, count: int) -> HandPath:
        """``count`` + 1 samples every ``step`` [m] of path; past the end the hand rests at the end."""
        at = np.minimum(np.arange(count + 1) * step, self.length)
        positions = np.column_stack(
            [np.interp(at, self.lengths, self.positions[:, axis]) for axis in range(3)]
        )
        index = np.searchsorted(self.lengths, at, side="left").clip(max=len(self.lengths) - 1)
        return HandPath(positions, np.interp(at, self.lengths, self.yaws), self.carried[index], at)


@dataclass(frozen=True)
class TaskState:
    """What the expert has to know of the world, in ``fr3_link0``.

    Attributes:
        tcp_position: (3,) [m].
        tcp_yaw: [rad].
        held: Index of the block in the hand, ``NOTHING`` for none.
        block_positions: (2, 3) block centres [m].
        block_yaws: (2,) [rad].
        zone_positions: (2, 2) [m].
    """

    tcp_position: NDArray[np.float64]
    tcp_yaw: float
    held: int
    block_positions: NDArray[np.float64]
    block_yaws: NDArray[np.float64]
    zone_positions: NDArray[np.float64]

    def is_placed(self, block: int, zone: int) -> bool:
        """The block lies in the zone and no hand holds it."""
        offset = np.linalg.norm(self.block_positions[block][:2] - self.zone_positions[zone])
        low = self.block_positions[block][2] < BLOCK_HALF_SIZE + 0.01
        return bool(self.held != block and offset < 0.035 and low)


def square_yaw(yaw: float) -> float:
    """The turn nearest to zero [rad] at which a square block looks the same."""
    return (yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4


def expert_path(state: TaskState, block: int, zone: int) -> HandPath:
    """The hand's path from ``state`` until ``block`` lies in ``zone`` and the hand is clear of it."""
    phases = _Phases(state.tcp_position, state.tcp_yaw)
    if state.is_placed(block, zone):
        if phases.height < RETREAT_HEIGHT:
            phases.rise_to(RETREAT_HEIGHT)
        return phases.path()
    if state.held == NOTHING:
        phases.approach(state.block_positions[block], square_yaw(state.block_yaws[block]))
        phases.carry(block)
        grip_height = state.block_positions[block][2] - GRASP_HEIGHT
    elif state.held == block:
        phases.carry(block)
        grip_height = state.block_positions[block][2] - state.tcp_position[2]
    else:
        held = state.held
        phases.carry(held)
        phases.lower_to(
            BLOCK_HALF_SIZE + RELEASE_GAP - (state.block_positions[held][2] - state.tcp_position[2])
        )
        phases.carry(NOTHING)
        phases.rise_to(APPROACH_HEIGHT)
        phases.approach(state.block_positions[block], square_yaw(state.block_yaws[block]))
        phases.carry(block)
        grip_height = state.block_positions[block][2] - GRASP_HEIGHT
    phases.transport(state.zone_positions[zone], BLOCK_HALF_SIZE + RELEASE_GAP - grip_height)
    phases.carry(NOTHING)
    phases.rise_to(RETREAT_HEIGHT)
    return phases.path()


class _Phases:
    """Builds a path from way points, phase by phase."""

    def __init__(self, position: NDArray[np.float64], yaw: float) -> None:
        self._points = [np.append(position, yaw)]
        self._carried = NOTHING
        self._done: list[tuple[NDArray[np.float64], int]] = []

    @property
    def height(self) -> float:
        return float(self._points[-1][2])

    def approach(self, block_position: NDArray[np.float64], yaw: float) -> None:
        here = self._points[-1]
        above = np.linalg.norm(here[:2] - block_position[:2])
        if above > ALIGNED_DISTANCE:
            if here[2] < CLEARANCE_HEIGHT - 0.01:
                self.rise_to(CLEARANCE_HEIGHT)
            height = float(np.clip(self.height, CLEARANCE_HEIGHT, APPROACH_HEIGHT))
            self._to(block_position[0], block_position[1], height, yaw)
        self._to(block_position[0], block_position[1], GRASP_HEIGHT, yaw)

    def transport(self, zone_position: NDArray[np.float64], release_height: float) -> None:
        here = self._points[-1]
        x, y = zone_position
        if np.linalg.norm(here[:2] - zone_position) > ALIGNED_DISTANCE:
            if here[2] < CARRY_HEIGHT - 0.03:
                self.rise_to(CARRY_HEIGHT)
            self._to(x, y, max(self.height, CARRY_HEIGHT), here[3])
        self._to(x, y, max(release_height, LOWEST_TCP), here[3])

    def rise_to(self, height: float) -> None:
        x, y, _, yaw = self._points[-1]
        self._to(x, y, height, yaw)

    lower_to = rise_to

    def carry(self, block: int) -> None:
        """The gripper closes on ``block`` or opens (``NOTHING``): a phase ends here."""
        if len(self._points) > 1:
            self._done.append((np.array(self._points), self._carried))
            self._points = self._points[-1:]
        self._carried = block

    def path(self) -> HandPath:
        if len(self._points) > 1 or not self._done:
            self._done.append((np.array(self._points), self._carried))
        pieces = [_rounded(points) for points, _ in self._done]
        samples = np.concatenate([pieces[0][:1], *[piece[1:] for piece in pieces]])
        carried = np.concatenate(
            [
                np.full(1, self._done[0][1]),
                *[np.full(len(p) - 1, c) for p, (_, c) in zip(pieces, self._done, strict=True)],
            ]
        )
        return HandPath(samples[:, :3], samples[:, 3], carried, _lengths(samples))

    def _to(self, x: float, y: float, z: float, yaw: float) -> None:
        self._points.append(np.array([x, y, z, yaw]))


def _lengths(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.diff(samples, axis=0)
    moved = np.maximum(np.linalg.norm(steps[:, :3], axis=1), YAW_LENGTH * np.abs(steps[:, 3]))
    return np.concatenate([[0.0], np.cumsum(moved)])


def _rounded(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dense samples along a polyline of (x, y, z, yaw) with averaged corners; its ends stay where they are."""
    lengths = _lengths(points)
    if lengths[-1] < SAMPLE_SPACING:
        return points[[0, -1]] if len(points) > 1 else points
    count = int(np.ceil(lengths[-1] / SAMPLE_SPACING))
    at = np.linspace(0.0, lengths[-1], count + 1)
    # A way point that repeats the one before it would make the interpolation ambiguous.
    keep = np.concatenate([[True], np.diff(lengths) > 1e-9])
    dense = np.column_stack([np.interp(at, lengths[keep], points[keep, axis]) for axis in range(4)])
    half = min(int(ROUNDING_LENGTH / SAMPLE_SPACING / 2), count)
    if half < 1:
        return dense
    # Continuing the curve point-symmetrically beyond its ends keeps the ends, and straight ends straight.
    before = 2 * dense[0] - dense[half:0:-1]
    after = 2 * dense[-1] - dense[-2 : -half - 2 : -1]
    padded = np.concatenate([before, dense, after])
    kernel = np.full(2 * half + 1, 1.0 / (2 * half + 1))
    return np.column_stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in range(4)])
