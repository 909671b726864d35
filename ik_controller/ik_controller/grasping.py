"""When the fingers close and open, read from the traces, which carry no gripper signal.

Two witnesses are fused. *Co-motion*: at a grasp a point that stood still begins to move with the hand, at a release one
that moved with the hand stops; the step is the least-squares change point. *Turn-around*: the hand comes down, and
goes up again; the step is the lowest one. Where both speak of nearly the same step, the turn-around has it, because
it is the sharper one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class EventKind(StrEnum):
    """What happens to the fingers."""

    GRASP = "grasp"
    RELEASE = "release"


@dataclass(frozen=True)
class GraspEvent:
    """A predicted grasp or release.

    Attributes:
        kind: Which of the two.
        step: Trace step at which it happens.
        witness: ``co-motion``, ``turn-around`` or ``both``.
        confidence: 0..1; for co-motion the share of the motion that the change point explains.
    """

    kind: EventKind
    step: int
    witness: str
    confidence: float


@dataclass(frozen=True)
class EventConfig:
    """Thresholds of the witnesses.

    Attributes:
        moved_distance: A point that ends at least this far from its start has been moved [m].
        explained_at_grasp: Least share of the squared motion a grasp's change point must explain.
        explained_at_release: Likewise for a release, against "moves with the hand to the end".
        dip_descent: A turn-around counts only after this much descent [m], or a lift after a grasp reads as a release.
        dip_rise: ... and before this much rise [m].
        dip_height: ... and where the hand is at most this high over the surface below [m]: learned traces turn too
            early.
        fusion_steps: Witnesses this near to each other speak of the same event [steps].
        lowest_window: Co-motion tells the moment to within this; the lowest step around it is taken [steps].
        object_reach: Points that may be in the fingers lie within this distance of the tool centre point [m].
    """

    moved_distance: float = 0.02
    explained_at_grasp: float = 0.5
    explained_at_release: float = 0.4
    dip_descent: float = 0.015
    dip_rise: float = 0.02
    dip_height: float = 0.13
    fusion_steps: int = 4
    lowest_window: int = 6
    object_reach: float = 0.055


def find_event(
    hand_positions: FloatArray,
    other_points: FloatArray,
    heights: FloatArray,
    holding: bool,
    config: EventConfig,
) -> GraspEvent | None:
    """The next grasp (fingers empty) or release (holding) in the traces, or None.

    Args:
        hand_positions: (K + 1, 3) path of the tool centre point [m, base frame].
        other_points: (K + 1, M, 3) traces of points that may be on an object [m, base frame], not on the robot.
        heights: (K + 1,) height of the tool centre point over the surface below it [m].
        holding: Something is in the fingers.
        config: Thresholds.
    """
    kind = EventKind.RELEASE if holding else EventKind.GRASP
    if len(hand_positions) < 3:
        return None
    turn = find_turn_around(hand_positions[:, 2], heights, config)
    change = (
        release_change_point(hand_positions, other_points, config)
        if holding
        else grasp_change_point(hand_positions, other_points, config)
    )
    if change is not None and turn is not None and abs(change[0] - turn) <= config.fusion_steps:
        return GraspEvent(kind, turn, "both", change[1])
    if change is not None:
        # Traces that blur the moment still agree that it is where the hand is lowest.
        step = _lowest_near(hand_positions[:, 2], change[0], config.lowest_window)
        if heights[step] <= config.dip_height:
            return GraspEvent(kind, step, "co-motion", change[1])
    if turn is not None:
        return GraspEvent(kind, turn, "turn-around", 0.5)
    return None


def find_turn_around(hand_z: FloatArray, heights: FloatArray, config: EventConfig) -> int | None:
    """The first step at which the hand is lowest between a descent and a rise, low enough to be at an object.

    Args:
        hand_z: (K + 1,) height of the tool centre point [m, base frame].
        heights: (K + 1,) height over the surface below [m].
        config: Thresholds.
    """
    highest, lowest, step = hand_z[0], hand_z[0], 0
    for k, z in enumerate(hand_z):
        if z < lowest:
            lowest, step = z, k
        deep = highest - lowest >= config.dip_descent
        if deep and z - lowest >= config.dip_rise and heights[step] <= config.dip_height:
            return step
        if not deep and z > highest:
            highest, lowest, step = z, z, k
        elif deep and z - lowest >= config.dip_rise:
            # A turn-around high in the air is none: start over from here.
            highest, lowest, step = z, z, k
    return None


def grasp_change_point(
    hand_positions: FloatArray, points: FloatArray, config: EventConfig
) -> tuple[int, float] | None:
    """Step at which points that stood begin to move with the hand, and how much of their motion that explains."""
    moves = _displacements(points)
    moves = moves[:, np.linalg.norm(moves[-3:].mean(axis=0), axis=-1) > config.moved_distance]
    if moves.shape[1] == 0:
        return None
    still = _sums(np.square(moves).sum(axis=-1))
    # After a grasp at step k, a point's displacement is the hand's since k.
    errors = np.empty(len(moves) - 1)
    for k in range(len(errors)):
        riding = moves[k:] - (hand_positions[k:] - hand_positions[k])[:, None]
        errors[k] = still[k] + np.square(riding).sum()
    step = int(np.argmin(errors))
    explained = 1.0 - float(errors[step] / still[-1])
    return (step, explained) if explained >= config.explained_at_grasp else None


def release_change_point(
    hand_positions: FloatArray, points: FloatArray, config: EventConfig
) -> tuple[int, float] | None:
    """Step at which points in the fingers stop moving with the hand, and how much better that explains their motion."""
    near = np.linalg.norm(points[0] - hand_positions[0], axis=-1) < config.object_reach
    moves = _displacements(points[:, near])
    if moves.shape[1] == 0:
        return None
    hand = hand_positions - hand_positions[0]
    riding = _sums(np.square(moves - hand[:, None]).sum(axis=-1))
    errors = np.array([riding[k] + np.square(moves[k:] - hand[k]).sum() for k in range(len(moves))])
    step = int(np.argmin(errors))
    if step >= len(moves) - 2 or errors[-1] <= 0.0:
        return None
    explained = 1.0 - float(errors[step] / errors[-1])
    return (step, explained) if explained >= config.explained_at_release else None


def _lowest_near(hand_z: FloatArray, step: int, window: int) -> int:
    first = max(0, step - window)
    return first + int(np.argmin(hand_z[first : step + window + 1]))


def _displacements(points: FloatArray) -> FloatArray:
    """(K + 1, M', 3) displacement from the start of the points that are valid throughout [m]."""
    valid = np.isfinite(points).all(axis=(0, 2))
    return points[:, valid] - points[0, valid]


def _sums(per_point: FloatArray) -> FloatArray:
    """(K + 1,) squared error of all points up to and including each step."""
    return np.cumsum(per_point.sum(axis=1))
