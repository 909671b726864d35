"""Where tensors lie in safetensors files, so that graphs can refer to them instead of holding copies."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LENGTH_BYTES = 8
"""Size of the header's length, at the start of a safetensors file."""

TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32", "U8": "uint8"}
"""Names of the number types that safetensors files and NumPy share."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor's bytes in a file.

    Attributes:
        file: Name of the file.
        offset: Where they start, from the start of the file [bytes].
        length: Their number.
        name: What the file calls the tensor.
    """

    file: str
    offset: int
    length: int
    name: str


class StoredTensors:
    """Finds tensors in safetensors files by what they hold.

    Args:
        folder: Where the files are.
        files: Their names, the preferred ones first.
    """

    def __init__(self, folder: Path, files: Iterable[str]) -> None:
        self._found: dict[tuple[str, tuple[int, ...], bytes], list[StoredTensor]] = {}
        for file in files:
            self._add(folder, file)

    def find(self, name: str, values: NDArray) -> StoredTensor | None:
        """A stored tensor that equals ``values``, to the last bit; None when there is none.

        Args:
            name: Of several equal ones, the one whose name ends most like this is taken.
            values: The tensor.
        """
        key = (values.dtype.name, values.shape, hashlib.sha256(np.ascontiguousarray(values)).digest())
        return max(self._found.get(key, ()), key=lambda stored: _common_end(stored.name, name), default=None)

    def _add(self, folder: Path, file: str) -> None:
        with (folder / file).open("rb") as stream:
            length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
            entries = json.loads(stream.read(length))
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        with content, memoryview(content) as view:
            for name, entry in entries.items():
                if name == "__metadata__" or entry["dtype"] not in TYPES:
                    continue
                start, end = (LENGTH_BYTES + length + offset for offset in entry["data_offsets"])
                key = (
                    TYPES[entry["dtype"]],
                    tuple(entry["shape"]),
                    hashlib.sha256(view[start:end]).digest(),
                )
                self._found.setdefault(key, []).append(StoredTensor(file, start, end - start, name))


def _common_end(one: str, other: str) -> int:
    """Length of the longest common ending."""
    equal = (a == b for a, b in zip(reversed(one), reversed(other), strict=False))
    return sum(takewhile(bool, equal))
