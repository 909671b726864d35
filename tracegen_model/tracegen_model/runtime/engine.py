"""What runs the network: an engine conditions once per image and sentence, then takes Euler steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EngineCondition:
    """Conditioning of one prediction.

    Attributes:
        arrays: What the sampler takes, by the name of its input.
        query_points: (3, 3) u, v in fractions of the image and z [m] of object, zone and hand as the network
            sees them.
    """

    arrays: dict[str, NDArray[np.float32]]
    query_points: NDArray[np.float32]


class Engine(Protocol):
    """Runs a checkpoint's network."""

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], words: NDArray[np.int64]
    ) -> EngineCondition:
        """Conditioning from (side, side, 3) colour, (side, side) depth [m], 0 = hole, and (L,) word ids."""

    def step(
        self, state: NDArray[np.float32], time: float, next_time: float, condition: EngineCondition
    ) -> NDArray[np.float32]:
        """One Euler step of normalised increments (points, horizon, 3) from ``time`` to ``next_time``."""
