"""Words to ids by a stable hash: no vocabulary file, the same ids in every process and on every machine."""

from __future__ import annotations

import re
import zlib

import numpy as np
from numpy.typing import NDArray

PADDING = 0
"""Id of the empty places after the last word."""

WORD_RULES = "lower case; runs of letters, digits and apostrophes; id = 1 + crc32(utf-8) mod (vocabulary - 1)"
"""How a sentence becomes ids; written into checkpoints, which only work with the rules that they were trained with."""

_WORD = re.compile(r"[\w']+")


def words_of(sentence: str) -> list[str]:
    """Words of ``sentence`` in lower case, punctuation dropped."""
    return _WORD.findall(sentence.lower())


def word_id(word: str, vocabulary: int) -> int:
    """Id of a word in [1, vocabulary)."""
    return 1 + zlib.crc32(word.encode("utf-8")) % (vocabulary - 1)


def word_ids(sentence: str, length: int, vocabulary: int) -> NDArray[np.int64]:
    """(length,) ids of the first words of ``sentence``, padded with 0."""
    return pad_word_ids([word_id(word, vocabulary) for word in words_of(sentence)], length)


def pad_word_ids(ids: list[int], length: int) -> NDArray[np.int64]:
    """(length,) the first ``length`` ids, padded with 0."""
    out = np.full(length, PADDING, np.int64)
    kept = ids[:length]
    out[: len(kept)] = kept
    return out
