"""The published objective: the squared error of the velocity, where the truth is known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tracegen_model.network import flow
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.training.objectives.objective import Losses, Objective
from tracegen_model.training.run_config import FlowObjectiveConfig
from tracegen_model.training.training_batch import Draws, TrainingBatch


class FlowObjective(Objective):
    """Mean squared error of the velocity.

    Args:
        network: A network whose config has ``flow_times`` and ``time_shift``.
        checkpoint: See :class:`Objective`.
        autocast: See :class:`Objective`.
        config: Its settings.
        add_features: See :class:`Objective`.
    """

    def __init__(
        self,
        network: TraceNetwork,
        checkpoint: CheckpointConfig,
        autocast: torch.dtype,
        config: FlowObjectiveConfig,
        add_features: Callable[[ImageBatch], ImageBatch] | None = None,
    ) -> None:
        super().__init__(network, checkpoint, autocast, add_features)
        self._config = config

    def totals(self, batch: TrainingBatch) -> Tensor:
        """(1,) number of increments, or of known ones."""
        known = batch.samples.known
        count = known.sum() if self._config.normalise == "known" else torch.tensor(known.numel())
        return count.to(torch.float64).view(1)

    def losses(self, batch: TrainingBatch, progress: float, totals: Tensor) -> Losses:
        """See :class:`Objective`."""
        clean, noise = self._clean(batch), batch.draws.noise
        times = self._times(batch.draws)
        samples = batch.samples
        condition = self.network.condition(self._images(batch), self._sentences(batch), samples.image_index)
        velocity = self.network.velocity(flow.mix(clean, noise, times), times, condition)
        per_sample = flow.velocity_errors(velocity.float(), clean, noise, samples.known) / totals[0].clamp(
            min=1.0
        )
        loss = per_sample.sum()
        return Losses(loss, {"velocity": loss.detach()}, per_sample.detach())

    def _times(self, draws: Draws) -> Tensor:
        shift = self.network.config.time_shift
        if self._config.times == "original":
            return flow.original_times(draws.time_uniform, getattr(self.network.config, "flow_times", 100))
        if self._config.times == "uniform":
            return draws.time_uniform
        if self._config.times == "shifted":
            return flow.shift_times(draws.time_uniform, shift)
        return flow.logit_normal_times(draws.time_normal, shift)
