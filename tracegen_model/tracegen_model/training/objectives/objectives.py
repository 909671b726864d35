"""The objective that fits a network."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.training.objectives.flow_objective import FlowObjective
from tracegen_model.training.objectives.nano_objective import NanoObjective
from tracegen_model.training.objectives.objective import Objective
from tracegen_model.training.run_config import ObjectiveConfig


def make_objective(
    network: TraceNetwork,
    checkpoint: CheckpointConfig,
    config: ObjectiveConfig,
    autocast: torch.dtype = torch.float32,
    add_features: Callable[[ImageBatch], ImageBatch] | None = None,
) -> Objective:
    """What is minimised in ``network``.

    Args:
        network: The network.
        checkpoint: How increments are scaled and clamped, and how many sentences are left out.
        config: Settings of the objective itself.
        autocast: Type that the network computes in.
        add_features: See :class:`FlowObjective`.
    """
    shared = (
        checkpoint.increment_scale,
        checkpoint.clip_increments,
        checkpoint.condition_dropout,
        autocast,
    )
    if isinstance(network, NanoTraceGen):
        return NanoObjective(network, *shared, config.nano)
    return FlowObjective(network, *shared, config.flow, add_features)
