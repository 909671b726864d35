"""Rotations and rotation vectors."""

import numpy as np
import pytest

from ik_controller import so3


def random_vectors(count: int, longest: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(count, 3))
    return axes / np.linalg.norm(axes, axis=1)[:, None] * rng.uniform(0.0, longest, (count, 1))


@pytest.mark.parametrize("longest", [1e-13, 1e-7, 1.0, np.pi - 1e-9])
def test_log_undoes_exp_from_no_turn_to_half_a_turn(longest: float) -> None:
    vectors = random_vectors(200, longest)
    np.testing.assert_allclose(so3.log(so3.exp(vectors)), vectors, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_a_turn_has_its_own_axis(axis: np.ndarray) -> None:
    vector = so3.log(so3.exp(np.pi * axis))
    np.testing.assert_allclose(np.abs(vector), np.pi * axis, atol=1e-9)


def test_exp_gives_rotations() -> None:
    rotations = so3.exp(random_vectors(50, 6.0))
    products = rotations @ np.swapaxes(rotations, 1, 2)
    np.testing.assert_allclose(products, np.tile(np.eye(3), (50, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)


def test_turns_about_the_vertical_agree_with_exp() -> None:
    angles = np.linspace(-3.0, 3.0, 7)
    np.testing.assert_allclose(
        so3.about_vertical(angles), so3.exp(np.column_stack([np.zeros((7, 2)), angles])), atol=1e-12
    )
    np.testing.assert_allclose(so3.angles_between(np.eye(3), so3.about_vertical(angles)), np.abs(angles))


def test_a_turn_that_goes_on_past_half_a_circle_is_unwrapped() -> None:
    angles = np.linspace(0.0, 9.0, 40)
    axis = np.array([0.6, 0.0, 0.8])
    vectors = so3.unwrap(so3.log(so3.exp(angles[:, None] * axis)))
    np.testing.assert_allclose(vectors, angles[:, None] * axis, atol=1e-9)
