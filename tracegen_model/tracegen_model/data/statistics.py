"""Statistics of a packed dataset that a checkpoint carries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.packed_dataset import PackedDataset, PackedDatasetError

SAMPLES = 2000
"""Samples that statistics are taken from, spread evenly over the dataset."""

MOVES = 0.02
"""A point counts as moving when its path, in fractions of the image and metres, is longer than this."""

SMALLEST_STD = 1e-4
"""Stands in for the deviation of a channel that never moves, such as depth in two-dimensional traces."""


def increments_of(deltas: NDArray[np.floating]) -> NDArray[np.float32]:
    """Increments (..., horizon, 3) of positions relative to the start; NaN where unknown."""
    positions = np.asarray(deltas, dtype=np.float32)
    return np.diff(positions, axis=-2, prepend=np.zeros_like(positions[..., :1, :]))


def increment_std(dataset: PackedDataset, samples: int = SAMPLES) -> tuple[float, float, float]:
    """Per-channel standard deviation of moving points' increments; raises PackedDatasetError when nothing moves."""
    chosen = np.unique(np.linspace(0, dataset.sample_count - 1, samples).astype(int))
    increments = increments_of(dataset.deltas[chosen])
    moving = increments[np.nansum(np.abs(increments), axis=(2, 3)) > MOVES]
    if not moving.size:
        raise PackedDatasetError("no point moves in this dataset: there is nothing to learn from it")
    u, v, z = np.nanstd(moving.reshape(-1, 3), axis=0)
    return max(float(u), SMALLEST_STD), max(float(v), SMALLEST_STD), max(float(z), SMALLEST_STD)
