"""Heights come from the depth image, with holes, noise and a calibration that is off."""

import numpy as np
import pytest
from numpy.typing import NDArray
from trace_scenes import INTRINSICS, BlockOnTable, camera_in_base

from ik_controller.camera_bias import BiasConfig, CameraBias
from ik_controller.hand_orientation import hand_rotations, heading
from ik_controller.inverse_kinematics import IkConfig, solve_path, solve_pose
from ik_controller.robot_model import RobotModel
from ik_controller.surface_height import (
    SurfaceConfig,
    find_object,
    grasp_height,
    points_near,
    release_height,
    table_height,
    without_hand,
)

ROBOT = RobotModel.fr3()
CONFIG = SurfaceConfig()


def seen(scene: BlockOnTable, depth: NDArray[np.float32], camera: NDArray[np.float64]) -> NDArray[np.float64]:
    points = points_near(depth, INTRINSICS, camera, scene.block * [1.0, 1.0, 0.0], CONFIG.search_radius)
    hand = ROBOT.hand_in_base(scene.joints)
    return without_hand(points, hand, ROBOT.hand.boxes(scene.width), CONFIG.hand_clearance, None)


@pytest.mark.parametrize("height", [0.05, 0.10, 0.20])
def test_block_and_table_are_measured_under_the_hand(height: float) -> None:
    scene = BlockOnTable(ROBOT, np.array([0.50, 0.01, height]))
    points = seen(scene, scene.depth(), camera_in_base())
    table = table_height(points, CONFIG)
    assert table == pytest.approx(0.0, abs=1e-3)
    found = find_object(points, scene.block[:2] + np.array([0.012, -0.01]), table, CONFIG)
    assert found is not None
    assert found.top == pytest.approx(0.04, abs=2e-3)
    np.testing.assert_allclose(found.centre, scene.block[:2], atol=0.008)
    assert grasp_height(found, table, CONFIG) == pytest.approx(0.019, abs=2e-3)


def test_noise_and_holes_change_little() -> None:
    rng = np.random.default_rng(0)
    scene = BlockOnTable(ROBOT, np.array([0.50, 0.0, 0.15]))
    depth = scene.depth() + rng.normal(0.0, 0.002, (240, 320)).astype(np.float32)
    depth[rng.uniform(size=depth.shape) < 0.3] = 0.0
    depth[::7, :] = np.nan
    points = seen(scene, depth, camera_in_base())
    table = table_height(points, CONFIG)
    assert table == pytest.approx(0.0, abs=2e-3)
    found = find_object(points, scene.block[:2], table, CONFIG)
    assert found is not None
    assert found.top == pytest.approx(0.04, abs=4e-3)


def test_an_empty_table_has_no_object_and_is_grasped_low() -> None:
    scene = BlockOnTable(ROBOT, np.array([0.50, 0.0, 0.2]), block=np.array([0.62, 0.2, 0.02]))
    points = points_near(scene.depth(), INTRINSICS, camera_in_base(), np.array([0.5, -0.1, 0.0]), 0.09)
    table = table_height(points, CONFIG)
    assert table is not None
    assert find_object(points, np.array([0.5, -0.1]), table, CONFIG) is None
    assert grasp_height(None, table, CONFIG) == pytest.approx(CONFIG.min_table_clearance, abs=1e-3)


def test_release_keeps_the_grip_height_over_the_surface() -> None:
    assert release_height(None, 0.01, 0.02, CONFIG) == pytest.approx(0.03 + CONFIG.release_gap)


def test_nothing_is_seen_outside_the_image_or_in_an_empty_one() -> None:
    empty = np.zeros((240, 320), np.float32)
    assert len(points_near(empty, INTRINSICS, camera_in_base(), np.array([0.5, 0.0, 0.0]), 0.1)) == 0
    assert len(points_near(empty + 1, INTRINSICS, camera_in_base(), np.array([-5.0, 0.0, 0.0]), 0.1)) == 0
    assert table_height(np.empty((0, 3)), CONFIG) is None


def test_a_calibration_that_is_off_is_corrected_near_the_hand() -> None:
    rng = np.random.default_rng(1)
    errors, corrected_errors = [], []
    for _ in range(6):
        scene = BlockOnTable(ROBOT, np.array([0.50, 0.0, 0.12]))
        direction = rng.normal(size=3)
        shift = 0.015 * direction / np.linalg.norm(direction)
        believed = camera_in_base()
        believed[:3, 3] += shift
        bias = CameraBias(BiasConfig())
        hand = ROBOT.hand_in_base(scene.joints)
        for _ in range(4):
            bias.observe(scene.depth(), INTRINSICS, believed, hand, ROBOT.hand.boxes(scene.width))
        errors.append(shift)
        corrected_errors.append(bias.corrected(believed)[:3, 3] - camera_in_base()[:3, 3])
    assert np.linalg.norm(errors, axis=1).mean() == pytest.approx(0.015)
    assert np.linalg.norm(corrected_errors, axis=1).max() < 0.007


def test_a_right_calibration_is_left_alone() -> None:
    scene = BlockOnTable(ROBOT, np.array([0.50, 0.0, 0.12]))
    bias = CameraBias(BiasConfig())
    hand = ROBOT.hand_in_base(scene.joints)
    bias.observe(scene.depth(), INTRINSICS, camera_in_base(), hand, ROBOT.hand.boxes(scene.width))
    np.testing.assert_array_equal(bias.corrected(camera_in_base()), camera_in_base())


def test_rectangular_limits_reach_every_place_on_the_table() -> None:
    rng = np.random.default_rng(5)
    config = IkConfig()
    for _ in range(40):
        place, yaw = rng.uniform([0.36, -0.22], [0.62, 0.22]), rng.uniform(-0.8, 0.8)
        heights = np.linspace(0.30, 0.012, 24)
        positions = np.column_stack([np.tile(place, (24, 1)), heights])
        rotations = hand_rotations(positions, np.full(24, yaw))
        start, _, _ = solve_pose(
            ROBOT, ROBOT.posture, positions[0], rotations[0], IkConfig(max_iterations=100)
        )
        path = solve_path(ROBOT, start, positions, rotations, config)
        assert path.shortened_because is None
        assert path.position_error < 1e-3


def test_an_unreachable_waypoint_shortens_the_path_and_says_why() -> None:
    start = ROBOT.posture
    positions = np.array([[0.5, 0.0, 0.3], [0.5, 0.0, 0.25], [1.5, 0.0, 0.2]])
    path = solve_path(ROBOT, start, positions, hand_rotations(positions, np.zeros(3)), IkConfig())
    assert len(path.joints) == 2
    assert path.shortened_because is not None
    assert "out of reach" in path.shortened_because


def test_heading_is_what_was_asked_for() -> None:
    rotations = hand_rotations(np.array([[0.5, 0.1, 0.2]]), np.array([0.4]))
    assert heading(rotations[0]) == pytest.approx(0.4)
    assert np.linalg.det(rotations[0]) == pytest.approx(1.0)
