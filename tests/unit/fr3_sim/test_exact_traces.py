"""Exact traces: each point moves as the body under it does when the hand follows the expert."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from fr3_sim.body_motion import STEP_LENGTH, TRACE_STEPS, body_motion
from fr3_sim.camera import INTRINSICS, RgbdCamera
from fr3_sim.exact_traces import TracedPoints, points_at_pixels, trace_points, visible_points
from fr3_sim.hand_ik import HandIk, downward_rotation, hand_yaw
from fr3_sim.instructions import training_instruction, unseen_instruction
from fr3_sim.layout import random_layout
from fr3_sim.sampled_states import StateSampler, observed_task_state
from fr3_sim.scene import TabletopScene
from fr3_sim.scripted_expert import GRASP_HEIGHT, NOTHING, RETREAT_HEIGHT, expert_path
from tracegen_model.trace_grid import grid_pixels


def test_the_path_grasps_at_the_block_and_releases_over_the_zone(scene: TabletopScene) -> None:
    for seed in range(20):
        layout = random_layout(np.random.default_rng(seed))
        scene.reset(layout)
        path = expert_path(observed_task_state(scene, NOTHING), 1, 0)
        carried = np.flatnonzero(path.carried == 1)
        grasp, release = path.positions[carried[0] - 1], path.positions[carried[-1]]
        assert grasp == pytest.approx([*layout.block_positions[1], GRASP_HEIGHT], abs=1e-6)
        assert release[:2] == pytest.approx(layout.zone_positions[0], abs=1e-6)
        assert path.positions[-1][2] == pytest.approx(RETREAT_HEIGHT, abs=1e-6)
        assert np.linalg.norm(np.diff(path.positions, axis=0), axis=1).max() < 0.01


def test_a_placed_block_asks_for_no_motion_of_a_hand_that_is_clear(scene: TabletopScene) -> None:
    layout = random_layout(np.random.default_rng(3))
    scene.reset(layout)
    scene.place_block(0, layout.zone_positions[1], 0.0)
    mujoco.mj_forward(scene.model, scene.data)
    assert expert_path(observed_task_state(scene, NOTHING), 0, 1).length == 0.0


def test_the_wrong_block_in_the_hand_is_put_down_first(scene: TabletopScene, hand_ik: HandIk) -> None:
    layout = random_layout(np.random.default_rng(4))
    scene.reset(layout)
    joints, _ = hand_ik.solve(np.array([0.5, 0.0, 0.15]), downward_rotation(0.0))
    scene.set_arm(joints)
    scene.place_block(0, (0.5, 0.0), 0.0, height=0.15)
    mujoco.mj_forward(scene.model, scene.data)
    path = expert_path(observed_task_state(scene, held=0), 1, 0)
    order = [int(c) for index, c in enumerate(path.carried) if index == 0 or c != path.carried[index - 1]]
    assert order == [0, NOTHING, 1, NOTHING]


def test_points_on_the_hand_and_on_a_held_block_stay_rigid_to_it(
    scene: TabletopScene, camera: RgbdCamera, hand_ik: HandIk
) -> None:
    sampler = StateSampler(scene, hand_ik)
    rng = np.random.default_rng(8)
    pixels = grid_pixels(INTRINSICS.width, INTRINSICS.height)
    held_seen = 0
    for _ in range(12):
        scene.reset(random_layout(rng))
        state = sampler.draw(rng)
        _, depth = camera.render()
        points = points_at_pixels(scene, pixels, depth, camera.render_bodies(pixels))
        block, zone = state.tasks[0]
        path = expert_path(state.task, block, zone)
        traced = trace_points(scene, hand_ik, points, body_motion(scene, hand_ik, path))
        assert traced.shape == (TRACE_STEPS + 1, len(pixels), 3)
        assert np.allclose(traced[0], points.points_in_base)
        rigid = np.isin(points.bodies, scene.hand_bodies)
        distances = np.linalg.norm(traced[:, rigid][:, :, None] - traced[:, rigid][:, None], axis=-1)
        assert np.abs(distances - distances[0]).max() < 1e-9
        background = points.bodies == 0
        assert np.array_equal(traced[-1, background], traced[0, background])
        held_seen += state.task.held != NOTHING
    assert held_seen >= 2


def test_a_grasped_block_is_left_where_the_path_releases_it(scene: TabletopScene, hand_ik: HandIk) -> None:
    layout = random_layout(np.random.default_rng(9))
    scene.reset(layout)
    state = observed_task_state(scene, NOTHING)
    path = expert_path(state, 0, 1)
    on_block = TracedPoints(scene.block_position(0)[None], np.array([scene.block_bodies[0]]))
    steps = int(path.length / STEP_LENGTH) + 2
    motion = body_motion(scene, hand_ik, path, steps=steps)
    traced = trace_points(scene, hand_ik, on_block, motion)[:, 0]
    still = np.linalg.norm(traced - traced[0], axis=1) < 1e-9
    grasp_length = path.lengths[np.flatnonzero(path.carried == 0)[0] - 1]
    assert still[: int(grasp_length / STEP_LENGTH)].all()
    assert traced[-1][:2] == pytest.approx(layout.zone_positions[1], abs=2e-3)
    assert hand_yaw(downward_rotation(0.4)) == pytest.approx(0.4)


def test_points_that_the_hand_passes_in_front_of_are_hidden_then(
    scene: TabletopScene, camera: RgbdCamera, hand_ik: HandIk
) -> None:
    layout = random_layout(np.random.default_rng(11))
    scene.reset(layout)
    pixels = grid_pixels(INTRINSICS.width, INTRINSICS.height)
    _, depth = camera.render()
    points = points_at_pixels(scene, pixels, depth, camera.render_bodies(pixels))
    motion = body_motion(scene, hand_ik, expert_path(observed_task_state(scene, NOTHING), 0, 1))
    traced = trace_points(scene, hand_ik, points, motion)
    before = scene.data.qpos.copy()
    visible = visible_points(scene, camera, traced, motion)
    assert np.array_equal(scene.data.qpos, before)
    assert visible[0].mean() > 0.99
    table = points.bodies == 0
    hidden_later = visible[0] & ~visible[-1] & table
    uncovered = np.linalg.norm(traced[-1, hidden_later] - scene.camera_in_base[:3, 3], axis=1)
    hand = np.isin(points.bodies, scene.hand_bodies)
    assert 3 <= hidden_later.sum() < 60
    assert uncovered.min() > np.linalg.norm(traced[-1, hand] - scene.camera_in_base[:3, 3], axis=1).min()


def test_unseen_wordings_are_no_training_wordings() -> None:
    rng = np.random.default_rng(0)
    trained = {training_instruction("red", "blue", rng) for _ in range(3000)}
    unseen = {unseen_instruction("red", "blue", rng) for _ in range(300)}
    assert len(trained) > 500
    assert not trained & unseen
    assert all("red" in sentence and "blue" in sentence for sentence in trained | unseen)
