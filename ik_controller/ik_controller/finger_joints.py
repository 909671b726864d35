"""How the positions of the finger joints and the opening between the fingertips go together.

The opening w is affine in the positions p of the joints that a gripper reports, w = w_0 + g^T p: two fingers that slide
have g = (1, 1) and w_0 = 0; a knuckle that closes with its angle has w_0 > 0 and one negative g. The other way round,
the least positions that make an opening are p = g (w - w_0) / (g^T g).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class FingerJoints:
    """The joints that a gripper reports.

    Attributes:
        names: (F,) as in joint states.
        opening_per_position: (F,) what each adds to the opening [m per metre or radian].
        opening_at_zero: Opening where all positions are zero [m].
    """

    names: tuple[str, ...]
    opening_per_position: FloatArray
    opening_at_zero: float = 0.0

    def opening(self, positions: FloatArray) -> float:
        """Opening between the fingertips [m] at joint ``positions`` (F,) [m or rad]."""
        return self.opening_at_zero + float((self.opening_per_position * positions).sum())

    def from_middle(self, positions: FloatArray) -> tuple[float, float]:
        """How far the finger on the +y side of the hand, and the other one, are from the middle [m].

        Two joints are the two fingers; of any other number the fingers are mirror images.
        """
        if len(self.names) == 2:
            first, second = self.opening_at_zero / 2 + self.opening_per_position * positions
            return float(first), float(second)
        return self.opening(positions) / 2, self.opening(positions) / 2

    def positions(self, opening: float) -> FloatArray:
        """(F,) joint positions [m or rad] at ``opening`` [m]."""
        gain = self.opening_per_position
        return gain * (opening - self.opening_at_zero) / (gain @ gain)
