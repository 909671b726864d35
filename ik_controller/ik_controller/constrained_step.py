"""One step of inverse kinematics under inequalities: a quadratic program in the joints' change.

    minimise    1/2 ||J dq - e||^2 + 1/2 lambda^2 ||dq - p||^2
    subject to  lower <= q + dq <= upper
                d_i + (dd_i/dq) dq >= m_i        for each pair of parts near each other

with the (weighted) pose error e and Jacobian J, the pull p of the null space, and the distances d_i of the arm to
itself and to the table, linearised, which keep their margins m_i. Without the inequalities the minimum is

    dq = p + J^T (J J^T + lambda^2 I)^-1 (e - J p),

damped least squares. The program is strictly convex, so wherever that step keeps all inequalities it is the
program's solution too, and no solver is called; else ProxQP finds it. Each program is solved from scratch: the same
inputs give the same bits, whatever was solved before.
"""

from __future__ import annotations

import eigenpy
import numpy as np
from numpy.typing import NDArray
from proxsuite import proxqp

from ik_controller.collision_model import NearPair

FloatArray = NDArray[np.float64]

ACCURACY = 1e-12
"""Largest residual of a solution: small, since in the null space the cost rises with lambda squared only."""

MAX_ITERATIONS = 30
"""Outer and inner iterations of the solver; a program that can be solved takes about 20 together at most."""

UNBOUNDED = 1e20
"""ProxQP's infinity."""


def free_step(jacobian: FloatArray, error: FloatArray, pull: FloatArray, damping: FloatArray) -> FloatArray:
    """(J,) step [rad] without inequalities.

    Args:
        jacobian: (6, J).
        error: (6,) pose error [m, rad], weighted as the Jacobian is.
        pull: (J,) where the null space is drawn to [rad].
        damping: (6, 6) lambda squared times the identity.
    """
    step: FloatArray = pull + jacobian.T @ eigenpy.LLT(jacobian @ jacobian.T + damping).solve(
        error - jacobian @ pull
    )
    return step


def constrained_step(
    jacobian: FloatArray,
    error: FloatArray,
    pull: FloatArray,
    damping: float,
    lower: FloatArray,
    upper: FloatArray,
    near: list[NearPair],
) -> FloatArray | None:
    """(J,) step [rad] under inequalities; None where they leave no room.

    Args:
        jacobian: (6, J).
        error: (6,) pose error [m, rad], weighted as the Jacobian is.
        pull: (J,) where the null space is drawn to [rad].
        damping: lambda.
        lower: (J,) smallest step [rad].
        upper: (J,) largest step [rad].
        near: Pairs that must keep their margins.
    """
    count = jacobian.shape[1]
    problem = proxqp.dense.QP(count, 0, len(near), True)
    problem.settings.initial_guess = proxqp.InitialGuess.NO_INITIAL_GUESS
    problem.settings.eps_abs = ACCURACY
    problem.settings.eps_rel = 0.0
    problem.settings.max_iter = problem.settings.max_iter_in = MAX_ITERATIONS
    gradients = np.array([pair.gradient for pair in near]).reshape(len(near), count)
    room = np.array([pair.margin - pair.distance for pair in near])
    problem.init(
        jacobian.T @ jacobian + damping**2 * np.eye(count),
        -(jacobian.T @ error + damping**2 * pull),
        None,
        None,
        gradients if near else None,
        room if near else None,
        np.full(len(near), UNBOUNDED) if near else None,
        lower,
        upper,
    )
    problem.solve()
    if problem.results.info.status != proxqp.QPSolverOutput.PROXQP_SOLVED:
        return None
    step: FloatArray = np.clip(problem.results.x, lower, upper)
    return step
