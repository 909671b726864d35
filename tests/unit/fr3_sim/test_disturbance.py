"""A push finds a place for the block on every table, crowded ones too."""

from __future__ import annotations

import mujoco
import numpy as np

from fr3_sim.disturbance import PUSH_DISTANCE, PUSH_DURATION, BlockPush
from fr3_sim.layout import random_layout
from fr3_sim.scene import PHYSICS_PERIOD, TabletopScene

CLEAR_OF_OTHERS = 0.08


def test_every_table_has_a_place_to_push_a_block_to(scene: TabletopScene) -> None:
    for seed in range(150):
        rng = np.random.default_rng(seed)
        layout = random_layout(rng)
        scene.reset(layout)
        push = BlockPush(scene, 0, rng)
        scene.set_arm(scene.arm_joints + 0.6 * np.eye(7)[0])
        for _ in range(int(PUSH_DURATION / PHYSICS_PERIOD) + 2):
            mujoco.mj_kinematics(scene.model, scene.data)
            push.step()
        mujoco.mj_kinematics(scene.model, scene.data)
        moved = np.linalg.norm(scene.block_position(0)[:2] - layout.block_positions[0])
        others = np.vstack([layout.block_positions[1:], layout.zone_positions])
        assert push.done
        assert PUSH_DISTANCE[0] <= moved <= PUSH_DISTANCE[1]
        assert np.linalg.norm(others - scene.block_position(0)[:2], axis=1).min() > CLEAR_OF_OTHERS
