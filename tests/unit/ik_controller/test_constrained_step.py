"""The step is the quadratic program's solution: in closed form where nothing is in the way, else by the solver."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ik_controller.collision_model import NearPair
from ik_controller.constrained_step import constrained_step, free_step
from ik_controller.null_space_pull import condition_of, manipulability_gradient
from ik_controller.robot_model import RobotModel

DAMPING = 3e-3
JOINTS = 7
FloatArray = NDArray[np.float64]


def problem(rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    return rng.normal(size=(6, JOINTS)), 0.02 * rng.normal(size=6), 0.01 * rng.normal(size=JOINTS)


def cost(step: FloatArray, jacobian: FloatArray, error: FloatArray, pull: FloatArray) -> float:
    return float(((jacobian @ step - error) ** 2).sum() + DAMPING**2 * ((step - pull) ** 2).sum())


def near(distance: float, margin: float, gradient: FloatArray) -> NearPair:
    return NearPair(("link", "table"), (0, 1), distance, margin, gradient)


def test_without_inequalities_the_solver_finds_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        jacobian, error, pull = problem(rng)
        free = free_step(jacobian, error, pull, DAMPING**2 * np.eye(6))
        solved = constrained_step(jacobian, error, pull, DAMPING, np.full(7, -9.0), np.full(7, 9.0), [])
        assert solved is not None
        np.testing.assert_allclose(solved, free, atol=1e-6)


def test_solutions_keep_the_inequalities_and_nothing_near_is_better() -> None:
    rng = np.random.default_rng(1)
    bound = 0.01
    for _ in range(50):
        jacobian, error, pull = problem(rng)
        rows = [near(0.011, 0.01, rng.normal(size=JOINTS)) for _ in range(3)]
        step = constrained_step(jacobian, error, pull, DAMPING, np.full(7, -bound), np.full(7, bound), rows)
        assert step is not None

        def allowed(candidate: FloatArray, rows: list[NearPair] = rows, slack: float = 0.0) -> bool:
            return bool((np.abs(candidate) <= bound + slack).all()) and all(
                row.distance + row.gradient @ candidate >= row.margin - slack for row in rows
            )

        assert allowed(step, slack=1e-7)
        best = cost(step, jacobian, error, pull)
        for scale in (1e-2, 1e-3, 1e-4):
            for candidate in step + scale * rng.normal(size=(60, JOINTS)):
                if allowed(candidate):
                    assert cost(candidate, jacobian, error, pull) >= best - 1e-9


def test_inequalities_that_contradict_leave_no_step() -> None:
    rng = np.random.default_rng(2)
    jacobian, error, pull = problem(rng)
    gradient = rng.normal(size=JOINTS)
    rows = [near(0.0, 0.01, gradient), near(0.0, 0.01, -gradient)]
    assert constrained_step(jacobian, error, pull, DAMPING, np.full(7, -1.0), np.full(7, 1.0), rows) is None


def test_a_program_s_solution_does_not_depend_on_those_before_it() -> None:
    rng = np.random.default_rng(3)
    programs = [(*problem(rng), [near(0.011, 0.01, rng.normal(size=JOINTS))]) for _ in range(20)]
    bounds = np.full(7, -0.01), np.full(7, 0.01)
    first = [constrained_step(j, e, p, DAMPING, *bounds, rows) for j, e, p, rows in programs]
    again = [constrained_step(j, e, p, DAMPING, *bounds, rows) for j, e, p, rows in reversed(programs)]
    for one, other in zip(first, reversed(again), strict=True):
        assert one is not None
        np.testing.assert_array_equal(one, other)


def test_condition_is_that_of_the_singular_values() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        jacobian = rng.normal(size=(6, JOINTS))
        assert condition_of(jacobian) == pytest.approx(np.linalg.cond(jacobian), rel=1e-6)
    jacobian[3] = 2.0 * jacobian[1]
    assert condition_of(jacobian) > 1e6


def test_manipulability_grows_along_its_gradient_as_it_says() -> None:
    robot, rng = RobotModel.fr3(), np.random.default_rng(5)

    def log_manipulability(joints: FloatArray) -> float:
        _, _, jacobian = robot.tcp_and_jacobian(joints)
        return 0.5 * float(np.linalg.slogdet(jacobian @ jacobian.T)[1])

    for _ in range(10):
        joints = rng.uniform(robot.limits.position_lower, robot.limits.position_upper)
        gradient = manipulability_gradient(robot, joints, robot.tcp_and_jacobian(joints)[2])
        for direction in np.eye(JOINTS):
            step = 1e-5 * direction
            slope = (log_manipulability(joints + step) - log_manipulability(joints - step)) / 2e-5
            assert gradient @ direction == pytest.approx(slope, rel=1e-3, abs=1e-4)
