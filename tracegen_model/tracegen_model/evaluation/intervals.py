"""How sure a mean is: intervals that hold it with 95 % confidence."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
"""Probability that an interval made this way holds the true value."""

NORMAL_QUANTILE = 1.959963984540054
"""Standard normal quantile of (1 + CONFIDENCE) / 2."""

RESAMPLES = 1000
"""Bootstrap resamples; the interval's ends then move by a few percent of its width between seeds."""

MANY_CLUSTERS = 1000
"""From so many clusters on the mean is as good as normal, and resampling would only take long."""

Interval = tuple[float, float]
"""Lower and upper end."""


def bootstrap_interval(
    totals: ArrayLike, weights: ArrayLike, clusters: ArrayLike, seed: int = 0
) -> Interval | None:
    """Percentile interval of ``sum(totals) / sum(weights)`` when whole clusters are drawn anew.

    Samples of one scene err alike, so scenes are resampled, not samples (Field and Welsh 2007). With many scenes the
    normal approximation of a ratio of sums stands in for the resamples (Cochran 1977, section 6.3).

    Args:
        totals: (n,) what each sample adds to the sum.
        weights: (n,) how much each sample counts.
        clusters: (n,) scene of each sample, anything that NumPy can sort.
        seed: Of the resamples.

    Returns:
        The interval; None when fewer than two clusters count.
    """
    total, weight = np.asarray(totals, dtype=float), np.asarray(weights, dtype=float)
    counting = weight > 0.0
    _, cluster = np.unique(np.asarray(clusters)[counting], return_inverse=True)
    count = int(cluster.max(initial=-1)) + 1
    if count < 2:
        return None
    above = np.bincount(cluster, total[counting], count)
    below = np.bincount(cluster, weight[counting], count)
    if count >= MANY_CLUSTERS:
        mean = above.sum() / below.sum()
        deviation = float(np.sqrt(np.square(above - mean * below).sum() * count / (count - 1)) / below.sum())
        return float(mean - NORMAL_QUANTILE * deviation), float(mean + NORMAL_QUANTILE * deviation)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=RESAMPLES)
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(drawn @ above / (drawn @ below), [tail, 100.0 - tail])
    return float(low), float(high)


def wilson_interval(successes: int, trials: int) -> Interval | None:
    """Interval of a share (Wilson 1927), which stays inside 0..1; None without trials."""
    if trials < 1:
        return None
    share, z2 = successes / trials, NORMAL_QUANTILE**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) * NORMAL_QUANTILE / (1 + z2 / trials)
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == trials else centre + half
