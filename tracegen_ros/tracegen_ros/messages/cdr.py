"""Messages with long arrays, serialised by hand: plain CDR, little endian, as every ROS 2 middleware reads it.

``rclpy`` turns each element of an array of messages into a Python object, 40 us a line of a marker; a publisher also
takes the bytes of a finished message, and those numpy writes in one piece.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_ENCAPSULATION = b"\x00\x01\x00\x00"
"""What a serialised message begins with: plain CDR, little endian, no options. Alignment counts from behind it."""


class CdrWriter:
    """Appends fields in the order of a message definition."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = []
        self._size = 0

    def put(self, form: str, *values: float) -> None:
        """Numbers of one size, such as ``put("d", x, y, z)``: a letter of ``struct`` for all of them."""
        self._append(struct.calcsize(form), struct.pack(f"<{len(values)}{form}", *values))

    def put_text(self, text: str) -> None:
        """A string."""
        data = text.encode() + b"\0"
        self.put("I", len(data))
        self._append(1, data)

    def put_rows(self, rows: NDArray[np.float32] | NDArray[np.float64]) -> None:
        """A sequence of structs that each have ``rows.shape[1]`` numbers of the array's type and nothing else."""
        self.put("I", len(rows))
        if len(rows):
            stored = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
            self._append(stored.itemsize, memoryview(np.ascontiguousarray(stored)).cast("B"))

    def put_nothing(self, count: int = 1) -> None:
        """So many empty sequences."""
        self.put("I", *[0] * count)

    def message(self) -> bytes:
        """The serialised message."""
        return b"".join([_ENCAPSULATION, *self._parts])

    def _append(self, alignment: int, data: bytes | memoryview) -> None:
        padding = -self._size % alignment
        if padding:
            self._parts.append(bytes(padding))
        self._parts.append(data)
        self._size += padding + len(data)
