"""One answer out of several samples of the same prediction, and how far they are apart.

Samples differ where the network is unsure. Where it is torn between two goals, their mean leads to neither, between
the two; the medoid is one of the samples, and leads to one of them.
"""

from __future__ import annotations

from enum import Enum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray


class Consensus(Enum):
    """How several samples become one."""

    MEAN = "mean"
    MEDOID = "medoid"


def medoid(paths: NDArray[np.float64]) -> int:
    """Index of the sample nearest to all others: least sum of mean distances [m] over valid points and steps.

    Args:
        paths: (K, S + 1, N, 3) [m]; NaN = invalid.
    """
    known = paths[:, np.isfinite(paths).all(axis=(0, -1))]
    apart = np.zeros((len(paths), len(paths)))
    if known.size:
        for one, other in combinations(range(len(paths)), 2):
            difference = known[one] - known[other]
            distance = np.sqrt(np.einsum("nc,nc->n", difference, difference)).mean()
            apart[one, other] = apart[other, one] = distance
    return int(apart.sum(axis=1).argmin())


def spread_of(paths: NDArray[np.float64]) -> NDArray[np.float32]:
    """(S + 1, N) [m] standard deviation of samples in space: sqrt of the summed variances of x, y, z.

    Args:
        paths: (K, S + 1, N, 3) [m] of K >= 2 samples; NaN = invalid, and so is the spread there.
    """
    return np.sqrt(paths.var(axis=0, ddof=1).sum(axis=-1)).astype(np.float32)


def endpoint_spread(spread: NDArray[np.float32], moving: NDArray[np.bool_]) -> float:
    """Mean spread [m] of the last step over the points that move, over all where none does; NaN if none is valid.

    Args:
        spread: (S + 1, N) [m].
        moving: (N,) the point moves.
    """
    last = spread[-1]
    known = np.isfinite(last)
    chosen = known & moving if (known & moving).any() else known
    return float(last[chosen].mean()) if chosen.any() else float("nan")
