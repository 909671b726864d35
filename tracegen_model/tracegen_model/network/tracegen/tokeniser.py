"""Sentences to the word pieces that T5 reads. Needs no torch."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.tracegen.encoder_weights import HASHED_WORDS, TOKENISER_FILE, EncoderWeightsError

if TYPE_CHECKING:
    import tokenizers

PADDING_ID, END_ID, FIRST_WORD_ID = 0, 1, 3
"""T5's ids of padding and of the end of a sentence, and the first that stands for neither them nor "unknown"."""

PADDING, END = "<pad>", "</s>"
"""T5's spelling of them."""


class Tokeniser(Protocol):
    """Sentences to ids, padded to a fixed length."""

    def __call__(self, sentences: Sequence[str]) -> NDArray[np.int64]:
        """(B, length) int64 ids; ``PADDING_ID`` after the end of a sentence, which is cut if too long."""
        ...

    def digest(self) -> str:
        """SHA-256 of what decides about ids, in hexadecimal, or ``HASHED_WORDS``."""
        ...


class T5Tokeniser:
    """T5's own word pieces.

    Args:
        path: ``tokenizer.json`` of the model.
        length: Ids of a sentence.
    """

    def __init__(self, path: Path, length: int) -> None:
        self._pieces = _read(path)
        for token, expected in ((PADDING, PADDING_ID), (END, END_ID)):
            found = self._pieces.token_to_id(token)
            if found != expected:
                raise EncoderWeightsError(
                    f"{path} is no tokeniser of T5: expected {token} to have the id {expected}, found {found}"
                )
        self._pieces.no_padding()
        self._pieces.no_truncation()
        self._definition = self._pieces.to_str()
        self._pieces.enable_truncation(length)
        self._pieces.enable_padding(length=length, pad_id=PADDING_ID, pad_token=PADDING)

    def __call__(self, sentences: Sequence[str]) -> NDArray[np.int64]:
        """See :class:`Tokeniser`."""
        encodings = self._pieces.encode_batch(list(sentences))
        return np.array([encoding.ids for encoding in encodings], np.int64)

    def digest(self) -> str:
        """See :class:`Tokeniser`."""
        return hashlib.sha256(self._definition.encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json`` to ``folder``."""
        (folder / TOKENISER_FILE).write_text(self._definition, encoding="utf-8")


class HashedWords:
    """A stand-in for use with random towers: words to ids by a stable hash.

    Args:
        length: Ids of a sentence.
        vocabulary: Number of ids.
    """

    def __init__(self, length: int, vocabulary: int) -> None:
        self._length, self._vocabulary = length, vocabulary

    def __call__(self, sentences: Sequence[str]) -> NDArray[np.int64]:
        """See :class:`Tokeniser`."""
        ids = np.full((len(sentences), self._length), PADDING_ID, np.int64)
        for row, sentence in enumerate(sentences):
            words = [self._id(word) for word in sentence.lower().split()[: self._length - 1]]
            ids[row, : len(words) + 1] = [*words, END_ID]
        return ids

    def digest(self) -> str:
        """See :class:`Tokeniser`."""
        return HASHED_WORDS

    def _id(self, word: str) -> int:
        return FIRST_WORD_ID + zlib.crc32(word.encode()) % (self._vocabulary - FIRST_WORD_ID)


def _read(path: Path) -> tokenizers.Tokenizer:
    """The tokeniser in ``path``; raises EncoderWeightsError when there is none, or nothing that reads it."""
    # Nobody but T5 needs the library.
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise EncoderWeightsError(
            f"{path} needs the package tokenizers: pip install 'tracegen-model[published]'"
        ) from error
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # The library raises plain Exception.
        raise EncoderWeightsError(f"{path} is no readable tokeniser: {error}") from error
