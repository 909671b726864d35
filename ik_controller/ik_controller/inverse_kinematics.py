"""Joint positions along a path of hand poses, each waypoint warm-started from the one before.

Every iteration takes the step that ``constrained_step`` describes: damped least squares on the pose error, with a pull
(``null_space_pull``) in what freedom remains, inside the joint limits and clear of collisions. Most waypoints meet
no inequality and take the closed form. A waypoint whose solution comes too near to something is solved once more,
with the distances as constraints from its first step on.

An arm that starts nearer to something than the margin keeps that distance instead: it may leave, and never comes
nearer. A waypoint that cannot be reached ends the path, and says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from ik_controller.collision_model import TABLE, Clearance, CollisionMargins, CollisionModel, NearPair
from ik_controller.constrained_step import constrained_step, free_step
from ik_controller.gates import Gate, Shut
from ik_controller.null_space_pull import condition_of, manipulability_pull
from ik_controller.robot_model import RobotModel

FloatArray = NDArray[np.float64]

ACCEPTED = 5.0
"""A waypoint counts as reached within so many tolerances."""

STALLED_STEP = 1e-6
"""Steps shorter than this lead nowhere [rad]."""

NEAR = 0.05
"""Pairs count as near where they are so little further apart than their margin [m]."""

CLEARANCE_TOLERANCE = 5e-4
"""A solution may miss a margin by so much, which is what linearised distances leave [m]."""

FARTHEST = 100.0
"""No arm reaches further than this [m]."""

LARGEST_ENTRY = 1.001
"""No entry of a rotation matrix is larger."""

AT_LIMIT = 1e-6
"""A joint this near to its bound is at it [rad]."""


@dataclass(frozen=True)
class IkConfig:
    """Settings of the solver.

    Attributes:
        position_tolerance: A waypoint is reached within this [m].
        rotation_tolerance: ... and within this [rad].
        position_weight: Of the position error, where not everything can be had.
        rotation_weight: Of the rotation error.
        max_iterations: Iterations a waypoint may take ...
        guarded_iterations: ... and once more so many where collisions have to be avoided.
        damping: lambda of ``constrained_step``; small against the singular values met in the workspace.
        posture_gain: Share of the way to the posture taken per iteration, in the null space.
        limit_zone: Joints nearer to a limit than this are drawn away from it [rad] ...
        limit_gain: ... by this share of the way out per iteration.
        condition_from: From this condition number on the arm is drawn away from singularities ...
        manipulability_gain: ... by at most this per iteration [rad].
        max_step: Largest step of one iteration, over all joints [rad].
        limit_margin: Solutions keep this distance to the position limits [rad].
        margins: Distances that solutions keep to the arm itself and to the table; None for no such constraint.
    """

    position_tolerance: float = 2e-4
    rotation_tolerance: float = 2e-3
    position_weight: float = 1.0
    rotation_weight: float = 1.0
    max_iterations: int = 30
    guarded_iterations: int = 8
    damping: float = 3e-3
    posture_gain: float = 0.02
    limit_zone: float = 0.1
    limit_gain: float = 0.1
    condition_from: float = 17.0
    manipulability_gain: float = 0.02
    max_step: float = 0.3
    limit_margin: float = 0.02
    margins: CollisionMargins | None = field(default_factory=CollisionMargins)


@dataclass(frozen=True)
class SolvedPath:
    """Solutions along a path.

    Attributes:
        joints: (K, J) [rad] for the first K waypoints.
        position_error: Largest distance left [m].
        shortened_because: Why the path ends before its last waypoint, or None where it does not.
        conditions: (K,) condition number of the Jacobian at each.
        clearances: Of each, K in all; empty where distances were not asked for.
        shortened_by: The same as ``shortened_because``, by name.
    """

    joints: FloatArray
    position_error: float
    shortened_because: str | None
    conditions: FloatArray
    clearances: tuple[Clearance, ...]
    shortened_by: Gate | None = None


class _Pose(NamedTuple):
    """Joint positions with the hand's pose and Jacobian there."""

    joints: FloatArray
    position: FloatArray
    rotation: FloatArray
    jacobian: FloatArray


class _Attempt(NamedTuple):
    """Where the iterations towards one waypoint ended, with the distance [m] and the angle [rad] that remain."""

    pose: _Pose
    distance: float
    angle: float


