"""The rendered image, the exact depth and the poses agree: what the camera sees lies where the scene says it lies."""

from __future__ import annotations

import numpy as np
import pytest

from fr3_sim.appearance import AppearanceDomain, random_appearance
from fr3_sim.camera import INTRINSICS, RgbdCamera
from fr3_sim.camera_pose import nominal_camera_in_base, perturbed_camera_pose, random_camera_pose
from fr3_sim.layout import BLOCK_HALF_SIZE, MIN_CENTRE_DISTANCE, random_layout
from fr3_sim.scene import TabletopScene
from tracegen_model.trace_grid import grid_pixels


def every_second_pixel() -> np.ndarray:
    return grid_pixels(INTRINSICS.width, INTRINSICS.height, side=160)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_back_projected_depth_lies_on_the_table_and_on_the_blocks(
    scene: TabletopScene, camera: RgbdCamera, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    layout = random_layout(rng)
    scene.reset(layout, random_appearance(layout, rng, AppearanceDomain.TRAIN))
    scene.set_camera_pose(random_camera_pose(rng))
    pixels = every_second_pixel()
    _, depth = camera.render()
    bodies = camera.render_bodies(pixels)
    column, row = np.rint(pixels).astype(int).T
    in_camera = INTRINSICS.back_project(np.column_stack([column, row]), depth[row, column])
    points = in_camera @ scene.camera_in_base[:3, :3].T + scene.camera_in_base[:3, 3]
    on_block = bodies == scene.block_bodies[0]
    assert on_block.sum() >= 5
    distance = np.abs(points[on_block] - scene.block_position(0)).max(axis=1)
    assert np.all(distance <= BLOCK_HALF_SIZE * np.sqrt(2) + 1e-3)
    near = (bodies == 0) & (np.abs(points[:, 1]) < 0.4) & (points[:, 0] > 0.2) & (points[:, 0] < 0.9)
    assert np.abs(points[near][:, 2]).max() < 2e-3


def test_a_blocks_colour_is_what_the_camera_sees(scene: TabletopScene, camera: RgbdCamera) -> None:
    layout = random_layout(np.random.default_rng(5))
    scene.reset(layout)
    scene.set_camera_pose(nominal_camera_in_base())
    pixels = every_second_pixel()
    colour, _ = camera.render()
    column, row = np.rint(pixels).astype(int).T
    for index, name in enumerate(layout.block_colours):
        seen = colour[row, column][camera.render_bodies(pixels) == scene.block_bodies[index]].mean(axis=0)
        dominant = {"red": [0], "green": [1], "blue": [2], "yellow": [0, 1]}[name]
        others = [channel for channel in range(3) if channel not in dominant]
        assert seen[dominant].min() > 1.5 * seen[others].max()


def test_layouts_leave_room_for_the_hand() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        layout = random_layout(rng)
        centres = np.concatenate([layout.block_positions, layout.zone_positions])
        distances = np.linalg.norm(centres[:, None] - centres[None], axis=-1)[np.triu_indices(4, 1)]
        assert distances.min() > MIN_CENTRE_DISTANCE
        assert len(set(layout.block_colours)) == len(set(layout.zone_colours)) == 2


def test_calibration_error_has_the_size_asked_for() -> None:
    nominal = nominal_camera_in_base()
    moved = perturbed_camera_pose(nominal, 0.01, np.radians(1.0), np.random.default_rng(3))
    assert np.linalg.norm(moved[:3, 3] - nominal[:3, 3]) == pytest.approx(0.01)
    turn = moved[:3, :3] @ nominal[:3, :3].T
    assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(1.0, abs=1e-6)
