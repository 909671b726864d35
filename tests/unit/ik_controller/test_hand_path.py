"""Paths of the hand: positions, rotations and lengths."""

import numpy as np
import pytest

from ik_controller import so3
from ik_controller.hand_orientation import OrientationFreedom, allowed_rotations, heading
from ik_controller.hand_path import path_through, straight_moves

DOWN = np.diag([1.0, -1.0, -1.0])
HERE = np.array([0.5, 0.0, 0.3])
TURN = 0.2


def test_a_turn_on_the_spot_counts_as_the_path_that_takes_as_long() -> None:
    rotations = so3.about_vertical(np.linspace(0.0, 1.0, 11)) @ DOWN
    path = path_through(np.tile(HERE, (11, 1)), rotations, TURN)
    assert path is not None
    assert path.length == pytest.approx(TURN)
    assert path_through(np.tile(HERE, (11, 1)), np.tile(DOWN, (11, 1, 1)), TURN) is None


def test_straight_moves_begin_and_end_as_asked_and_turn_evenly() -> None:
    goal = HERE + np.array([0.05, 0.1, -0.2])
    turned = so3.about_vertical(0.6) @ DOWN
    path = straight_moves([HERE, goal], [DOWN, turned], OrientationFreedom.HEADING, TURN)
    assert path is not None
    np.testing.assert_allclose(path.positions[[0, -1]], [HERE, goal], atol=1e-12)
    np.testing.assert_allclose(path.rotations[0], DOWN, atol=1e-12)
    np.testing.assert_allclose(path.rotations[-1], turned, atol=1e-12)
    headings = np.array([heading(rotation) for rotation in path.rotations])
    np.testing.assert_allclose(headings, 0.6 * path.lengths / path.length, atol=1e-9)


def test_thinning_keeps_ends_and_rotations() -> None:
    goal = HERE - [0.0, 0.0, 0.2]
    tilted = so3.exp([0.3, 0.0, 0.0]) @ DOWN
    path = straight_moves([HERE, goal], [DOWN, tilted], OrientationFreedom.FULL, TURN)
    assert path is not None
    thin = path.thinned()
    assert len(thin.positions) < len(path.positions)
    assert thin.length == path.length
    np.testing.assert_array_equal(thin.rotations[-1], path.rotations[-1])
    assert so3.angles_between(thin.rotations[-1], tilted) < 1e-9


@pytest.mark.parametrize("freedom", list(OrientationFreedom))
def test_freedom_says_how_much_of_a_rotation_is_obeyed(freedom: OrientationFreedom) -> None:
    wanted = so3.exp(np.linspace(0.0, 1.0, 5)[:, None] * [0.2, 0.1, 0.4]) @ DOWN
    positions = np.tile(HERE, (5, 1))
    allowed = allowed_rotations(freedom, positions, wanted)
    headings = [heading(rotation) for rotation in allowed]
    match freedom:
        case OrientationFreedom.HELD:
            np.testing.assert_array_equal(allowed, np.tile(DOWN, (5, 1, 1)))
        case OrientationFreedom.HEADING:
            np.testing.assert_allclose(headings, [heading(rotation) for rotation in wanted], atol=1e-9)
            np.testing.assert_allclose(allowed[:, :, 2], np.tile([0.0, 0.0, -1.0], (5, 1)), atol=1e-9)
        case OrientationFreedom.FULL:
            np.testing.assert_array_equal(allowed, wanted)


def test_near_the_base_the_fingertips_lean_towards_it() -> None:
    positions = np.array([[0.30, 0.0, 0.1], [0.0, 0.30, 0.1]])
    allowed = allowed_rotations(OrientationFreedom.HEADING, positions, np.tile(DOWN, (2, 1, 1)))
    fingers = allowed[:, :, 2]
    outward = positions / np.linalg.norm(positions[:, :2], axis=1)[:, None]
    assert (np.einsum("ki,ki->k", fingers[:, :2], outward[:, :2]) < -0.25).all()
