"""How the points on the hand say that it moves."""

import numpy as np
import pytest

from ik_controller import so3
from ik_controller.hand_motion import HandMotionConfig, HandMotionMethod, estimate_hand_motion
from ik_controller.hand_orientation import OrientationFreedom, heading

TCP = np.eye(4)
TCP[:3, :3] = np.diag([1.0, -1.0, -1.0])
TCP[:3, 3] = (0.5, 0.0, 0.2)
STEP = 0.0125
FULL = OrientationFreedom.FULL
MEDIAN = HandMotionConfig(method=HandMotionMethod.MEDIAN_DISPLACEMENT)


def moving_points(
    count: int,
    rng: np.random.Generator,
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    path: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points that ride a hand which turns by ``turn`` on its way; true positions and rotations of the hand."""
    local = rng.uniform([-0.02, -0.1, -0.1], [0.02, 0.1, -0.03], (count, 3)) @ TCP[:3, :3].T
    if path is None:
        path = np.arange(33)[:, None] * STEP * np.array([0.48, -0.72, -0.5])
    positions = TCP[:3, 3] + path
    rotations = so3.exp(np.linspace(0.0, 1.0, len(path))[:, None] * np.array(turn))
    return positions[:, None] + local @ np.swapaxes(rotations, 1, 2), positions, rotations


def noisy(points: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    out = points.copy()
    out[1:] += rng.normal(0.0, sigma, points[1:].shape)
    return out


@pytest.mark.parametrize("count", [3, 10, 60])
@pytest.mark.parametrize("config", [HandMotionConfig(), MEDIAN])
def test_hand_motion_is_found_with_few_and_with_many_points(count: int, config: HandMotionConfig) -> None:
    rng = np.random.default_rng(count)
    points, path, _ = moving_points(count, rng)
    motion = estimate_hand_motion(noisy(points, 0.003, rng), TCP, config)
    assert np.linalg.norm(motion.positions - path, axis=1).max() < 0.01
    assert abs(heading(motion.rotations[-1])) < 0.08


@pytest.mark.parametrize(
    ("freedom", "turn"), [(OrientationFreedom.HEADING, (0.0, 0.0, 0.6)), (FULL, (0.4, -0.2, 0.5))]
)
def test_rotation_is_followed_where_the_points_can_tell(
    freedom: OrientationFreedom, turn: tuple[float, float, float]
) -> None:
    points, path, rotations = moving_points(20, np.random.default_rng(1), turn)
    motion = estimate_hand_motion(points, TCP, freedom=freedom)
    assert motion.observed is freedom
    np.testing.assert_allclose(motion.rotations, rotations, atol=1e-6)
    np.testing.assert_allclose(motion.positions, path, atol=1e-6)


@pytest.mark.parametrize(("sigma", "millimetres", "degrees"), [(0.005, 3.0, 2.0), (0.01, 5.0, 3.5)])
def test_noise_costs_little_of_position_and_rotation(
    sigma: float, millimetres: float, degrees: float
) -> None:
    rng = np.random.default_rng(2)
    off, turned_off = [], []
    for _ in range(10):
        points, path, rotations = moving_points(20, rng, (0.3, 0.2, 0.6))
        motion = estimate_hand_motion(noisy(points, sigma, rng), TCP, freedom=FULL)
        off.append(np.linalg.norm(motion.positions - path, axis=1))
        turned_off.append(so3.angles_between(motion.rotations, rotations))
    assert 1000 * np.sqrt(np.mean(np.square(off))) < millimetres
    assert np.degrees(np.sqrt(np.mean(np.square(turned_off)))) < degrees


def test_points_that_cannot_tell_a_tilt_still_tell_the_heading() -> None:
    rng = np.random.default_rng(3)
    # Points along the fingers' axis of motion: a turn about that line moves none of them.
    line = np.linspace(-0.1, 0.1, 12)[:, None] * [0.0, 1.0, 0.0]
    turns = so3.about_vertical(np.linspace(0.0, 0.6, 33))
    way = np.arange(33)[:, None] * STEP * np.array([1.0, 0.0, 0.0])
    points = TCP[:3, 3] + way[:, None] + line @ np.swapaxes(turns, 1, 2)
    motion = estimate_hand_motion(noisy(points, 0.002, rng), TCP, freedom=FULL)
    assert motion.observed is OrientationFreedom.HEADING
    assert so3.angles_between(motion.rotations, turns).max() < 0.05


@pytest.mark.parametrize("count", [1, 2])
def test_points_that_tell_no_rotation_hold_the_orientation(count: int) -> None:
    rng = np.random.default_rng(4)
    points, path, _ = moving_points(count, rng)
    points[:, :, :2] = points[:, :1, :2]
    motion = estimate_hand_motion(noisy(points, 0.002, rng), TCP, freedom=FULL)
    assert not motion.rotation_observed
    assert (motion.rotations == np.eye(3)).all()
    assert np.linalg.norm(motion.positions - path, axis=1).max() < 0.01


def test_a_single_point_s_noise_is_smoothed_though_no_other_point_tells_it() -> None:
    rng = np.random.default_rng(12)
    off = []
    for _ in range(20):
        points, path, _ = moving_points(1, rng)
        motion = estimate_hand_motion(noisy(points, 0.01, rng), TCP)
        off.append(motion.positions[1:] - path[1:])
    assert np.std(off) < 0.005


def test_points_that_move_as_no_rigid_body_does_hold_the_orientation() -> None:
    rng = np.random.default_rng(5)
    # So many that the standard error alone would be small.
    points, _, _ = moving_points(200, rng)
    points += np.linspace(0.0, 1.0, 33)[:, None, None] * rng.normal(0.0, 0.1, (200, 3))
    motion = estimate_hand_motion(points, TCP)
    assert not motion.rotation_observed
    assert motion.residual[-1] > 0.05


def test_points_that_do_not_ride_along_are_left_out() -> None:
    rng = np.random.default_rng(6)
    points, path, _ = moving_points(12, rng, (0.0, 0.0, 0.3))
    points[:, :3] = points[0, :3]
    motion = estimate_hand_motion(points, TCP)
    assert np.linalg.norm(motion.positions - path, axis=1).max() < 0.012
    assert motion.support[-1] == 9


def test_the_turn_around_of_a_grasp_is_not_rounded_away() -> None:
    rng = np.random.default_rng(7)
    down = -STEP * np.minimum(np.arange(33), np.arange(33)[::-1])[:, None] * [0.0, 0.0, 1.0]
    points, path, _ = moving_points(12, rng, path=down)
    motion = estimate_hand_motion(noisy(points, 0.003, rng), TCP)
    assert abs(motion.positions[16, 2] - path[16, 2]) < 0.004


def test_the_first_steps_do_not_lag_behind() -> None:
    rng = np.random.default_rng(8)
    lags = []
    for _ in range(20):
        points, path, _ = moving_points(10, rng)
        motion = estimate_hand_motion(noisy(points, 0.01, rng), TCP)
        along = (path[1] - path[0]) / STEP
        lags.append((path[:4] - motion.positions[:4]) @ along)
    np.testing.assert_array_equal(np.array(lags)[:, 0], 0.0)
    assert abs(np.mean(lags)) < 0.001


def test_the_median_displacement_knows_no_rotation() -> None:
    points, _, _ = moving_points(20, np.random.default_rng(9), (0.0, 0.0, 0.6))
    motion = estimate_hand_motion(points, TCP, MEDIAN)
    assert not motion.rotation_observed
    displacements = np.median(points - points[0], axis=1)
    np.testing.assert_allclose(motion.positions - TCP[:3, 3], displacements, atol=1e-3)


def test_path_ends_where_no_point_is_valid() -> None:
    points, _, _ = moving_points(8, np.random.default_rng(10))
    points[20:] = np.nan
    assert len(estimate_hand_motion(points, TCP).positions) == 20
    points[:] = np.nan
    assert len(estimate_hand_motion(points, TCP).positions) == 1


def test_a_rotation_that_the_last_steps_cannot_tell_is_kept_there() -> None:
    points, _, rotations = moving_points(10, np.random.default_rng(11), (0.0, 0.0, 0.6))
    points[25:, 1:] = np.nan
    motion = estimate_hand_motion(points, TCP)
    assert motion.rotation_observed
    np.testing.assert_array_equal(motion.rotations[30:], np.tile(motion.rotations[29], (3, 1, 1)))
    assert so3.angles_between(motion.rotations[:25], rotations[:25]).max() < 0.01
    assert so3.angles_between(motion.rotations[29], rotations[24]) < 0.12


def test_no_points_give_no_motion() -> None:
    assert len(estimate_hand_motion(np.empty((33, 0, 3)), TCP).positions) == 1


@pytest.mark.parametrize("seed", range(8))
def test_nonsense_is_borne(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(0.0, 10.0 ** rng.integers(-6, 38), (33, int(rng.integers(1, 30)), 3))
    points[rng.uniform(size=points.shape[:2]) < rng.uniform()] = rng.choice([np.nan, np.inf, 0.0])
    for method in HandMotionMethod:
        for freedom in OrientationFreedom:
            motion = estimate_hand_motion(points, TCP, HandMotionConfig(method=method), freedom)
            assert np.isfinite(motion.positions).all()
            assert np.isfinite(motion.rotations).all()


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="max_residual"):
        HandMotionConfig(max_residual=float("nan"))
