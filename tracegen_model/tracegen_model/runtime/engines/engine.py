"""What runs the network: an engine conditions once per image and sentence, then turns noise into traces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
from tracegen_model.network.integrators import SamplingPlan

BEST_PRECISION = "auto"
"""Asks an engine for the fastest precision that it passes the accuracy gates with."""

REMEMBERED_SENTENCES = 64
"""Sentences whose encoding an engine keeps; 0.4 MB each at the published size."""


class EngineError(RuntimeError):
    """An engine broke while running, out of memory or its device lost for example; it has to be loaded again."""


class EngineUnavailable(CheckpointError):
    """The engine does not run on this machine, or not this checkpoint; the message says what it lacks."""


@dataclass(frozen=True)
class EngineDescription:
    """What an engine is, for people.

    Attributes:
        name: Key of the registry.
        device: Where it runs, such as "CPU, 1 thread" or a GPU's name.
        precision: Of the heavy arithmetic: float32, bfloat16, float16, int8.
        detail: Library and version, then after a comma whatever else explains its speed.
    """

    name: str
    device: str
    precision: str
    detail: str

    @property
    def library(self) -> str:
        """Library and version alone."""
        return self.detail.partition(",")[0]

    def __str__(self) -> str:
        return f"{self.name} on {self.device} in {self.precision} ({self.detail})"


@dataclass(frozen=True)
class EngineRequest:
    """What an engine is loaded for.

    Attributes:
        folder: The checkpoint.
        config: Its config.
        plan: How noise will become traces; engines prepare for it, and take others too, if more slowly.
        threads: CPU threads that it may use.
        precision: ``BEST_PRECISION``, or one that the engine offers.
        samples: Number of samples K that will be drawn together; others work too, if more slowly.
    """

    folder: Path
    config: CheckpointConfig
    plan: SamplingPlan
    threads: int = 1
    precision: str = BEST_PRECISION
    samples: int = 1


@dataclass(frozen=True)
class EngineCondition:
    """Conditioning of one prediction.

    Attributes:
        inputs: What the engine's own sampler takes. It stays valid until the engine conditions again.
        query_points: (3, 3) u, v in fractions of the image and z [m] of object, zone and hand as the network
            sees them; None where a network has no such notion.
    """

    inputs: Any
    query_points: NDArray[np.float32] | None = None


class Engine(Protocol):
    """Runs a checkpoint's network. It is used by one thread at a time."""

    @property
    def description(self) -> EngineDescription:
        """What it is."""

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """Conditioning from (side, side, 3) colour, (side, side) depth [m], 0 = hole, and an instruction.

        Raises:
            EngineError: The engine broke.
        """

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        """Normalised increments (K, points, horizon, 3) that ``state`` (K, points, horizon, 3) flows to.

        Args:
            state: At the plan's first time: noise, or traces with noise mixed in.
            condition: The latest of this engine.
            plan: How to step.

        Raises:
            EngineError: The engine broke.
        """

    def close(self) -> None:
        """Let go of memory and device; it cannot be used afterwards."""


@dataclass(frozen=True)
class EngineKind:
    """A way to run networks.

    Attributes:
        name: Its key.
        precisions: Those that it offers, the default first.
        why_unavailable: What this machine lacks to run it, with what to do about it; None when nothing is missing.
        load: Makes an engine; raises CheckpointError when the checkpoint's files do not suit it.
        why_not_best: Why ``auto`` passes over it on this machine although it runs; None when it does not.
        why_no_precision: What this machine lacks for one of the precisions; None when nothing is missing.
    """

    name: str
    precisions: tuple[str, ...]
    why_unavailable: Callable[[], str | None]
    load: Callable[[EngineRequest], Engine]
    why_not_best: Callable[[], str | None] = lambda: None
    why_no_precision: Callable[[str], str | None] = lambda precision: None
