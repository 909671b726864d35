"""What every objective is: a network and the losses of a micro-batch, counted so that parts add up to the whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.training.training_batch import TrainingBatch


class Losses(NamedTuple):
    """Losses of a micro-batch: its share of the losses of the whole batch.

    Attributes:
        loss: What is minimised.
        terms: Parts of it by name, not weighted, for the log.
        per_sample: (B,) each sample's share of the trace loss, to find the one that went wrong.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    per_sample: Tensor


class Objective(nn.Module, ABC):
    """A network and what is minimised in it. This is what processes share the gradients of.

    The losses of a batch are sums over its samples, divided by ``totals`` of the whole batch. So the losses of its
    micro-batches, wherever they are computed, add up to the loss of the batch.

    Args:
        network: The network.
        checkpoint: How increments are scaled and clamped, and how many sentences are left out.
        autocast: Type that the network computes in.
        add_features: Gives images what was kept of the frozen encoders' outputs; None = nothing is kept.
    """

    increment_scale: Tensor

    def __init__(
        self,
        network: TraceNetwork,
        checkpoint: CheckpointConfig,
        autocast: torch.dtype,
        add_features: Callable[[ImageBatch], ImageBatch] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._clip, self._dropout = checkpoint.clip_increments, checkpoint.condition_dropout
        self._autocast, self._add_features = autocast, add_features
        self.register_buffer("increment_scale", torch.tensor(checkpoint.increment_scale), persistent=False)

    @abstractmethod
    def totals(self, batch: TrainingBatch) -> Tensor:
        """(K,) float64 what sums over samples are divided by, for ``batch``; they add up over the whole batch."""

    @abstractmethod
    def losses(self, batch: TrainingBatch, progress: float, totals: Tensor) -> Losses:
        """Losses of a micro-batch; see :meth:`forward`."""

    def forward(self, batch: TrainingBatch, progress: float, totals: Tensor) -> Losses:
        """Losses of a micro-batch.

        Args:
            batch: The micro-batch.
            progress: Share of the run that is done, 0..1.
            totals: (K,) sum of ``totals`` of all micro-batches of the batch.
        """
        device_type = self.increment_scale.device.type
        with torch.autocast(device_type, self._autocast, enabled=self._autocast != torch.float32):
            return self.losses(batch, progress, totals.to(self.increment_scale))

    def train(self, mode: bool = True) -> Objective:
        """Training mode, but for what is frozen: that stays as it was pretrained."""
        super().train(mode)
        if mode:
            for module in self.network.modules():
                parameters = list(module.parameters())
                if parameters and not any(parameter.requires_grad for parameter in parameters):
                    module.eval()
        return self

    def trained_tensors(self) -> dict[str, nn.Parameter]:
        """The network's parameters that training changes, by their name in the network's state dict."""
        return {name: value for name, value in self.network.named_parameters() if value.requires_grad}

    def _clean(self, batch: TrainingBatch) -> Tensor:
        """(B, N, S, 3) scaled increments."""
        scaled = batch.samples.increments / self.increment_scale
        return scaled if self._clip is None else scaled.clamp(-self._clip, self._clip)

    @torch.no_grad()
    def _images(self, batch: TrainingBatch) -> ImageBatch:
        """The batch's distinct images, with what is kept of the encoders' outputs."""
        images = batch.samples.images
        return images if self._add_features is None else self._add_features(images)

    def _sentences(self, batch: TrainingBatch) -> list[str]:
        """B sentences, some of them left out."""
        dropped = (batch.draws.dropout < self._dropout).tolist()
        return ["" if drop else text for drop, text in zip(dropped, batch.samples.sentences, strict=True)]
