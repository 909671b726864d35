"""Keeps an engine running: closes one that broke, and loads the next best one, or the same one after a pause.

With ``auto``, an engine that broke is passed over until all others have broken or been refused too; then all are
tried again. An engine that was asked for by name is loaded again. Between attempts that fail lies a pause that doubles.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tracegen_model.network.checkpoint_config import CheckpointError
from tracegen_model.runtime.engines import (
    BEST_ENGINE,
    ENGINES,
    Engine,
    EngineDescription,
    EngineError,
    EngineRequest,
    LoadedEngine,
    load_engine,
)

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
"""Pause after the first attempt that failed [s]."""

LONGEST_PAUSE_S = 30.0
"""The pause doubles until it is this long [s]."""


@dataclass(frozen=True)
class EngineState:
    """What runs the network at the moment.

    Attributes:
        running: The engine that is loaded; None while there is none.
        refused: Why others, which would have been preferred, do not run.
        loading: An engine is being loaded.
    """

    running: EngineDescription | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    loading: bool = False


class EngineSupervisor:
    """Loads an engine, and another one when it breaks.

    Everything but ``state`` is for one thread.

    Args:
        name: A key of ``ENGINES``, or ``BEST_ENGINE``.
        request: What it is loaded for.
        load: Loads an engine: name, request, engines to pass over.
        clock: Any clock that only moves forward [s].

    Raises:
        CheckpointError: No such engine, none that works here, or the checkpoint's files do not suit it.
        EngineError: The engine asked for by name broke while it was loaded.
    """

    def __init__(
        self,
        name: str,
        request: EngineRequest,
        load: Callable[[str, EngineRequest, Mapping[str, str]], LoadedEngine] = load_engine,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._request = request
        self._load = load
        self._clock = clock
        self._broken: dict[str, str] = {}
        self._failures = 0
        self._retry_at_s = -float("inf")
        self._last_error = ""
        self._state = EngineState()
        self._engine: Engine | None = self._load_engine()

    @property
    def state(self) -> EngineState:
        """What runs at the moment; from any thread."""
        return self._state

    @property
    def alternatives(self) -> int:
        """How many engines may be tried, one after the other."""
        return len(ENGINES) if self._name == BEST_ENGINE else 1

    def engine(self) -> Engine:
        """The engine that runs, loaded again if the last one broke.

        Raises:
            EngineError: None could be loaded, or it is too early to try again.
        """
        if self._engine is not None:
            return self._engine
        wait_s = self._retry_at_s - self._clock()
        if wait_s > 0.0:
            raise EngineError(f"{self._last_error}; trying again in {wait_s:.0f} s")
        try:
            self._engine = self._load_engine()
        except (CheckpointError, EngineError) as error:
            self._broken.clear()
            self._pause(str(error))
            raise EngineError(self._last_error) from error
        logger.warning("the network runs on %s now", self._engine.description)
        return self._engine

    def drop(self, error: EngineError) -> None:
        """The engine broke: let go of it, and name why until another one runs."""
        if self._engine is None:
            return
        name = self._engine.description.name
        reason = f"broke while running: {error}"
        self.close()
        self._broken[name] = reason
        self._state = EngineState(refused=dict(self._broken))
        if self._name == BEST_ENGINE:
            self._last_error = f"engine {name} {reason}"
        else:
            self._pause(f"engine {name} {reason}")

    def close(self) -> None:
        """Let go of the engine."""
        if self._engine is None:
            return
        try:
            self._engine.close()
        except Exception as error:  # A device that is lost cannot be let go of in good order.
            logger.warning("engine %s did not close: %s", self._engine.description.name, error)
        self._engine = None

    def succeeded(self) -> None:
        """The engine did its work."""
        self._failures = 0

    def _pause(self, reason: str) -> None:
        pause_s = min(FIRST_PAUSE_S * 2.0**self._failures, LONGEST_PAUSE_S)
        self._failures += 1
        self._retry_at_s = self._clock() + pause_s
        self._last_error = reason

    def _load_engine(self) -> Engine:
        self._state = EngineState(refused=self._state.refused, loading=True)
        try:
            loaded = self._load(self._name, self._request, self._broken)
        except (CheckpointError, EngineError):
            self._state = EngineState(refused=self._state.refused)
            raise
        self._state = EngineState(loaded.engine.description, {**self._broken, **loaded.refused})
        return loaded.engine
