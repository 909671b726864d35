"""Bytes of array-like message fields.

``rclpy`` checks every element of a list or ``bytes`` that is assigned to a ``uint8[]`` field, but takes an
``array.array("B")`` as it is: one copy, microseconds instead of a tenth of a second for a camera image.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray


def encode_bytes(values: NDArray[np.generic]) -> array[int]:
    """The bytes of ``values`` in C order, in the form ``rclpy`` takes without looking at each element."""
    data = array("B")
    data.frombytes(memoryview(np.ascontiguousarray(values)).cast("B"))
    return data
