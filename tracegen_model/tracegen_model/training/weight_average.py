"""The averaged weights of a run: they are what is validated and exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class WeightAverage:
    """Exponential moving average of trained weights.

    Attributes:
        tensors: The averages by the names of their weights.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = dict(weights)
        self.tensors = {name: weight.detach().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Move the averages towards the weights; ``decay`` is the share of them that stays."""
        weights = [self._weights[name].detach() for name in self.tensors]
        torch._foreach_lerp_(list(self.tensors.values()), weights, 1.0 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the network has the averages; afterwards its weights again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, average in self.tensors.items():
            weight = self._weights[name].detach()
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)
