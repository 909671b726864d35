"""Records the setpoints that the arm really got, for judging them afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

CHUNK = 4096


@dataclass(frozen=True)
class CommandRecord:
    """The effective command stream, one row a physics step.

    Attributes:
        times_s: (T,) [s].
        positions: (T, J) commanded joint positions [rad].
    """

    times_s: FloatArray
    positions: FloatArray


class CommandRecorder:
    """Appends setpoints to arrays that grow in chunks."""

    def __init__(self, joint_count: int) -> None:
        self._rows = np.empty((CHUNK, 1 + joint_count))
        self._count = 0

    def clear(self) -> None:
        """Forget everything."""
        self._count = 0

    def append(self, time_s: float, position: FloatArray) -> None:
        """Add the setpoint ``position`` (J,) [rad] of ``time_s`` [s]."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._count, 0] = time_s
        self._rows[self._count, 1:] = position
        self._count += 1

    def record(self) -> CommandRecord:
        """A copy of what has been recorded since the last ``clear``."""
        rows = self._rows[: self._count].copy()
        return CommandRecord(rows[:, 0], rows[:, 1:])
