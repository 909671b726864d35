"""What runs the network: an engine conditions once per image and sentence, then takes Euler steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EngineCondition:
    """Conditioning of one prediction.

    Attributes:
        inputs: What the engine's own sampler takes.
        query_points: (3, 3) u, v in fractions of the image and z [m] of object, zone and hand as the network
            sees them; None where a network has no such notion.
    """

    inputs: Any
    query_points: NDArray[np.float32] | None = None


class Engine(Protocol):
    """Runs a checkpoint's network."""

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """Conditioning from (side, side, 3) colour, (side, side) depth [m], 0 = hole, and an instruction."""

    def step(
        self, state: NDArray[np.float32], time: float, next_time: float, condition: EngineCondition
    ) -> NDArray[np.float32]:
        """One Euler step of normalised increments (points, horizon, 3) from ``time`` to ``next_time``."""