def solve_path(
    robot: RobotModel,
    start_joints: FloatArray,
    positions: FloatArray,
    rotations: FloatArray,
    config: IkConfig,
    table_z: float | None = None,
) -> SolvedPath:
    """Joint positions for each waypoint until one cannot be reached.

    Args:
        robot: Kinematics, limits and shape.
        start_joints: (J,) joint positions to start from [rad].
        positions: (K, 3) tool centre points [m, base frame].
        rotations: (K, 3, 3) orientations.
        config: Settings.
        table_z: Height of the table [m, base frame]; None where there is none.
    """
    solver = _Solver(robot, config)
    end: Shut | None = None
    joints: list[FloatArray] = []
    conditions: list[float] = []
    clearances: list[Clearance] = []
    worst = 0.0
    if not np.isfinite(start_joints).all():
        end = Shut(Gate.OUT_OF_REACH, "the joint positions to start from are not finite")
        positions, rotations = positions[:0], rotations[:0]
    pose = solver.pose(robot.limits.clip(np.nan_to_num(start_joints), config.limit_margin))
    guard = None if config.margins is None else _Guard(robot.collision, config.margins, pose.joints, table_z)
    pull: FloatArray | None = None
    near_enough = _in_the_arm_s_world(positions, rotations)
    for index, (position, rotation) in enumerate(zip(positions, rotations, strict=True)):
        if not near_enough[index]:
            words = f"waypoint {index} is not a finite pose within {FARTHEST:.0f} m"
            end = Shut(Gate.OUT_OF_REACH, words)
            break
        attempt = solver.approach(pose, position, rotation, pull, None)
        if not solver.reached(attempt):
            words = f"{_place(index, position)} is out of reach: {solver.shortfall(attempt)}"
            end = Shut(Gate.OUT_OF_REACH, words)
            break
        if guard is not None:
            clearance = robot.collision.clearance(attempt.pose.joints, table_z)
            too_near = guard.too_near(attempt.pose.joints, clearance)
            if too_near is not None:
                attempt = solver.approach(pose, position, rotation, pull, guard)
                clearance = robot.collision.clearance(attempt.pose.joints, table_z)
                still = guard.too_near(attempt.pose.joints, clearance)
                if not solver.reached(attempt) or still is not None:
                    end = Shut(too_near.gate, f"{_place(index, position)} would bring {too_near.reason}")
                    break
            clearances.append(clearance)
        pose = attempt.pose
        worst = max(worst, attempt.distance)
        joints.append(pose.joints)
        conditions.append(condition_of(pose.jacobian))
        pull = solver.pull_from_singularity(pose, conditions[-1])
    return SolvedPath(
        np.array(joints).reshape(-1, robot.joint_count),
        worst,
        None if end is None else end.reason,
        np.array(conditions),
        tuple(clearances),
        None if end is None else end.gate,
    )


def solve_pose(
    robot: RobotModel, start_joints: FloatArray, position: FloatArray, rotation: FloatArray, config: IkConfig
) -> tuple[FloatArray, float, float]:
    """Joint positions (J,) [rad] for one hand pose inside the joint limits, whatever they collide with.

    Returns:
        Them, with the distance [m] and the angle [rad] that remain.
    """
    solver = _Solver(robot, config)
    start = solver.pose(robot.limits.clip(start_joints, config.limit_margin))
    attempt = solver.approach(start, position, rotation, None, None)
    return attempt.pose.joints, attempt.distance, attempt.angle


def _in_the_arm_s_world(positions: FloatArray, rotations: FloatArray) -> NDArray[np.bool_]:
    """(K,) the waypoint is finite, and so near that no computation with it overflows."""
    turns = np.abs(rotations).reshape(len(rotations), 9)
    return (np.abs(positions) <= FARTHEST).all(axis=1) & (turns <= LARGEST_ENTRY).all(axis=1)


def _place(index: int, position: FloatArray) -> str:
    return f"waypoint {index} at ({position[0]:.3f}, {position[1]:.3f}, {position[2]:.3f}) m"


class _Guard:
    """What keeps one path clear of collisions: margins, less where the arm starts nearer than that."""

    def __init__(
        self, model: CollisionModel, margins: CollisionMargins, start: FloatArray, table_z: float | None
    ) -> None:
        self._model = model
        self._margins = margins
        self._table_z = table_z
        self._relaxed: dict[tuple[int, int], float] = {}
        clearance = model.clearance(start, table_z)
        if self._clear(clearance, 0.0):
            return
        self._relaxed = {
            pair.shapes: pair.distance for pair in model.near(start, table_z, margins, within=0.0)
        }

    def near(self, joints: FloatArray, within: float) -> list[NearPair]:
        """Pairs nearer than what they must keep and ``within`` [m]."""
        pairs = self._model.near(joints, self._table_z, self._margins, within)
        if not self._relaxed:
            return pairs
        eased = [replace(pair, margin=self._relaxed.get(pair.shapes, pair.margin)) for pair in pairs]
        return [pair for pair in eased if pair.distance < pair.margin + within]

    def too_near(self, joints: FloatArray, clearance: Clearance) -> Shut | None:
        """Which pair comes too near; None where none does."""
        if self._clear(clearance, CLEARANCE_TOLERANCE):
            return None
        pairs = self.near(joints, -CLEARANCE_TOLERANCE)
        if not pairs:
            return None
        worst = min(pairs, key=lambda pair: pair.distance - pair.margin)
        return Shut(
            Gate.SCENE_COLLISION if TABLE in worst.pair else Gate.SELF_COLLISION,
            f"{worst.pair[0]} within {1000 * worst.distance:.0f} mm of {worst.pair[1]} "
            f"(at least {1000 * worst.margin:.0f} mm are kept)",
        )

    def _clear(self, clearance: Clearance, tolerance: float) -> bool:
        margins = self._margins
        return (
            clearance.self_m >= margins.self_m - tolerance
            and clearance.scene_m >= margins.scene_m - tolerance
            and clearance.fingers_m >= margins.fingers_m - tolerance
        )


