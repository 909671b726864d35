"""Joint positions along a path of hand poses: damped least squares, each waypoint warm-started from the one before.

    dq = J^T (J J^T + lambda^2 I)^-1 e + N (q_posture - q) k,   N = I - J^+ J

with e the position error [m] and the rotation error [rad] in the base frame. The seventh degree of freedom is drawn
gently towards a posture, so that the elbow does not wander over many replans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.robot_model import RobotModel

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class IkConfig:
    """Settings of the solver.

    Attributes:
        position_tolerance: A waypoint is reached within this [m].
        rotation_tolerance: ... and within this [rad].
        max_iterations: Iterations a waypoint may take.
        damping: lambda above; small against the singular values met in the workspace.
        posture_gain: Share of the way to the posture taken per iteration, in the null space.
        max_step: Largest joint step of one iteration [rad].
        limit_margin: Solutions keep this distance to the position limits [rad].
        posture: (7,) joint positions that the null space is drawn to [rad].
    """

    position_tolerance: float = 2e-4
    rotation_tolerance: float = 2e-3
    max_iterations: int = 30
    damping: float = 3e-3
    posture_gain: float = 0.02
    max_step: float = 0.3
    limit_margin: float = 0.02
    posture: tuple[float, ...] = (0.0, 0.1, 0.0, -2.1, 0.0, 2.2, 0.785)


@dataclass(frozen=True)
class SolvedPath:
    """Solutions along a path.

    Attributes:
        joints: (K, J) [rad] for the first K waypoints.
        position_error: Largest distance left [m].
        shortened_because: Why the path ends before its last waypoint, or None where it does not.
    """

    joints: FloatArray
    position_error: float
    shortened_because: str | None


def solve_path(
    robot: RobotModel,
    start_joints: FloatArray,
    positions: FloatArray,
    rotations: FloatArray,
    config: IkConfig,
) -> SolvedPath:
    """Joint positions for each waypoint until one cannot be reached.

    Args:
        robot: Kinematics and limits.
        start_joints: (J,) joint positions to start from [rad].
        positions: (K, 3) tool centre points [m, base frame].
        rotations: (K, 3, 3) orientations.
        config: Settings.
    """
    joints: list[FloatArray] = []
    q = robot.limits.clip(start_joints, config.limit_margin)
    worst = 0.0
    for index, (position, rotation) in enumerate(zip(positions, rotations, strict=True)):
        q, distance, turn = solve_pose(robot, q, position, rotation, config)
        if distance > 5 * config.position_tolerance or turn > 5 * config.rotation_tolerance:
            x, y, z = position
            reason = (
                f"waypoint {index} at ({x:.3f}, {y:.3f}, {z:.3f}) m is out of reach: "
                f"{distance * 1000:.1f} mm and {np.degrees(turn):.1f} deg remain"
            )
            return SolvedPath(np.array(joints).reshape(-1, robot.joint_count), worst, reason)
        worst = max(worst, distance)
        joints.append(q)
    return SolvedPath(np.array(joints).reshape(-1, robot.joint_count), worst, None)


def solve_pose(
    robot: RobotModel, start_joints: FloatArray, position: FloatArray, rotation: FloatArray, config: IkConfig
) -> tuple[FloatArray, float, float]:
    """Joint positions (J,) [rad] for one hand pose, with the distance [m] and the angle [rad] that remain."""
    q = np.array(start_joints, dtype=float)
    posture = np.array(config.posture)
    lower = robot.limits.position_lower + config.limit_margin
    upper = robot.limits.position_upper - config.limit_margin
    error = np.empty(6)
    for iteration in range(config.max_iterations + 1):
        at, turn, jacobian = robot.tcp_and_jacobian(q)
        error[:3] = position - at
        error[3:] = rotation_error(turn, rotation)
        distance, angle = float(np.sqrt(error[:3] @ error[:3])), float(np.sqrt(error[3:] @ error[3:]))
        reached = distance < config.position_tolerance and angle < config.rotation_tolerance
        if reached or iteration == config.max_iterations:
            break
        step = _step(jacobian, error, posture - q, config)
        blocked = ((q >= upper) & (step > 0.0)) | ((q <= lower) & (step < 0.0))
        if blocked.any():
            # A joint at its bound takes no part; the others have to make up for it.
            step = _step(np.where(blocked, 0.0, jacobian), error, np.where(blocked, 0.0, posture - q), config)
        largest = np.abs(step).max()
        if largest > config.max_step:
            step *= config.max_step / largest
        q = np.clip(q + step, lower, upper)
    return q, distance, angle


def _step(jacobian: FloatArray, error: FloatArray, to_posture: FloatArray, config: IkConfig) -> FloatArray:
    """Damped least squares plus the null-space pull (J,) [rad]."""
    inverse = np.linalg.solve(jacobian @ jacobian.T + config.damping**2 * np.eye(6), jacobian).T
    pull = config.posture_gain * to_posture
    return inverse @ (error - jacobian @ pull) + pull


def rotation_error(current: FloatArray, target: FloatArray) -> FloatArray:
    """(3,) rotation vector in the base frame [rad] that turns ``current`` (3, 3) into ``target`` (3, 3)."""
    turn = target @ current.T
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    sine = float(np.sqrt(axis @ axis))
    cosine = (turn[0, 0] + turn[1, 1] + turn[2, 2] - 1.0) / 2
    if sine < 1e-9:
        # Either aligned, or half a turn off, which no following path asks for.
        return axis if cosine > 0.0 else np.array([np.pi, 0.0, 0.0])
    return axis / sine * float(np.arctan2(sine, cosine))
