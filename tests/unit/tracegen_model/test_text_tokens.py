"""Words become the same ids everywhere, and augmentation never touches a colour."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from tracegen_model.data.augmentation import COLOUR_WORDS, WordAugmentation
from tracegen_model.network.nano.text_tokens import word_id, word_ids


def test_ids_do_not_change_from_process_to_process() -> None:
    code = (
        "from tracegen_model.network.nano.text_tokens import word_ids;"
        "print(word_ids('Put the red block, please!', 8, 4096).tolist())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(word_ids("put the RED block please", 8, 4096).tolist())
    assert word_id("red", 4096) == 1696


def test_long_sentences_are_cut_and_short_ones_padded() -> None:
    assert word_ids("one two three", 5, 100).tolist()[3:] == [0, 0]
    assert (word_ids("a b c d e f", 4, 100) > 0).all()


def test_colours_have_ids_of_their_own() -> None:
    assert len({word_id(colour, 4096) for colour in COLOUR_WORDS}) == len(COLOUR_WORDS)


def test_augmentation_keeps_every_colour_in_order() -> None:
    augment = WordAugmentation(share=1.0, insert=0.5, replace=0.5, drop=0.4)
    rng = np.random.default_rng(0)
    red, green = word_id("red", 1 << 20), word_id("green", 1 << 20)
    for _ in range(50):
        ids = augment("put the red block in the green zone", 1 << 20, rng)
        assert [value for value in ids if value in (red, green)] == [red, green]


def test_augmentation_changes_words_and_can_be_switched_off() -> None:
    plain = [word_id(word, 4096) for word in ("put", "the", "red", "block")]
    rng = np.random.default_rng(0)
    assert WordAugmentation(share=0.0)("put the red block", 4096, rng) == plain
    assert any(WordAugmentation(share=1.0)("put the red block", 4096, rng) != plain for _ in range(10))
