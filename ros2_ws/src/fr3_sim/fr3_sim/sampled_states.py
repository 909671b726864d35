"""States of the task drawn at random: what a camera may see on the way from start to end, and a little off the way.

Drawing states is far faster than running episodes, and it covers what an executor meets after small errors: a hand
beside the block, a block held off-centre, fingers closed on nothing, the wrong block in the hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from fr3_sim.hand_ik import HandIk, downward_rotation, hand_yaw
from fr3_sim.layout import (
    BLOCK_COUNT,
    BLOCK_HALF_SIZE,
    DEMONSTRATION_X,
    MAX_BLOCK_YAW,
    WORKSPACE_Y,
    ZONE_COUNT,
    random_table_position,
)
from fr3_sim.scene import TabletopScene
from fr3_sim.scripted_expert import LOWEST_TCP, NOTHING, HandPath, TaskState, expert_path

OPEN_WIDTH = 0.08
"""Opening of the gripper [m]."""

MAX_IK_ERROR = 3e-3
"""A drawn hand pose that the arm misses by more [m] is drawn again."""


@dataclass(frozen=True)
class SampledState:
    """A drawn state, already set in the scene.

    Attributes:
        task: What the expert needs.
        tasks: The (block, zone) pairs that make sense to ask for in this state.
    """

    task: TaskState
    tasks: list[tuple[int, int]]


def observed_task_state(scene: TabletopScene, held: int) -> TaskState:
    """The task state of the scene as it stands; ``held`` is the block in the hand or ``NOTHING``."""
    if scene.layout is None:
        raise RuntimeError("the scene has no layout yet: call TabletopScene.reset() first")
    return TaskState(
        tcp_position=scene.tcp_position,
        tcp_yaw=hand_yaw(scene.tcp_rotation),
        held=held,
        block_positions=np.stack([scene.block_position(index) for index in range(BLOCK_COUNT)]),
        block_yaws=np.array([scene.block_yaw(index) for index in range(BLOCK_COUNT)]),
        zone_positions=scene.layout.zone_positions,
    )


class StateSampler:
    """Draws hand poses, grasps and placements for the layout that lies on the scene's table."""

    def __init__(self, scene: TabletopScene, hand_ik: HandIk) -> None:
        self._scene = scene
        self._hand_ik = hand_ik

    def draw(self, rng: np.random.Generator) -> SampledState:
        """Set a random state of the current layout in the scene."""
        draws = (self._free, self._reaching, self._holding, self._placed)
        while True:
            self._restore_blocks()
            draw = draws[rng.choice(len(draws), p=[0.2, 0.3, 0.36, 0.14])]
            state = draw(rng)
            if state is not None:
                return state

    def _free(self, rng: np.random.Generator) -> SampledState | None:
        """An empty hand anywhere above the table, often near where tasks start."""
        if rng.uniform() < 0.6:
            position = np.array([rng.uniform(0.40, 0.52), rng.uniform(-0.12, 0.12), rng.uniform(0.20, 0.32)])
            yaw = rng.uniform(-0.3, 0.3)
        else:
            position = np.append(random_table_position(rng, 1, DEMONSTRATION_X)[0], rng.uniform(0.10, 0.30))
            yaw = rng.uniform(-MAX_BLOCK_YAW, MAX_BLOCK_YAW)
        if not self._set_hand(position, yaw, OPEN_WIDTH):
            return None
        return SampledState(observed_task_state(self._scene, NOTHING), _all_tasks())

    def _reaching(self, rng: np.random.Generator) -> SampledState | None:
        """An empty hand on, or a little beside, its way to a block; sometimes with fingers that closed on nothing."""
        block, zone = int(rng.integers(BLOCK_COUNT)), int(rng.integers(ZONE_COUNT))
        start = np.append(random_table_position(rng, 1, DEMONSTRATION_X)[0], rng.uniform(0.10, 0.32))
        yaw = rng.uniform(-MAX_BLOCK_YAW, MAX_BLOCK_YAW)
        path = self._expert(start, yaw, NOTHING, block, zone)
        until_grasp = path.lengths[np.flatnonzero(path.carried == block)[0]]
        # Most states near the grasp: there, precision decides.
        remaining = rng.uniform() ** (1.0 if rng.uniform() < 0.4 else 2.5) * until_grasp
        position, turned = _on_path(path, until_grasp - remaining)
        position += rng.normal(0.0, 0.011, 3) * [1.0, 1.0, 0.7]
        width = OPEN_WIDTH
        if rng.uniform() < 0.06:
            width = rng.uniform(0.0, OPEN_WIDTH)
            position[:2] += rng.normal(0.0, 0.02, 2)
        if not self._set_hand(position, turned + rng.normal(0.0, 0.06), width):
            return None
        low = self._scene.tcp_position[2] < 0.09
        tasks = [(block, z) for z in range(ZONE_COUNT)] if low and rng.uniform() < 0.7 else _all_tasks()
        return SampledState(observed_task_state(self._scene, NOTHING), tasks)

    def _holding(self, rng: np.random.Generator) -> SampledState | None:
        """A block in the hand, on or beside its way to a zone."""
        block, zone = int(rng.integers(BLOCK_COUNT)), int(rng.integers(ZONE_COUNT))
        path = self._expert(np.array([0.45, 0.0, 0.3]), 0.0, NOTHING, block, zone)
        carried = np.flatnonzero(path.carried == block)
        first, last = path.lengths[carried[0]], path.lengths[carried[-1]]
        kind = rng.uniform()
        if kind < 0.12:
            position, yaw = _on_path(path, first)
            position += rng.normal(0.0, 0.004, 3)
        elif kind < 0.50:
            remaining = rng.uniform() ** 2.0 * (last - first)
            position, yaw = _on_path(path, last - remaining)
            position += rng.normal(0.0, 0.010, 3)
        elif kind < 0.80:
            position, yaw = _on_path(path, rng.uniform(first, last))
            position += rng.normal(0.0, 0.012, 3)
        else:
            _, yaw = _on_path(path, first)
            position = np.append(random_table_position(rng, 1, DEMONSTRATION_X)[0], rng.uniform(0.05, 0.22))
        if not self._set_hand(position, yaw + rng.normal(0.0, 0.05), 2 * BLOCK_HALF_SIZE):
            return None
        self._put_block_in_hand(block, rng)
        tasks = [(block, z) for z in range(ZONE_COUNT)]
        if rng.uniform() < 0.12:
            tasks = [(1 - block, int(rng.integers(ZONE_COUNT)))]
        return SampledState(observed_task_state(self._scene, block), tasks)

    def _placed(self, rng: np.random.Generator) -> SampledState | None:
        """A block already in a zone: the hand still around it, rising, or gone."""
        block, zone = int(rng.integers(BLOCK_COUNT)), int(rng.integers(ZONE_COUNT))
        assert self._scene.layout is not None
        centre = self._scene.layout.zone_positions[zone] + rng.normal(0.0, 0.010, 2)
        yaw = rng.uniform(-MAX_BLOCK_YAW, MAX_BLOCK_YAW)
        self._scene.place_block(block, centre, yaw)
        if rng.uniform() < 0.65:
            position = np.append(centre + rng.normal(0.0, 0.004, 2), rng.uniform(LOWEST_TCP, 0.16))
        else:
            position = np.append(random_table_position(rng, 1, DEMONSTRATION_X)[0], rng.uniform(0.14, 0.30))
        if not self._set_hand(position, yaw + rng.normal(0.0, 0.03), OPEN_WIDTH):
            return None
        tasks = [(block, zone)]
        if position[2] > 0.10 and rng.uniform() < 0.3:
            tasks = _all_tasks()
        return SampledState(observed_task_state(self._scene, NOTHING), tasks)

    def _restore_blocks(self) -> None:
        layout = self._scene.layout
        if layout is None:
            raise RuntimeError("the scene has no layout yet: call TabletopScene.reset() first")
        for index in range(BLOCK_COUNT):
            self._scene.place_block(index, layout.block_positions[index], layout.block_yaws[index])
        self._forward()

    def _expert(
        self, position: NDArray[np.float64], yaw: float, held: int, block: int, zone: int
    ) -> HandPath:
        here = observed_task_state(self._scene, held)
        state = TaskState(position, yaw, held, here.block_positions, here.block_yaws, here.zone_positions)
        return expert_path(state, block, zone)

    def _set_hand(self, position: NDArray[np.float64], yaw: float, width: float) -> bool:
        position = np.array(
            [
                np.clip(position[0], DEMONSTRATION_X[0] - 0.04, DEMONSTRATION_X[1] + 0.04),
                np.clip(position[1], WORKSPACE_Y[0] - 0.04, WORKSPACE_Y[1] + 0.04),
                max(position[2], LOWEST_TCP),
            ]
        )
        joints, error = self._hand_ik.solve(position, downward_rotation(yaw))
        self._scene.set_arm(joints)
        self._scene.set_finger_width(width)
        self._forward()
        return error < MAX_IK_ERROR

    def _put_block_in_hand(self, block: int, rng: np.random.Generator) -> None:
        rotation = self._scene.tcp_rotation
        in_hand = np.array([rng.normal(0.0, 0.005), 0.0, rng.normal(0.001, 0.004)])
        position = self._scene.tcp_position + rotation @ in_hand
        height = max(float(position[2]), BLOCK_HALF_SIZE)
        self._scene.place_block(block, position, hand_yaw(rotation), height)
        self._forward()

    def _forward(self) -> None:
        mujoco.mj_forward(self._scene.model, self._scene.data)


def _all_tasks() -> list[tuple[int, int]]:
    return [(block, zone) for block in range(BLOCK_COUNT) for zone in range(ZONE_COUNT)]


def _on_path(path: HandPath, length: float) -> tuple[NDArray[np.float64], float]:
    """Position and yaw at ``length`` [m] along ``path``."""
    position = np.array([np.interp(length, path.lengths, path.positions[:, axis]) for axis in range(3)])
    return position, float(np.interp(length, path.lengths, path.yaws))
