"""What the arm does with the freedom that the hand's pose leaves it: three costs, as one pull p in the joints.

    p = k_p (q_0 - q)                                   towards a posture, so that the elbow does not wander
      + k_l (clip(q, l + z, u - z) - q)                 out of the zones, z wide, in front of the joint limits
      + k_m s g / max(1, |g|),  g = d(log w)/dq         away from singularities

where w = sqrt(det(J J^T)) is the manipulability (Yoshikawa 1985), with

    d(log w)/dq_i = tr((J J^T)^-1 (dJ/dq_i) J^T),

and s rises from 0 to 1 as the condition number of J goes from ``condition_from`` to twice that. The least-squares
step projects p into the null space of J.
"""

from __future__ import annotations

import math

import eigenpy
import numpy as np
from numpy.typing import NDArray

from ik_controller.robot_model import RobotModel

FloatArray = NDArray[np.float64]

DIFFERENCE = 1e-6
"""Joint step of the Jacobian's derivative [rad]."""


def condition_of(jacobian: FloatArray) -> float:
    """Largest over smallest singular value of ``jacobian`` (6, J); inf where it is singular."""
    squares = eigenpy.SelfAdjointEigenSolver(jacobian @ jacobian.T).eigenvalues()
    smallest, largest = float(squares[0]), float(squares[-1])
    # Below this, the square's rounding hides the singular value.
    return math.sqrt(largest / smallest) if smallest > 1e-14 * largest else math.inf


def manipulability_gradient(robot: RobotModel, joints: FloatArray, jacobian: FloatArray) -> FloatArray:
    """(J,) gradient of log w [1/rad] at ``joints`` (J,) [rad] where the Jacobian is ``jacobian`` (6, J)."""
    damping = 1e-9 * np.eye(6)
    solved = eigenpy.LLT(jacobian @ jacobian.T + damping).solve(jacobian)
    gradient = np.empty(len(joints))
    for index in range(len(joints)):
        moved = joints.copy()
        moved[index] += DIFFERENCE
        _, _, after = robot.tcp_and_jacobian(moved)
        gradient[index] = (solved * (after - jacobian)).sum() / DIFFERENCE
    return gradient


def manipulability_pull(
    robot: RobotModel, joints: FloatArray, jacobian: FloatArray, condition: float, condition_from: float
) -> FloatArray | None:
    """(J,) s g / max(1, |g|) at ``joints`` (J,) [rad]; None where the arm is far from singular."""
    if condition <= condition_from:
        return None
    share = min(condition / condition_from - 1.0, 1.0)
    gradient = manipulability_gradient(robot, joints, jacobian)
    pull: FloatArray = share * gradient / max(1.0, float(np.linalg.norm(gradient)))
    return pull
