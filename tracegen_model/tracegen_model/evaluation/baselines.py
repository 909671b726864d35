"""What any useful network must beat: no motion at all, and the mean motion of each point of the grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.trace_item import TraceDataset

ZERO_MOTION = "zero motion"
MEAN_MOTION = "mean motion"
"""Names of the baselines."""

MEAN_MOTION_SAMPLES = 2000
"""Samples that the mean motion is taken from, spread evenly; more hardly change it."""


def mean_motion(
    dataset: TraceDataset, indices: Sequence[int], limit: int = MEAN_MOTION_SAMPLES
) -> NDArray[np.float32]:
    """(N, S, 3) mean known increment of each grid point and step; 0 where none is known.

    Args:
        dataset: Where the samples are.
        indices: Samples to average, those that a network was trained on for example.
        limit: At most so many of them are used.

    Raises:
        ValueError: There is no sample.
    """
    if not len(indices):
        raise ValueError("the mean motion is taken from at least one sample, got none")
    places = np.unique(np.linspace(0, len(indices) - 1, min(limit, len(indices))).astype(int))
    total: NDArray[np.float64] | None = None
    count: NDArray[np.int64] | None = None
    for place in places:
        item = dataset[int(indices[place])]
        if total is None or count is None:
            total, count = np.zeros(item.increments.shape), np.zeros(item.known.shape, np.int64)
        total += np.where(item.known, item.increments, 0.0)
        count += item.known
    assert total is not None and count is not None
    return (total / np.maximum(count, 1)).astype(np.float32)
