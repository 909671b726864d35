"""What is asked for in a scene, and whether it was done: simulator truth, for judges, never for the robot's stack."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from fr3_sim.layout import BLOCK_COUNT, BLOCK_HALF_SIZE, ZONE_COUNT, TableLayout
from fr3_sim.scene import TabletopScene

PLACED_DISTANCE = 0.045
"""A block whose centre is this near to a zone's centre [m] lies in the zone (radius 0.05 m)."""

RESTING_HEIGHT = BLOCK_HALF_SIZE + 0.012
"""A block whose centre is lower [m] lies on the table."""

LIFTED_HEIGHT = BLOCK_HALF_SIZE + 0.03
"""A block whose centre is higher [m] has been picked up."""

UNTOUCHED_DISTANCE = 0.04
"""A block that was not asked for may be displaced by this much [m]."""

HELD_DISTANCE = 0.035
"""A block this near to the tool centre point [m] is between the fingers."""

RELEASED_MARGIN = 0.004
"""Fingers wider than a block by this [m] have let it go."""


@dataclass(frozen=True)
class Task:
    """Move block number ``block`` of the layout to zone number ``zone``."""

    block: int
    zone: int

    def __post_init__(self) -> None:
        if not (0 <= self.block < BLOCK_COUNT and 0 <= self.zone < ZONE_COUNT):
            raise ValueError(
                f"a task is a block 0..{BLOCK_COUNT - 1} and a zone 0..{ZONE_COUNT - 1}, got {self.block}, {self.zone}"
            )

    def colours(self, layout: TableLayout) -> tuple[str, str]:
        """Colour names of the block and of the zone."""
        return layout.block_colours[self.block], layout.zone_colours[self.zone]


@dataclass(frozen=True)
class TaskOutcome:
    """How a task stands.

    Attributes:
        success: The block asked for lies in its zone, released, and the other block was left alone.
        right_object: The first block that was picked up is the one asked for.
        right_zone: The first block that was picked up lies, released, in the zone asked for.
        placed: The block asked for lies on the table in its zone.
        released: No block is between the fingers.
        picked_up: Index of the first block that was picked up, None if none was.
        zone_distance: From the centre of the block asked for to that of its zone, horizontally [m].
        other_displacement: How far the other block is from where it lay [m].
    """

    success: bool
    right_object: bool
    right_zone: bool
    placed: bool
    released: bool
    picked_up: int | None
    zone_distance: float
    other_displacement: float

    def as_dict(self) -> dict[str, bool | int | float | None]:
        """Plain values, for JSON."""
        return asdict(self)


class TaskJudge:
    """Watches a scene from its reset on and tells how its task stands."""

    def __init__(self, scene: TabletopScene, task: Task) -> None:
        self._scene = scene
        self.task = task
        self._start = self._blocks()
        self._picked_up: int | None = None

    def observe(self) -> None:
        """Look at the scene once; to be called many times a second."""
        if self._picked_up is None:
            heights = self._blocks()[:, 2]
            if heights.max() > LIFTED_HEIGHT:
                self._picked_up = int(np.argmax(heights))

    def outcome(self) -> TaskOutcome:
        """How the task stands now."""
        self.observe()
        layout = self._scene.layout
        if layout is None:
            raise RuntimeError("the scene has no layout: call TabletopScene.reset() first")
        task, picked, blocks = self.task, self._picked_up, self._blocks()
        goal = layout.zone_positions[task.zone]
        distance = float(np.linalg.norm(blocks[task.block, :2] - goal))
        placed = bool(distance < PLACED_DISTANCE and blocks[task.block, 2] < RESTING_HEIGHT)
        released = not self._is_held(blocks)
        other = 1 - task.block
        displacement = float(np.linalg.norm(blocks[other] - self._start[other]))
        right_zone = (
            picked is not None
            and released
            and bool(np.linalg.norm(blocks[picked, :2] - goal) < PLACED_DISTANCE)
        )
        return TaskOutcome(
            success=placed and released and displacement <= UNTOUCHED_DISTANCE,
            right_object=picked == task.block,
            right_zone=right_zone,
            placed=placed,
            released=released,
            picked_up=picked,
            zone_distance=distance,
            other_displacement=displacement,
        )

    def _is_held(self, blocks: NDArray[np.float64]) -> bool:
        near = np.linalg.norm(blocks - self._scene.tcp_position, axis=1).min() < HELD_DISTANCE
        return bool(near and self._scene.finger_width < 2 * BLOCK_HALF_SIZE + RELEASED_MARGIN)

    def _blocks(self) -> NDArray[np.float64]:
        return np.stack([self._scene.block_position(index) for index in range(BLOCK_COUNT)])
