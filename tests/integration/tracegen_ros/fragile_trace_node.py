"""``trace_node`` and its real predictor, on two engines that need no network and fail when they are told to.

Engine "fragile" is the better one, engine "sturdy" the next. The instruction's words say what they do:

"break"       fragile breaks
"break all"   both break
"hang"        an inference waits until the file named on the command line is there
"late"        an inference takes LATE_S
"""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.engines import (
    ENGINES,
    EngineCondition,
    EngineDescription,
    EngineError,
    EngineKind,
    EngineRequest,
)
from tracegen_ros import inference_loop

LATE_S = 1.2
POLL_S = 0.01
logger = logging.getLogger("tracegen_model.runtime.engines.fragile")
gate = Path(sys.argv[1])


def wait_for_gate() -> None:
    while not gate.exists():
        threading.Event().wait(POLL_S)


class ObedientEngine:
    """Every point goes along the image's columns."""

    def __init__(self, name: str, request: EngineRequest) -> None:
        self._name = name
        if name == "fragile":
            logger.info("engine is 40 % built")
            wait_for_gate()

    @property
    def description(self) -> EngineDescription:
        return EngineDescription(self._name, "a device", "float32", "without a network")

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        if "break all" in instruction or ("break" in instruction and self._name == "fragile"):
            raise EngineError("out of memory")
        if "hang" in instruction:
            wait_for_gate()
        if "late" in instruction:
            threading.Event().wait(LATE_S)
        return EngineCondition(None)

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        return np.broadcast_to(np.array([1.0, 0.0, 0.0], np.float32), state.shape)

    def close(self) -> None:
        pass


def add_engine(name: str, missing: str | None = None) -> None:
    ENGINES[name] = EngineKind(
        name, ("float32",), lambda: missing, lambda request: ObedientEngine(name, request)
    )


ENGINES.clear()
add_engine("absent", "needs a GPU")
add_engine("fragile")
add_engine("sturdy")

# What hangs here does not end by itself.
inference_loop.LONGEST_GOODBYE_S = 1.0

if __name__ == "__main__":
    # The node reads the names of the engines when it is imported.
    from tracegen_ros.nodes.trace_node import TraceNode
    from tracegen_ros.spinning import run_node

    sys.exit(run_node(TraceNode))
