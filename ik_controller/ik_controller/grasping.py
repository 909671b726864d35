"""When the fingers close and open. Traces carry no gripper signal, so the moment is read from what moves with the hand.

Two witnesses are fused. *Co-motion*: at a grasp a point that stood still begins to move with the hand, at a release one
that moved with the hand stops. With the hand's pose (p_k, R_k) at step k, a point that is taken at step g goes

    x_k = x_0  for k < g,        x_k = p_k + R_k R_g^T (x_0 - p_g)  for k >= g,

and one that is let go the other way round; the step is the change point with the least squared error. *Turn-around*:
the hand comes down, and goes up again; the step is the lowest one. Where both speak of nearly the same place on the
path, the turn-around has it, because it is the sharper one.

Traces have no clock, so everything here is in metres along the hand's path, whatever the length of a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ik_controller.gripper_signal import GripperSignal

FloatArray = NDArray[np.float64]


HELD_OBJECT_REACH = 0.055
"""A point on a held object is not farther than this from the tool centre point [m]."""


class EventKind(StrEnum):
    """What happens to the fingers."""

    GRASP = "grasp"
    RELEASE = "release"


class Witness(StrEnum):
    """What tells an event."""

    CO_MOTION = "co-motion"
    TURN_AROUND = "turn-around"
    BOTH = "both"
    SIGNAL = "signal"


@dataclass(frozen=True)
class GraspEvent:
    """A predicted grasp or release.

    Attributes:
        kind: Which of the two.
        step: Trace step at which it happens.
        witness: What tells it.
        confidence: 0..1; for co-motion the share of the motion that the change point explains.
    """

    kind: EventKind
    step: int
    witness: Witness
    confidence: float


@dataclass(frozen=True)
class MovingScene:
    """What is known about hand and objects along a trace.

    Attributes:
        hand_positions: (K + 1, 3) path of the tool centre point [m, base frame].
        hand_rotations: (K + 1, 3, 3) turn of the hand since row 0.
        points: (K + 1, M, 3) traces of points that may be on an object [m, base frame], not on the robot.
        heights: (K + 1,) height of the tool centre point over the surface below it [m].
        holding: Something is in the fingers.
        stamp_s: When that is [s].
        signal: What somebody else says about the fingers; None where nobody does.
    """

    hand_positions: FloatArray
    hand_rotations: FloatArray
    points: FloatArray
    heights: FloatArray
    holding: bool
    stamp_s: float = 0.0
    signal: GripperSignal | None = None

    @property
    def lengths(self) -> FloatArray:
        """(K + 1,) length of the hand's path up to each step [m]."""
        steps = np.linalg.norm(np.diff(self.hand_positions, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])


