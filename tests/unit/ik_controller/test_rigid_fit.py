"""Rigid motions are fitted to points, whatever a share of them does."""

import numpy as np
import pytest

from ik_controller import so3
from ik_controller.hand_orientation import OrientationFreedom
from ik_controller.rigid_fit import fit_rigid, rotation_errors

FULL, HEADING, HELD = OrientationFreedom.FULL, OrientationFreedom.HEADING, OrientationFreedom.HELD
STEPS = 9


def body(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform([-0.02, -0.1, 0.03], [0.02, 0.1, 0.1], (count, 3))


def motions(rng: np.random.Generator, vertical: bool = False) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.linspace(0.0, 1.0, STEPS)[:, None] * ([0.0, 0.0, 0.8] if vertical else [0.3, -0.4, 0.5])
    return so3.exp(vectors), np.linspace(0.0, 1.0, STEPS)[:, None] * rng.uniform(-0.2, 0.2, 3)


def moved_by(start: np.ndarray, rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    return start @ np.swapaxes(rotations, 1, 2) + translations[:, None]


@pytest.mark.parametrize("freedom", [FULL, HEADING, HELD])
def test_a_motion_within_the_freedom_is_found_exactly(freedom: OrientationFreedom) -> None:
    rng = np.random.default_rng(0)
    start = body(8, rng)
    rotations, translations = motions(rng, vertical=freedom is HEADING)
    if freedom is HELD:
        rotations = np.tile(np.eye(3), (STEPS, 1, 1))
    moved = moved_by(start, rotations, translations)
    fit = fit_rigid(start, moved, np.ones(moved.shape[:2], bool), freedom)
    np.testing.assert_allclose(fit.rotations, rotations, atol=1e-9)
    np.testing.assert_allclose(fit.translations, translations, atol=1e-9)
    assert (fit.support == 8).all()


def test_points_of_another_body_and_wild_ones_do_not_pull_the_fit() -> None:
    rng = np.random.default_rng(1)
    start = body(20, rng)
    rotations, translations = motions(rng)
    moved = moved_by(start, rotations, translations)
    moved[:, :5] = start[:5]
    moved[:, 5] += rng.normal(0.0, 0.5, (STEPS, 3))
    fit = fit_rigid(start, moved, np.ones(moved.shape[:2], bool), FULL)
    found = fit.translations + np.einsum("kij,j->ki", fit.rotations, start[10])
    assert np.linalg.norm(found - moved[:, 10], axis=1).max() < 0.006
    assert so3.angles_between(fit.rotations, rotations).max() < np.radians(4.0)


def test_a_flat_body_is_not_mirrored() -> None:
    rng = np.random.default_rng(2)
    start = body(6, rng) * [1.0, 1.0, 0.0]
    rotations, translations = motions(rng)
    moved = moved_by(start, rotations, translations)
    fit = fit_rigid(start, moved, np.ones(moved.shape[:2], bool), FULL)
    np.testing.assert_allclose(fit.rotations, rotations, atol=1e-9)


def test_noise_alone_mirrors_nothing() -> None:
    rng = np.random.default_rng(7)
    moved = rng.normal(0.0, 0.05, (40, 5, 3))
    fit = fit_rigid(body(5, rng), moved, np.ones((40, 5), bool), FULL)
    np.testing.assert_allclose(np.linalg.det(fit.rotations), 1.0)


def test_points_count_only_where_they_are_valid() -> None:
    rng = np.random.default_rng(3)
    start = body(8, rng)
    rotations, translations = motions(rng)
    moved = moved_by(start, rotations, translations)
    valid = np.ones(moved.shape[:2], bool)
    valid[4:, :3] = False
    moved[~valid] = 0.0
    fit = fit_rigid(start, moved, valid, FULL)
    np.testing.assert_allclose(fit.rotations, rotations, atol=1e-9)
    assert fit.support.tolist() == [8] * 4 + [5] * 5


@pytest.mark.parametrize("freedom", [FULL, HEADING])
def test_the_rotation_s_error_is_foretold(freedom: OrientationFreedom) -> None:
    rng = np.random.default_rng(4)
    sigma, errors, told = 0.004, [], []
    for _ in range(100):
        start = body(12, rng)
        moved = start + rng.normal(0.0, sigma, (4, 12, 3))
        fit = fit_rigid(start, moved, np.ones((4, 12), bool), freedom)
        vectors = so3.log(fit.rotations)
        errors.append(vectors[:, 2] if freedom is HEADING else np.abs(vectors).max(axis=1))
        about_z, about_any = rotation_errors(start, fit.weights, sigma)
        told.append(about_z if freedom is HEADING else about_any)
    ratio = np.sqrt(np.mean(np.square(errors))) / np.sqrt(np.mean(np.square(told)))
    assert 0.6 < ratio < 1.3


def test_points_on_a_line_or_in_one_place_tell_no_full_rotation() -> None:
    line = np.linspace(0.0, 0.2, 9)[:, None] * [0.0, 1.0, 0.0]
    about_z, about_any = rotation_errors(line, np.ones((2, 9)), 0.002)
    assert (about_z < 0.02).all()
    assert np.isinf(about_any).all()
    about_z, _ = rotation_errors(np.zeros((5, 3)), np.ones((2, 5)), 0.002)
    assert np.isinf(about_z).all()
