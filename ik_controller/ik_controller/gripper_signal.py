"""A gripper signal from somebody else, as a learned policy or a person at a button gives it.

It says how far the fingers shall be open along the path that lies ahead, sampled at any lengths of it:

    a policy with a gripper output       lengths = of each of its steps, openings = its output
    a button that closes the fingers     lengths = [0], openings = [0]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class GripperSignalError(ValueError):
    """Arrays that do not form a gripper signal."""


@dataclass(frozen=True)
class GripperSignal:
    """What the fingers shall do along the hand's path.

    Attributes:
        stamp_s: When the hand stood at length 0 [s].
        lengths: (K,) of the path [m], increasing, not negative.
        openings: (K,) share 0 (shut) .. 1 (open) that is wanted from each of them on.

    Raises:
        GripperSignalError: where they are not.
    """

    stamp_s: float
    lengths: FloatArray
    openings: FloatArray

    def __post_init__(self) -> None:
        lengths, openings = np.asarray(self.lengths, dtype=float), np.asarray(self.openings, dtype=float)
        if lengths.ndim != 1 or lengths.shape != openings.shape or not lengths.size:
            raise GripperSignalError(
                f"expected as many lengths as openings, got {lengths.shape} and {openings.shape}"
            )
        if not (np.isfinite([*lengths, *openings, self.stamp_s]).all() and lengths[0] >= 0.0):
            raise GripperSignalError(
                f"the stamp, lengths and openings must be finite and lengths not negative: {self}"
            )
        if (np.diff(lengths) <= 0.0).any():
            raise GripperSignalError(f"lengths must increase, got {lengths}")
        object.__setattr__(self, "lengths", lengths)
        object.__setattr__(self, "openings", openings)

    def next_change(self, holding: bool, threshold: float) -> float | None:
        """Length [m] at which shut fingers (``holding``) shall open beyond ``threshold``, or open ones shut."""
        wanted = self.openings >= threshold if holding else self.openings < threshold
        return float(self.lengths[np.argmax(wanted)]) if wanted.any() else None
