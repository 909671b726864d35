"""Random changes of sentences that training should not notice, and the change that a mirror makes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

COLOUR_WORDS = frozenset(
    (
        "red",
        "green",
        "blue",
        "yellow",
        "orange",
        "purple",
        "pink",
        "cyan",
        "white",
        "black",
        "grey",
        "gray",
        "brown",
    )
)
"""Words that say which object is meant; they are never dropped or replaced."""

SIDE_WORDS = frozenset(("left", "right", "leftmost", "rightmost"))
"""Words that say which side is meant; they are never dropped or replaced."""

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
"""Letters of made-up words, in turns."""

LONGEST_MADE_UP_WORD = 4
"""Syllables of the longest made-up word."""

_WORD = re.compile(r"[\w']+")
_SIDE = re.compile(r"\b(left|right)(?=(?:most|ward|wards|hand|handed)?\b)", re.IGNORECASE)


@dataclass(frozen=True)
class WordsConfig:
    """Makes sentences sloppier, so that wordings never seen in training still work. Colours and sides always stay.

    Attributes:
        share: Share of sentences that are changed.
        insert: Probability of a made-up word before each word.
        replace: Probability that a word becomes a made-up one.
        drop: Probability that a word is left out.
    """

    share: float = 0.0
    insert: float = 0.25
    replace: float = 0.15
    drop: float = 0.10


def sloppy_sentence(sentence: str, config: WordsConfig, rng: np.random.Generator) -> str:
    """``sentence``, for a share of them with words inserted, replaced and left out."""
    if rng.random() >= config.share:
        return sentence
    words: list[str] = []
    for word in sentence.split():
        if rng.random() < config.insert:
            words.append(made_up_word(rng))
        fate = rng.random()
        if fate >= config.replace + config.drop or _is_protected(word):
            words.append(word)
        elif fate < config.replace:
            words.append(made_up_word(rng))
    return " ".join(words)


def made_up_word(rng: np.random.Generator) -> str:
    """A word that means nothing."""
    syllables = int(rng.integers(1, LONGEST_MADE_UP_WORD + 1))
    consonants = rng.integers(len(CONSONANTS), size=syllables)
    vowels = rng.integers(len(VOWELS), size=syllables)
    return "".join(CONSONANTS[i] + VOWELS[j] for i, j in zip(consonants, vowels, strict=True))


def mirror_words(sentence: str) -> str:
    """``sentence`` with left and right exchanged: also in leftmost, leftward, left-hand and their like."""
    return _SIDE.sub(
        lambda match: _like(match[0], "right" if match[0].lower() == "left" else "left"), sentence
    )


def _like(model: str, word: str) -> str:
    """``word`` in the case of ``model``."""
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word


def _is_protected(word: str) -> bool:
    return any(part in COLOUR_WORDS or part in SIDE_WORDS for part in _WORD.findall(word.lower()))
