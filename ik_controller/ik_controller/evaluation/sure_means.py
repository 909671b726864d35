"""How sure a mean over few independent stretches is: Student's t on the stretches, and Holm over several measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, exp, lgamma, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from tracegen_model.evaluation.intervals import CONFIDENCE, Interval

FEWEST_STRETCHES = 5
"""With fewer independent stretches there is no interval, and no model is called better."""

INTEGRATION_POINTS = 2001
"""Points of the trapezoidal rule; p-values are then right to six digits."""

LARGEST_QUANTILE = 1e3
"""Student quantiles are looked for below this; at 95 % the largest, with one degree of freedom, is 12.7."""

BISECTIONS = 60

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SureMean:
    """A mean and how sure it is.

    Attributes:
        value: The mean.
        deviation: Standard error of it, from the spread over stretches.
        stretches: Independent stretches that count.
    """

    value: float
    deviation: float
    stretches: int

    @property
    def interval(self) -> Interval | None:
        """Holds the true mean with 95 %; None where fewer than ``FEWEST_STRETCHES`` count."""
        if self.stretches < FEWEST_STRETCHES:
            return None
        reach = student_quantile(self.stretches - 1) * self.deviation
        return self.value - reach, self.value + reach

    @property
    def p_value(self) -> float | None:
        """Probability of a mean so far from zero where the true one is zero; None as for ``interval``."""
        if self.stretches < FEWEST_STRETCHES:
            return None
        if self.deviation == 0.0:
            return 1.0 if self.value == 0.0 else 0.0
        return student_p_value(abs(self.value) / self.deviation, self.stretches - 1)


def sure_mean(totals: FloatArray, weights: FloatArray, stretch: NDArray[np.int64]) -> SureMean:
    """``sum(totals) / sum(weights)`` with the standard error of a ratio of sums over stretches (Cochran 1977, 6.3).

    Args:
        totals: (n,) what each window adds to the sum.
        weights: (n,) how much each window counts; one counts at least.
        stretch: (n,) number of each window's stretch.
    """
    counting = weights > 0.0
    _, place = np.unique(stretch[counting], return_inverse=True)
    count = int(place.max()) + 1
    above = np.bincount(place, totals[counting], count)
    below = np.bincount(place, weights[counting], count)
    value = float(above.sum() / below.sum())
    if count < 2:
        return SureMean(value, float("nan"), count)
    squares = float(np.square(above - value * below).sum())
    return SureMean(value, sqrt(squares * count / (count - 1)) / float(below.sum()), count)


def holm(p_values: Sequence[float | None]) -> list[bool]:
    """Which of several null hypotheses are rejected, so that with 95 % none is wrongly (Holm 1979); None never is."""
    rejected = [False] * len(p_values)
    known = sorted((p_value, place) for place, p_value in enumerate(p_values) if p_value is not None)
    for done, (p_value, place) in enumerate(known):
        if p_value > (1.0 - CONFIDENCE) / (len(known) - done):
            break
        rejected[place] = True
    return rejected


def student_p_value(size: float, freedom: int) -> float:
    """Probability that Student's t with ``freedom`` degrees of freedom is at least ``size`` away from zero."""
    angles = np.linspace(atan(size / sqrt(freedom)), pi / 2, INTEGRATION_POINTS)
    whole = sqrt(pi) / 2 * exp(lgamma(freedom / 2) - lgamma((freedom + 1) / 2))
    return float(np.trapezoid(np.cos(angles) ** (freedom - 1), angles)) / whole


@lru_cache
def student_quantile(freedom: int) -> float:
    """The size that Student's t exceeds, one way or the other, with a probability of 1 - ``CONFIDENCE``."""
    low, high = 0.0, LARGEST_QUANTILE
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if student_p_value(middle, freedom) < 1.0 - CONFIDENCE else (middle, high)
    return high
