"""The objective that fits a network."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tracegen_model.data.episode import PointKind
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.training.objectives.distillation_objective import DistillationObjective
from tracegen_model.training.objectives.flow_objective import FlowObjective
from tracegen_model.training.objectives.nano_objective import NanoObjective, point_weights
from tracegen_model.training.objectives.objective import Objective
from tracegen_model.training.objectives.teacher import Teacher
from tracegen_model.training.run_config import ObjectiveConfig


def make_objective(
    network: TraceNetwork,
    checkpoint: CheckpointConfig,
    config: ObjectiveConfig,
    autocast: torch.dtype = torch.float32,
    add_features: Callable[[ImageBatch], ImageBatch] | None = None,
    teacher: Teacher | None = None,
) -> Objective:
    """What is minimised in ``network``.

    Args:
        network: The network.
        checkpoint: See :class:`Objective`.
        config: Settings of the objective itself.
        autocast: See :class:`Objective`.
        add_features: See :class:`Objective`.
        teacher: What ``network`` is a student of; None = it learns from the data.
    """
    if teacher is not None:
        nano = isinstance(network, NanoTraceGen)
        weights = point_weights(config.nano) if nano else torch.ones(len(PointKind))
        return DistillationObjective(
            network, checkpoint, autocast, config.distillation, teacher, weights, add_features
        )
    if isinstance(network, NanoTraceGen):
        return NanoObjective(network, checkpoint, autocast, config.nano)
    return FlowObjective(network, checkpoint, autocast, config.flow, add_features)
