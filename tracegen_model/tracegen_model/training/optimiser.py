"""AdamW over the trained weights, in groups that differ in learning rate and decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tracegen_model.training.run_config import OptimisationConfig
from tracegen_model.training.schedules import learning_rate

TRANSFORMER = "transformer."
"""What the names of the trace transformer's weights start with, in every network."""


def make_optimiser(config: OptimisationConfig, weights: Mapping[str, Tensor]) -> torch.optim.AdamW:
    """AdamW over ``weights`` by name.

    Groups: the trace transformer and what conditions it (``conditioning_rate``); in each, matrices and vectors (norms,
    biases, tokens), which are not decayed unless the config says so.
    """
    groups: list[dict[str, Any]] = []
    for of_transformer in (True, False):
        for matrices in (True, False):
            chosen = [
                weight
                for name, weight in weights.items()
                if name.startswith(TRANSFORMER) == of_transformer and is_matrix(weight) == matrices
            ]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "weight_decay": config.weight_decay if matrices or config.decay_vectors else 0.0,
                        "relative_rate": 1.0 if of_transformer else config.conditioning_rate,
                    }
                )
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), eps=config.epsilon
    )


def is_matrix(weight: Tensor) -> bool:
    """Whether ``weight`` mixes channels: tokens of one row do not, nor do norms and biases."""
    return sum(size > 1 for size in weight.shape) > 1


def set_learning_rate(
    optimiser: torch.optim.Optimizer, config: OptimisationConfig, step: int, progress: float
) -> float:
    """Set every group's learning rate for ``step``; returns that of the transformer."""
    rate = learning_rate(config, step, progress)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["relative_rate"]
    return rate
