"""Distillation: the student's few steps end where the teacher's flow leads from the same noise.

Each number of steps N is trained as it is used: the N steps are taken, the error of the traces they end at is measured,
and its gradient goes back through all of them. So a later step learns to mend what the earlier ones really leave
undone. The first evaluation, at pure noise, is the same for every N and made once.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from tracegen_model.network import flow
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.flow_times import shifted_times
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.training.objectives.objective import Losses, Objective
from tracegen_model.training.objectives.teacher import Teacher
from tracegen_model.training.optimiser import TRANSFORMER
from tracegen_model.training.run_config import DistillationConfig
from tracegen_model.training.training_batch import TrainingBatch

CONDITION_PROJECTION = f"{TRANSFORMER}condition_projection."
"""What a condition has already been through in the published networks, though it belongs to their trace transformer."""


class DistillationObjective(Objective):
    """Distance of the student's traces to the teacher's.

    Args:
        network: The student, which starts with the teacher's weights.
        checkpoint: See :class:`Objective`.
        autocast: See :class:`Objective`.
        config: Its settings.
        teacher: The teacher. It also makes the conditions, and what it makes them with is not trained.
        kind_weights: (kinds,) weight of a point in the loss by what it lies on, see ``episode.PointKind``.
        add_features: See :class:`Objective`.
    """

    kind_weights: Tensor

    def __init__(
        self,
        network: TraceNetwork,
        checkpoint: CheckpointConfig,
        autocast: torch.dtype,
        config: DistillationConfig,
        teacher: Teacher,
        kind_weights: Tensor,
        add_features: Callable[[ImageBatch], ImageBatch] | None = None,
    ) -> None:
        super().__init__(network, checkpoint, autocast, add_features)
        self._config = config
        self.teacher = teacher
        self.register_buffer("kind_weights", kind_weights, persistent=False)
        for name, weight in network.named_parameters():
            weight.requires_grad_(name.startswith(TRANSFORMER) and not name.startswith(CONDITION_PROJECTION))

    def trained_tensors(self) -> dict[str, nn.Parameter]:
        """The parameters of the checkpoint; those that make conditions stay what the teacher's are."""
        frozen = self.network.frozen_parameters()
        return {name: value for name, value in self.network.named_parameters() if name not in frozen}

    def totals(self, batch: TrainingBatch) -> Tensor:
        """(2,) sum of the points' weights, number of samples."""
        weights = self.kind_weights[batch.samples.point_kinds.to(self.kind_weights.device)]
        return torch.stack([weights.sum(), weights.new_tensor(len(batch.samples))]).to(torch.float64)

    def losses(self, batch: TrainingBatch, progress: float, totals: Tensor) -> Losses:
        """See :class:`Objective`. Terms: the error after N steps, and the distance in shares of the traces' length."""
        samples, noise = batch.samples, batch.draws.noise
        condition = self.teacher.condition(self._images(batch), self._sentences(batch), samples.image_index)
        target = self.teacher.traces(noise, condition)
        length = target.flatten(1).norm(dim=1)
        weights = self.kind_weights[samples.point_kinds]
        known, start = target.new_ones(1), target.new_zeros(len(target))
        per_sample = target.new_zeros(len(target))
        terms: dict[str, Tensor] = {}
        for steps, traces in zip(self._config.steps, self._traces(noise, condition), strict=True):
            errors = flow.trace_errors(traces, target, known, start, self._config.position_weight)
            of_samples = (errors * weights).sum(1) / totals[0]
            distance = (traces.detach() - target).flatten(1).norm(dim=1) / length
            terms[f"steps_{steps}"] = of_samples.sum().detach()
            terms[f"distance_{steps}"] = distance.sum() / totals[1]
            per_sample = per_sample + of_samples
        return Losses(per_sample.sum(), terms, per_sample.detach())

    def _traces(self, noise: Tensor, condition: Any) -> list[Tensor]:
        """What each number of steps ends at: (B, points, horizon, 3) normalised increments."""
        first = self._velocity(noise, 0.0, condition)
        ends = []
        for steps in self._config.steps:
            times = [float(time) for time in shifted_times(steps, self.network.config.time_shift)]
            state = noise + first * times[1]
            for now, after in pairwise(times[1:]):
                state = state + self._velocity(state, now, condition) * (after - now)
            ends.append(state)
        return ends

    def _velocity(self, state: Tensor, time: float, condition: Any) -> Tensor:
        return self.network.velocity(state, state.new_full((len(state),), time), condition).float()
