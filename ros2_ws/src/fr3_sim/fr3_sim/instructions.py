"""Sentences that ask for a block to be moved to a zone, in many wordings.

``training_instruction`` draws from the wordings that demonstrations use; ``unseen_instruction`` from wordings none of
them has: other verbs, other nouns, other sentence frames.
"""

from __future__ import annotations

import numpy as np

TRAINING_VERBS = ("put", "place", "move", "set", "bring", "drop", "leave", "lay")
TRAINING_BLOCK_NOUNS = ("block", "cube", "box")
TRAINING_ZONE_NOUNS = ("zone", "area", "circle", "region")
TRAINING_PREPOSITIONS = ("in", "on", "into", "onto", "to")
TRAINING_FRAMES = (
    "{verb} the {block} {block_noun} {preposition} the {zone} {zone_noun}",
    "{verb} the {block} {block_noun} {preposition} the {zone} {zone_noun}",
    "{verb} {block} {block_noun} {preposition} {zone} {zone_noun}",
    "please {verb} the {block} {block_noun} {preposition} the {zone} {zone_noun}",
    "pick up the {block} {block_noun} and {verb} it {preposition} the {zone} {zone_noun}",
    "take the {block} {block_noun} and {verb} it {preposition} the {zone} {zone_noun}",
    "can you {verb} the {block} {block_noun} {preposition} the {zone} {zone_noun}",
    "{preposition} the {zone} {zone_noun} {verb} the {block} {block_noun}",
    "the {block} {block_noun} goes {preposition} the {zone} {zone_noun}",
    "the {zone} {zone_noun} is where the {block} {block_noun} goes",
    "I want the {block} {block_noun} {preposition} the {zone} {zone_noun}",
    "{block} {block_noun} {preposition} {zone} {zone_noun}",
)

UNSEEN_FRAMES = (
    "could you carry the {block} block over to the {zone} spot",
    "relocate the {block} cube to the {zone} zone now",
    "I would like the {block} block to end up inside the {zone} circle",
    "transfer the {block} brick onto the {zone} zone",
    "the {zone} zone should contain the {block} cube",
    "let the {block} block rest upon the {zone} disc",
    "grab the {block} cube then release it over the {zone} area",
    "your job is to get the {block} block to the {zone} region",
)


def training_instruction(block_colour: str, zone_colour: str, rng: np.random.Generator) -> str:
    """A sentence in one of the wordings that demonstrations use."""
    return str(rng.choice(TRAINING_FRAMES)).format(
        verb=rng.choice(TRAINING_VERBS),
        block=block_colour,
        block_noun=rng.choice(TRAINING_BLOCK_NOUNS),
        preposition=rng.choice(TRAINING_PREPOSITIONS),
        zone=zone_colour,
        zone_noun=rng.choice(TRAINING_ZONE_NOUNS),
    )


def unseen_instruction(block_colour: str, zone_colour: str, rng: np.random.Generator) -> str:
    """A sentence in a wording that no demonstration uses."""
    return str(rng.choice(UNSEEN_FRAMES)).format(block=block_colour, zone=zone_colour)
