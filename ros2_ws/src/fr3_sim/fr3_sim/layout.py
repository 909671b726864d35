"""What lies where on the table: two blocks and two zones of different colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLOUR_NAMES = ("red", "green", "blue", "yellow")
"""Colours of blocks and of zones alike: "the red block" and "the red zone" can both be on the table."""

BLOCK_HALF_SIZE = 0.02
"""Half an edge of a block [m]."""

ZONE_RADIUS = 0.05
"""Radius of a zone [m]."""

BLOCK_COUNT = 2
ZONE_COUNT = 2

WORKSPACE_X = (0.42, 0.62)
"""Extent of block and zone centres along x [m, fr3_link0]: a downward hand reaches it inside the rectangular limits."""

DEMONSTRATION_X = (0.36, 0.62)
"""The same for demonstrations, which know no joint limits and reach a little beyond the workspace."""

WORKSPACE_Y = (-0.22, 0.22)
"""Extent of block and zone centres along y [m, fr3_link0]."""

MIN_CENTRE_DISTANCE = 0.115
"""Least distance between any two centres [m]: room for the open hand between neighbours."""

MAX_BLOCK_YAW = 0.6
"""Blocks are turned by at most this [rad]."""


@dataclass(frozen=True)
class TableLayout:
    """Blocks and zones on the table, all in ``fr3_link0``.

    Attributes:
        block_colours: Colour name of each block.
        zone_colours: Colour name of each zone.
        block_positions: (2, 2) block centres (x, y) [m].
        block_yaws: (2,) rotation of each block about z [rad].
        zone_positions: (2, 2) zone centres (x, y) [m].
    """

    block_colours: tuple[str, ...]
    zone_colours: tuple[str, ...]
    block_positions: NDArray[np.float64]
    block_yaws: NDArray[np.float64]
    zone_positions: NDArray[np.float64]


def random_table_position(
    rng: np.random.Generator, count: int, x_extent: tuple[float, float] = WORKSPACE_X
) -> NDArray[np.float64]:
    """(count, 2) positions drawn uniformly from ``x_extent`` times ``WORKSPACE_Y`` [m]."""
    return np.column_stack([rng.uniform(*x_extent, count), rng.uniform(*WORKSPACE_Y, count)])


def random_layout(rng: np.random.Generator, x_extent: tuple[float, float] = WORKSPACE_X) -> TableLayout:
    """Two blocks and two zones at random, their centres within ``x_extent`` [m] along x, none touching another."""
    count = BLOCK_COUNT + ZONE_COUNT
    while True:
        positions = random_table_position(rng, count, x_extent)
        distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1) + np.eye(count)
        if distances.min() > MIN_CENTRE_DISTANCE:
            break
    return TableLayout(
        block_colours=tuple(rng.permutation(COLOUR_NAMES)[:BLOCK_COUNT].tolist()),
        zone_colours=tuple(rng.permutation(COLOUR_NAMES)[:ZONE_COUNT].tolist()),
        block_positions=positions[:BLOCK_COUNT],
        block_yaws=rng.uniform(-MAX_BLOCK_YAW, MAX_BLOCK_YAW, BLOCK_COUNT),
        zone_positions=positions[BLOCK_COUNT:],
    )
