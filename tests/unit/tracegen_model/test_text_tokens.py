"""Words become the same ids everywhere."""

from __future__ import annotations

import subprocess
import sys

from tracegen_model.data.sentence_augmentation import COLOUR_WORDS
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
