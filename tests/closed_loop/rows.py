"""The rows of the benchmark: what is done to the scene or the sentence in each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from tests.closed_loop.cell import ScalarParameter

from fr3_sim.instructions import unseen_instruction

WORDING_SEEDS = 0x40D5
COLOUR_NAMES = ("red", "green", "blue", "yellow")


class Wording(Enum):
    """What the robot is told."""

    PLAIN = "plain"
    UNSEEN = "in a wording that no demonstration has"
    BLANKED = "with the colours taken out"
    SHUFFLED = "the sentence of another scene"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: For the command line and the table.
        meaning: One phrase for people.
        parameters: Scene parameters beside seed and task.
        wording: How the task is put in words.
        other_block: The block that the seed did not draw is asked for.
    """

    name: str
    meaning: str
    parameters: dict[str, ScalarParameter] = field(default_factory=dict)
    wording: Wording = Wording.PLAIN
    other_block: bool = False

    def instruction(self, seed: int, block_colour: str, zone_colour: str) -> str:
        """The sentence for a task in the scene of ``seed``."""
        rng = np.random.default_rng([WORDING_SEEDS, seed])
        if self.wording is Wording.UNSEEN:
            return unseen_instruction(block_colour, zone_colour, rng)
        if self.wording is Wording.BLANKED:
            return "put the block in the zone"
        if self.wording is Wording.SHUFFLED:
            block_colour, zone_colour = rng.choice(COLOUR_NAMES, 2)
        return f"put the {block_colour} block in the {zone_colour} zone"


ROWS = (
    Row("nominal", "as demonstrated"),
    Row("swapped", "the other block is asked for", other_block=True),
    Row("blanked", "the sentence names no colours", wording=Wording.BLANKED),
    Row("shuffled", "the sentence of another scene", wording=Wording.SHUFFLED),
    Row(
        "extrinsics",
        "camera off by 1 deg and 1 cm",
        {"extrinsics_error_m": 0.01, "extrinsics_error_deg": 1.0},
    ),
    Row("depth_noise", "depth noise and holes of a D435", {"depth_noise": 1.0}),
    Row("wording", "unseen wording", wording=Wording.UNSEEN),
    Row("look", "unseen light and table texture", {"appearance": "unseen"}),
    Row("pushed", "the block is pushed away on the way", {"push_block": True}),
)

DEFAULTS: dict[str, ScalarParameter] = {
    "appearance": "nominal",
    "depth_noise": 0.0,
    "extrinsics_error_m": 0.0,
    "extrinsics_error_deg": 0.0,
    "push_block": False,
}
"""Scene parameters of a row that does not say otherwise."""
