"""What every engine refuses: inputs of other shapes, conditions but the latest, results that are not finite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.runtime.engines.engine import Engine, EngineCondition, EngineDescription, EngineError


class EngineInputError(ValueError):
    """An engine is given what it cannot use: another shape or type, or a condition that is not its latest."""


@dataclass(frozen=True)
class _Array:
    """What an input must be; sizes that may vary are None."""

    name: str
    shape: tuple[int | None, ...]
    dtype: type[np.generic]

    def check(self, value: NDArray) -> None:
        fits = len(value.shape) == len(self.shape) and all(
            found > 0 if size is None else found == size
            for found, size in zip(value.shape, self.shape, strict=True)
        )
        if not fits or value.dtype != self.dtype:
            shape = ", ".join("K" if size is None else str(size) for size in self.shape)
            raise EngineInputError(
                f"{self.name} must be ({shape}) {self.dtype.__name__}, got {value.shape} {value.dtype}"
            )


class CheckedEngine:
    """An engine that is given nothing it cannot use, and whose traces are numbers.

    Args:
        engine: What does the work.
        network: Sizes of its network.
    """

    def __init__(self, engine: Engine, network: NetworkConfig) -> None:
        self._engine: Engine | None = engine
        self._description = engine.description
        side = network.image_side
        self._colour = _Array("colour", (side, side, 3), np.uint8)
        self._depth = _Array("depth", (side, side), np.float32)
        self._state = _Array("state", (None, network.points, network.horizon, 3), np.float32)
        self._latest: EngineCondition | None = None

    @property
    def description(self) -> EngineDescription:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        return self._description

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`.

        Raises:
            EngineInputError: An image is of another shape or type.
        """
        engine = self._open_engine()
        self._colour.check(colour)
        self._depth.check(depth)
        self._latest = None
        self._latest = engine.condition(colour, depth, instruction)
        return self._latest

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`.

        Raises:
            EngineInputError: The state is of another shape or type, or the condition is not the engine's latest.
        """
        engine = self._open_engine()
        self._state.check(state)
        if condition is not self._latest:
            raise EngineInputError("expected the latest condition of this engine, got another one")
        traces = engine.sample(state, condition, plan)
        if not np.isfinite(traces).all():
            raise EngineError(
                f"{self._description} made traces that are no finite numbers; use a wider precision"
            )
        return traces

    def close(self) -> None:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        engine, self._engine, self._latest = self._engine, None, None
        if engine is not None:
            engine.close()

    def _open_engine(self) -> Engine:
        if self._engine is None:
            raise EngineError(f"engine {self._description.name} is closed; load it again")
        return self._engine
