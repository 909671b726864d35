"""How far off the scale of predicted depth is, against the depth sensor.

A network that has seen many cameras predicts where points go on the image well and how far away everything is less
well: its depth is s times too large, the same s all over the image. Since a point lies at ``z`` times the ray of its
pixel, division by s puts starts and displacements right at once, along the rays.

The sensor tells s: at each start pixel i it measures z_i where the network said p_i, so log(z_i / p_i) = -log s + noise
where both mean the same surface. Elsewhere (a reading from beside an edge, a clipped one, an object that the network
did not know) the ratio is anything. Hence a location estimate that up to half of the readings cannot spoil: the middle
of the shortest interval that holds half of the log ratios (least median of squares; Rousseeuw, 1984), then the mean of
those near it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

NORMAL_FROM_HALF_WIDTH = 1.4826
"""Standard deviation of a normal distribution over half the width of its shortest half."""


@dataclass(frozen=True)
class DepthScaleConfig:
    """What a scale rests on.

    Attributes:
        nearest: Readings below this are taken for clipped [m] ...
        farthest: ... and those above this [m].
        min_inliers: With fewer readings that agree, nothing is said about the scale.
        min_inlier_share: Likewise with a smaller share of all readings.
        inlier_deviations: Readings this many standard deviations from the middle still agree.
        finest_spread: No standard deviation of the log ratio is believed to be smaller: that of a good sensor.
        widest_spread: Where it is larger there is no common scale.
        largest_factor: A scale beyond this, up or down, is a fault rather than a scale.
    """

    nearest: float = 0.10
    farthest: float = 10.0
    min_inliers: int = 5
    min_inlier_share: float = 0.4
    inlier_deviations: float = 3.0
    finest_spread: float = 0.005
    widest_spread: float = 0.15
    largest_factor: float = 4.0


@dataclass(frozen=True)
class DepthScale:
    """Scale of the predicted depth.

    Attributes:
        scale: Measured over predicted depth: what predicted points are to be multiplied by. 1 where not ``reliable``.
        inliers: Readings that agree on it.
        readings: Readings there were.
        spread: Standard deviation of the inliers' log ratio; inf without readings.
        reliable: The readings can tell.
    """

    scale: float
    inliers: int
    readings: int
    spread: float
    reliable: bool


UNKNOWN_SCALE = DepthScale(scale=1.0, inliers=0, readings=0, spread=float("inf"), reliable=False)
"""Where nothing was measured."""


def estimate_depth_scale(
    predicted: ArrayLike, measured: ArrayLike, config: DepthScaleConfig | None = None
) -> DepthScale:
    """Scale between predicted and measured depth at the same pixels.

    Args:
        predicted: (N,) predicted depth [m]; NaN, infinite or not positive = none.
        measured: (N,) measured depth [m]; likewise.
        config: What the result must rest on.
    """
    settings = config or DepthScaleConfig()
    ratios = _log_ratios(np.asarray(predicted, dtype=float), np.asarray(measured, dtype=float), settings)
    if ratios.size == 0:
        return UNKNOWN_SCALE
    middle, half_width = _shortest_half(ratios)
    deviation = max(settings.finest_spread, NORMAL_FROM_HALF_WIDTH * half_width)
    agreeing = ratios[np.abs(ratios - middle) <= settings.inlier_deviations * deviation]
    centre, spread = float(agreeing.mean()), float(agreeing.std())
    reliable = (
        agreeing.size >= settings.min_inliers
        and agreeing.size >= settings.min_inlier_share * ratios.size
        and spread <= settings.widest_spread
        and abs(centre) <= np.log(settings.largest_factor)
    )
    scale = float(np.exp(centre)) if reliable else 1.0
    return DepthScale(scale, int(agreeing.size), int(ratios.size), spread, reliable)


def _log_ratios(predicted: FloatArray, measured: FloatArray, config: DepthScaleConfig) -> FloatArray:
    """(M,) sorted log(measured / predicted) where both say something."""
    with np.errstate(invalid="ignore"):
        usable = (measured >= config.nearest) & (measured <= config.farthest)
        usable &= (predicted > 0.0) & np.isfinite(predicted)
    # As a difference: the ratio of the smallest and the largest number is none.
    return np.sort(np.log(measured[usable]) - np.log(predicted[usable]))


def _shortest_half(ordered: FloatArray) -> tuple[float, float]:
    """Middle and half width of the shortest interval that holds half (rounded up, one more) of ``ordered`` (M,)."""
    covered = ordered.size // 2 + 1
    widths = ordered[covered - 1 :] - ordered[: ordered.size - covered + 1]
    first = int(np.argmin(widths))
    return float(ordered[first] + widths[first] / 2), float(widths[first] / 2)
