"""What the robot is told in each row of the benchmark."""

from __future__ import annotations

from tests.closed_loop.rows import DEFAULTS, ROWS

from fr3_sim.instructions import TRAINING_FRAMES, UNSEEN_FRAMES

SEED = 100_000
BY_NAME = {row.name: row for row in ROWS}


def test_every_row_sets_only_parameters_that_the_others_reset() -> None:
    for row in ROWS:
        assert set(row.parameters) <= set(DEFAULTS)


def test_the_plain_sentence_names_both_colours() -> None:
    assert BY_NAME["nominal"].instruction(SEED, "red", "blue") == "put the red block in the blue zone"


def test_the_blanked_sentence_names_no_colour() -> None:
    sentence = BY_NAME["blanked"].instruction(SEED, "red", "blue")
    assert not {"red", "green", "blue", "yellow"} & set(sentence.split())


def test_the_shuffled_sentence_does_not_depend_on_the_task() -> None:
    row = BY_NAME["shuffled"]
    assert row.instruction(SEED, "red", "blue") == row.instruction(SEED, "green", "yellow")


def test_an_unseen_wording_is_none_of_those_in_the_demonstrations() -> None:
    assert not set(UNSEEN_FRAMES) & set(TRAINING_FRAMES)
    sentence = BY_NAME["wording"].instruction(SEED, "red", "blue")
    assert sentence in {frame.format(block="red", zone="blue") for frame in UNSEEN_FRAMES}
