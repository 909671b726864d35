"""What ONNX Runtime's engines of both networks share: how noise becomes traces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import SAMPLER_FILE, VELOCITY_FILE
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.engines.engine import EngineCondition, EngineDescription, EngineRequest
from tracegen_model.runtime.engines.onnx_checkpoint import OnnxCheckpoint
from tracegen_model.runtime.engines.onnx_session import OnnxGraph, read_array

UNROLLED_LIMIT = 256 * 1024**2
"""The CPU packs a graph's weights again for each of its steps; up to this much, all steps are one graph [bytes]."""


class OnnxEngine(ABC):
    """Takes a checkpoint's default plan in one graph where that fits into memory, and steps through all other plans.

    Args:
        request: What it is loaded for.
        checkpoint: Opens its graphs.

    Raises:
        CheckpointError: A graph is missing, damaged, or not of the sizes that the config says.
    """

    def __init__(self, request: EngineRequest, checkpoint: OnnxCheckpoint) -> None:
        self._description = checkpoint.description
        self._plan = request.config.default_plan
        network = request.config.network
        sizes = ("samples", network.points, network.horizon, 3)
        self._velocity = checkpoint.open(VELOCITY_FILE, state=sizes)
        self._sampler: OnnxGraph | None = None
        packed = checkpoint.weights_size(VELOCITY_FILE) * self._plan.evaluations
        if request.plan == self._plan and (not checkpoint.on_cpu or packed <= UNROLLED_LIMIT):
            self._sampler = checkpoint.open(SAMPLER_FILE, noise=sizes)

    @property
    def description(self) -> EngineDescription:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        return self._description

    @abstractmethod
    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""

    @abstractmethod
    def _at_time(self, time: float) -> Mapping[str, Any]:
        """What the velocity's graph takes in at a time of the flow, by name."""

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        if self._sampler is not None and plan == self._plan:
            return read_array(self._sampler.run({"noise": state, **condition.inputs})["traces"])

        def velocity(state: NDArray[np.float32], time: float) -> NDArray[np.float32]:
            given = {"state": state, **self._at_time(time), **condition.inputs}
            return read_array(self._velocity.run(given)["velocity"])

        return np.asarray(plan.integrate(velocity, state), np.float32)

    def close(self) -> None:
        """Let go of the sampler now, and of all else with the last reference to the engine."""
        self._sampler = None