class _Solver:
    """The iterations, with what stays the same over a path."""

    def __init__(self, robot: RobotModel, config: IkConfig) -> None:
        self._robot = robot
        self._config = config
        limits = robot.limits
        self._lower = limits.position_lower + config.limit_margin
        self._upper = limits.position_upper - config.limit_margin
        self._middle = (self._lower + self._upper) / 2
        self._reach = (self._upper - self._lower) / 2
        self._free_reach = self._reach - config.limit_zone
        self._to_posture = config.posture_gain * robot.posture
        weights = (config.position_weight, config.rotation_weight)
        self._weights = None if weights == (1.0, 1.0) else np.repeat(weights, 3)
        self._damping = config.damping**2 * np.eye(6)

    def pose(self, joints: FloatArray) -> _Pose:
        """The hand's pose and Jacobian at ``joints`` (J,) [rad]."""
        position, rotation, jacobian = self._robot.tcp_and_jacobian(joints)
        return _Pose(joints, position.copy(), rotation.copy(), jacobian)

    def approach(
        self,
        pose: _Pose,
        position: FloatArray,
        rotation: FloatArray,
        singular_pull: FloatArray | None,
        guard: _Guard | None,
    ) -> _Attempt:
        """Iterate from ``pose`` towards a waypoint; clear of collisions where there is a ``guard``."""
        config = self._config
        most = config.max_iterations if guard is None else config.guarded_iterations
        error = np.empty(6)
        for iteration in range(most + 1):
            error[:3] = position - pose.position
            error[3:] = pin.log3(rotation @ pose.rotation.T)
            distance, angle = _length(error[:3]), _length(error[3:])
            arrived = distance < config.position_tolerance and angle < config.rotation_tolerance
            if arrived or iteration == most:
                break
            joints = self._next(pose, error, singular_pull, guard)
            if joints is None:
                break
            pose = self.pose(joints)
        return _Attempt(pose, distance, angle)

    def reached(self, attempt: _Attempt) -> bool:
        """The attempt ended where it should."""
        config = self._config
        return (
            attempt.distance <= ACCEPTED * config.position_tolerance
            and attempt.angle <= ACCEPTED * config.rotation_tolerance
        )

    def shortfall(self, attempt: _Attempt) -> str:
        """What remains, and why, in words."""
        remains = f"{1000 * attempt.distance:.1f} mm and {np.degrees(attempt.angle):.1f} deg remain"
        at_limit = np.abs(attempt.pose.joints - self._middle) >= self._reach - AT_LIMIT
        names = [name for name, stopped in zip(self._robot.joint_names, at_limit, strict=True) if stopped]
        return f"{remains}, {' and '.join(names)} at the limit" if names else remains

    def pull_from_singularity(self, pose: _Pose, condition: float) -> FloatArray | None:
        """(J,) pull [rad] of the waypoint after ``pose``."""
        config = self._config
        pull = manipulability_pull(self._robot, pose.joints, pose.jacobian, condition, config.condition_from)
        return None if pull is None else config.manipulability_gain * pull

    def _next(
        self, pose: _Pose, error: FloatArray, singular_pull: FloatArray | None, guard: _Guard | None
    ) -> FloatArray | None:
        """(J,) joints after one step [rad]; None where none leads on."""
        config, q, jacobian = self._config, pose.joints, pose.jacobian
        if self._weights is not None:
            error, jacobian = error * self._weights, jacobian * self._weights[:, None]
        pull = self._pull(q, singular_pull)
        step = free_step(jacobian, error, pull, self._damping)
        length = _length(step)
        if length > config.max_step:
            step = step * (config.max_step / length)
        near = [] if guard is None else guard.near(q, NEAR)
        joints: FloatArray = q + step
        inside = not (np.abs(joints - self._middle) > self._reach).any()
        if not (inside and all(pair.distance + pair.gradient @ step >= pair.margin for pair in near)):
            lower = np.maximum(self._lower - q, -config.max_step)
            upper = np.minimum(self._upper - q, config.max_step)
            solved = constrained_step(jacobian, error, pull, config.damping, lower, upper, near)
            if solved is None:
                return None
            length = _length(solved)
            joints = np.clip(q + solved, self._lower, self._upper)
        return joints if length > STALLED_STEP else None

    def _pull(self, joints: FloatArray, singular_pull: FloatArray | None) -> FloatArray:
        """(J,) pull in the null space [rad]."""
        config = self._config
        pull: FloatArray = self._to_posture - config.posture_gain * joints
        from_middle = joints - self._middle
        if (np.abs(from_middle) > self._free_reach).any():
            beyond = np.maximum(np.abs(from_middle) - self._free_reach, 0.0)
            pull = pull - config.limit_gain * np.sign(from_middle) * beyond
        return pull if singular_pull is None else pull + singular_pull


def _length(vector: FloatArray) -> float:
    return math.sqrt(vector @ vector)
