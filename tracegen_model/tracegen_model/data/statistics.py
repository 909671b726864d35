"""What increments are divided by before a network sees them; checkpoints carry it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.dataset import DatasetError
from tracegen_model.data.trace_item import TraceDataset

PUBLISHED_SCALE = (0.05, 0.05, 0.04)
"""The published checkpoints' scale: du, dv [fractions of the image], dz [the depth's unit]."""

SAMPLES = 2000
"""Samples that statistics are taken from, spread evenly over the dataset."""

MOVES = 0.02
"""A point counts as moving when its path, |du| + |dv| + |dz| over its steps, is longer than this.

Smaller than what the dataset counts as moving: slow points are to be of the networks' size, too.
"""

SMALLEST_STD = 1e-4
"""Stands in for the deviation of a channel that never moves, such as depth in two-dimensional traces."""


def increment_scale(
    dataset: TraceDataset, among: Sequence[int] | NDArray[np.int64] | None = None, samples: int = SAMPLES
) -> tuple[float, float, float]:
    """Per-channel standard deviation of moving points' increments.

    Args:
        dataset: Samples.
        among: Numbers of those that may be looked at, such as the training samples; all when None.
        samples: At most this many are looked at, spread evenly.

    Raises:
        DatasetError: Nothing moves.
    """
    numbers = np.arange(len(dataset)) if among is None else np.asarray(among, dtype=np.int64)
    places = np.unique(np.linspace(0, len(numbers) - 1, min(samples, len(numbers))).astype(int))
    # Sums instead of arrays: 2000 samples of 400 points and 32 steps are more than need be held at once.
    count, total, squares = np.zeros(3), np.zeros(3), np.zeros(3)
    for place in places:
        item = dataset[int(numbers[place])]
        moving = np.abs(item.increments).sum(axis=(1, 2)) > MOVES
        increments = item.increments[moving].astype(np.float64)
        count += item.known[moving].sum(axis=(0, 1))
        total += increments.sum(axis=(0, 1))  # unknown ones are 0
        squares += (increments**2).sum(axis=(0, 1))
    if not count[:2].all():
        raise DatasetError("no point moves in this dataset: there is nothing to learn from it")
    count = np.maximum(count, 1.0)
    variance = np.maximum(squares / count - (total / count) ** 2, SMALLEST_STD**2)
    u, v, z = np.sqrt(variance)
    return float(u), float(v), float(z)
