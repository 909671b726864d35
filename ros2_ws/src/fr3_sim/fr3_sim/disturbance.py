"""Somebody pushes a block to another place while the arm is on its way to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fr3_sim.layout import BLOCK_COUNT, MIN_CENTRE_DISTANCE, random_table_position
from fr3_sim.scene import PHYSICS_PERIOD, TabletopScene

TRAVEL_BEFORE_PUSH = 0.10
"""The push begins when the hand has come this far [m] from where it started."""

PUSH_DURATION = 0.4
"""Time that a push takes [s]."""

PUSH_DISTANCE = (0.06, 0.15)
"""How far a block is pushed [m]."""

PATH_CLEARANCE = 0.07
"""Distance of a pushed block's path from the other block [m]."""

PLACES_TRIED = 1000
"""Places drawn before the best one so far has to do."""

HAND_CLEARANCE = 0.08
"""No push while the hand is nearer to the block than this [m]."""


class BlockPush:
    """Slides one block along the table once; call ``step`` before every physics step.

    Attributes:
        done: The push is over.
    """

    def __init__(self, scene: TabletopScene, block: int, rng: np.random.Generator) -> None:
        self._scene = scene
        self._block = block
        self._hand_start = scene.tcp_position
        self._from = scene.block_position(block)[:2]
        self._yaw = scene.block_yaw(block)
        self._to = self._free_place(rng)
        self._progress: float | None = None
        self.done = False

    def step(self) -> None:
        """Begin, continue or end the push."""
        if self.done:
            return
        if self._progress is None:
            if not self._hand_is_on_its_way():
                return
            self._progress = 0.0
        self._progress = min(1.0, self._progress + PHYSICS_PERIOD / PUSH_DURATION)
        self._scene.place_block(self._block, self._from + self._progress * (self._to - self._from), self._yaw)
        self.done = self._progress >= 1.0

    def _hand_is_on_its_way(self) -> bool:
        hand = self._scene.tcp_position
        travelled = np.linalg.norm(hand - self._hand_start) > TRAVEL_BEFORE_PUSH
        clear = np.linalg.norm(hand - self._scene.block_position(self._block)) > HAND_CLEARANCE
        return bool(travelled and clear)

    def _free_place(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """The first place drawn that keeps all clearances; on a crowded table, the one that comes nearest to that."""
        layout = self._scene.layout
        if layout is None:
            raise RuntimeError("the scene has no layout: call TabletopScene.reset() first")
        others = np.array([self._scene.block_position(i)[:2] for i in range(BLOCK_COUNT) if i != self._block])
        obstacles = np.vstack([others, layout.zone_positions])
        along = np.linspace(0.0, 1.0, 20)[:, None]
        best, best_margin = self._from, -np.inf
        for place in random_table_position(rng, PLACES_TRIED):
            if not PUSH_DISTANCE[0] <= np.linalg.norm(place - self._from) <= PUSH_DISTANCE[1]:
                continue
            path = self._from + along * (place - self._from)
            from_path = np.linalg.norm(path[:, None] - others, axis=-1).min()
            from_obstacles = np.linalg.norm(obstacles - place, axis=1).min()
            margin = min(from_path / PATH_CLEARANCE, from_obstacles / MIN_CENTRE_DISTANCE)
            if margin > best_margin:
                best, best_margin = place, float(margin)
            if margin > 1.0:
                break
        return best
