"""What changes over a run: learning rate, memory of the averaged weights, and how much of it is plain regression."""

from __future__ import annotations

import math

from tracegen_model.training.run_config import NanoObjectiveConfig, OptimisationConfig


def learning_rate(config: OptimisationConfig, step: int, progress: float) -> float:
    """Learning rate at ``step`` (from 0) and ``progress`` (0..1): warm-up, constant, cosine decay."""
    warm_up = min(1.0, (step + 1) / config.warm_up_steps) if config.warm_up_steps else 1.0
    if progress < config.constant_share or config.constant_share >= 1.0:
        return config.learning_rate * warm_up
    phase = min(1.0, (progress - config.constant_share) / (1.0 - config.constant_share))
    return config.learning_rate * warm_up * (0.5 * (1.0 + math.cos(math.pi * phase)) + config.final_rate)


def pure_noise_share(config: NanoObjectiveConfig, progress: float) -> float:
    """Share of samples whose noisy traces are noise only; it falls from 1 to the config's share.

    There the best guess is a regression, which is quick to learn and a far better start for the flow than nothing.
    """
    if config.regression_share <= 0.0:
        return config.pure_noise_share
    left = 1.0 - min(1.0, progress / config.regression_share)
    return config.pure_noise_share + (1.0 - config.pure_noise_share) * left


def average_decay(config: OptimisationConfig, step: int) -> float:
    """Decay of the averaged weights at ``step``: short memory first, so that they follow the quick start."""
    return min(config.ema, (1.0 + step) / (10.0 + step))