class EventSource(Protocol):
    """Tells when fingers close and open: ``MotionEvents``, ``SignalEvents``, or whatever takes their place."""

    def next_event(self, scene: MovingScene) -> GraspEvent | None:
        """The next grasp (fingers empty) or release (holding) along the path, or None."""


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
        fusion_length: Witnesses this near to each other on the path speak of the same event [m].
        lowest_window: Co-motion tells the place on the path to within this; the lowest one around it is taken [m].
        end_length: Where a point ends is its mean over the last part of the path of this length [m].
        left_length: A point let go is seen to stay for at least this length of path [m].
        object_reach: Points that may be in the fingers lie within this distance of the tool centre point [m].
    """

    moved_distance: float = 0.02
    explained_at_grasp: float = 0.5
    explained_at_release: float = 0.4
    dip_descent: float = 0.015
    dip_rise: float = 0.02
    dip_height: float = 0.13
    fusion_length: float = 0.055
    lowest_window: float = 0.08
    end_length: float = 0.03
    left_length: float = 0.02
    object_reach: float = HELD_OBJECT_REACH


@dataclass(frozen=True)
class MotionEvents:
    """Events from motion alone, by ``find_event``."""

    config: EventConfig

    def next_event(self, scene: MovingScene) -> GraspEvent | None:
        """See ``EventSource``."""
        return find_event(scene, self.config)


def find_event(scene: MovingScene, config: EventConfig) -> GraspEvent | None:
    """The next grasp (fingers empty) or release (holding) in the traces, or None."""
    kind = EventKind.RELEASE if scene.holding else EventKind.GRASP
    heights_in_base = scene.hand_positions[:, 2]
    if len(heights_in_base) < 3:
        return None
    turn = find_turn_around(heights_in_base, scene.heights, config)
    change = (release_change_point if scene.holding else grasp_change_point)(scene, config)
    lengths = scene.lengths
    if change is not None and turn is not None:
        apart = abs(float(lengths[change[0]] - lengths[turn]))
        if apart <= config.fusion_length:
            return GraspEvent(kind, turn, Witness.BOTH, change[1])
    if change is not None:
        # Traces that blur the moment still agree that it is where the hand is lowest.
        near = np.abs(lengths - lengths[change[0]]) <= config.lowest_window
        step = int(np.argmin(np.where(near, heights_in_base, np.inf)))
        if scene.heights[step] <= config.dip_height:
            return GraspEvent(kind, step, Witness.CO_MOTION, change[1])
    if turn is not None:
        return GraspEvent(kind, turn, Witness.TURN_AROUND, 0.5)
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


def grasp_change_point(scene: MovingScene, config: EventConfig) -> tuple[int, float] | None:
    """Step at which points that stood begin to move with the hand, and how much of their motion that explains."""
    points = _valid_throughout(scene.points)
    lengths = scene.lengths
    ends = (points[lengths >= lengths[-1] - config.end_length] - points[0]).mean(axis=0)
    points = points[:, np.linalg.norm(ends, axis=-1) > config.moved_distance]
    if points.shape[1] == 0:
        return None
    still = np.cumsum(np.square(points - points[0]).sum(axis=(1, 2)))
    # A carried point rests in the hand, where it was at the grasp.
    in_hand = _in_hand(scene, points)
    taken = _in_hand(scene, np.broadcast_to(points[0], points.shape))
    errors = (still + _errors_from(in_hand, taken))[:-1]
    step = int(np.argmin(errors))
    explained = 1.0 - float(errors[step] / still[-1])
    return (step, explained) if explained >= config.explained_at_grasp else None


def release_change_point(scene: MovingScene, config: EventConfig) -> tuple[int, float] | None:
    """Step at which points in the fingers stop moving with the hand, and how much better that explains their motion."""
    start = scene.points[0] - scene.hand_positions[0]
    with np.errstate(invalid="ignore"):
        near = np.linalg.norm(start, axis=-1) < config.object_reach
    points = _valid_throughout(scene.points[:, near])
    if points.shape[1] == 0:
        return None
    in_hand = _in_hand(scene, points)
    carried = in_hand[0] @ np.swapaxes(scene.hand_rotations, 1, 2) + scene.hand_positions[:, None]
    riding = np.cumsum(np.square(points - carried).sum(axis=(1, 2)))
    errors = riding + _errors_from(points, carried)
    step = int(np.argmin(errors))
    lengths = scene.lengths
    if lengths[-1] - lengths[step] < config.left_length or errors[-1] <= 0.0:
        return None
    explained = 1.0 - float(errors[step] / errors[-1])
    return (step, explained) if explained >= config.explained_at_release else None


def _in_hand(scene: MovingScene, points: FloatArray) -> FloatArray:
    """(K + 1, M, 3) ``points`` (K + 1, M, 3) [m] as the hand sees them: about its centre, turned back by its turn."""
    return (points - scene.hand_positions[:, None]) @ scene.hand_rotations


def _errors_from(points: FloatArray, places: FloatArray) -> FloatArray:
    """(K + 1,) sum over steps j >= k and points of |points_j - places_k|^2 [m²], for (K + 1, M, 3) of both.

    Expanded into sums from the end, |places_k|^2 (K + 1 - k) - 2 places_k sum_j points_j + sum_j |points_j|^2.
    """
    origin = points[-1]
    points, places = points - origin, places - origin
    sums = np.cumsum(points[::-1], axis=0)[::-1]
    squares = np.cumsum(np.square(points).sum(axis=(1, 2))[::-1])[::-1]
    counts = np.arange(len(points), 0, -1)
    errors = counts * np.square(places).sum(axis=(1, 2)) - 2.0 * (places * sums).sum(axis=(1, 2)) + squares
    return np.maximum(errors, 0.0)


def _valid_throughout(points: FloatArray) -> FloatArray:
    """The points that are valid at every step, (K + 1, M', 3)."""
    return points[:, np.isfinite(points).all(axis=(0, 2))]
