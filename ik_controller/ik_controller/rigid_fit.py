"""The rigid motions that take a body's points from where they start to where they are at each step, robustly.

For points a_i at the start and b_i at a step, with weights w_i and weighted centroids a, b, the best rotation maximises
tr(R C) with C = sum_i w_i (a_i - a)(b_i - b)^T. With C = U S V^T (Kabsch, Umeyama)

    R = V diag(1, 1, det(V U^T)) U^T,        t = b - R a,

and about the vertical alone R is the turn by atan2(C_xy - C_yx, C_xx + C_yy). Points that do not ride the body are
weighted down by repeating the fit with w_i = (1 + (r_i / c)^2)^-2 (Geman and McClure), r_i being a point's distance
to the fit and c a multiple of the median distance: which points those are comes out of the fit. The first weights are
those of the fit without rotation.

How well the points tell a rotation is its covariance, sigma^2 M^-1 with M = sum_i w_i (|a_i|^2 I - a_i a_i^T) about
their centroid and sigma the points' error: few points, or points on a line, tell little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller import so3
from ik_controller.hand_orientation import OrientationFreedom

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

FITTING_ROUNDS = 3
"""Fits, each with the weights that the one before gives."""

OUTLIER_FACTOR = 3.0
"""A point's weight falls to a quarter at this many median distances from the fit."""

OUTLIER_FLOOR = 0.006
"""... and not nearer than this to it [m]."""

AGREEING_WEIGHT = 0.25
"""Points of at least this weight agree with the fit."""

MEDIAN_TO_SIGMA = 1.0 / 1.5382
"""Standard deviation an axis of a three-dimensional normal error, over the median of its length."""

LEAST_INFORMATION = 1e-12
"""Second moments below this are those of points in one place [m²]."""


@dataclass(frozen=True)
class RigidFit:
    """Motions of one body over K steps.

    Attributes:
        rotations: (K, 3, 3) from the start to each step.
        translations: (K, 3) [m]: a point at ``x`` is at ``rotations @ x + translations``.
        weights: (K, H) of the points, 0..1; 0 where a point is not valid.
        distances: (K,) median distance of the points to the fit [m].
    """

    rotations: FloatArray
    translations: FloatArray
    weights: FloatArray
    distances: FloatArray

    @property
    def support(self) -> NDArray[np.int64]:
        """(K,) points that agree with the fit."""
        return (self.weights >= AGREEING_WEIGHT).sum(axis=1)


def fit_rigid(
    start: FloatArray,
    moved: FloatArray,
    valid: BoolArray,
    freedom: OrientationFreedom,
) -> RigidFit:
    """Fit one motion to each step.

    Args:
        start: (H, 3) points at the start [m], finite.
        moved: (K, H, 3) the same points at each step [m], finite also where not valid.
        valid: (K, H) the point counts at that step; at least one does at each.
        freedom: Rotations that are fitted: none, about the z axis, or all.
    """
    rotations = np.broadcast_to(np.eye(3), (len(moved), 3, 3))
    shifts = moved - start
    translations = masked_medians(shifts, valid)
    residuals = _lengths(shifts - translations[:, None])
    weights, typical = _weights(residuals, valid)
    for _ in range(FITTING_ROUNDS):
        share = weights / weights.sum(axis=1, keepdims=True)
        a_centre, b_centre = share @ start, (share[:, None] @ moved)[:, 0]
        if freedom is not OrientationFreedom.HELD:
            a = start - a_centre[:, None]
            covariance = np.swapaxes(a * share[..., None], 1, 2) @ (moved - b_centre[:, None])
            rotations = _rotations(covariance, freedom)
        translations = b_centre - np.einsum("kij,kj->ki", rotations, a_centre)
        misses = moved - start @ np.swapaxes(rotations, 1, 2) - translations[:, None]
        residuals = _lengths(misses)
        weights, typical = _weights(residuals, valid)
    return RigidFit(rotations, translations, weights, typical)


def rotation_errors(start: FloatArray, weights: FloatArray, sigma: float) -> tuple[FloatArray, FloatArray]:
    """Standard deviations [rad] of rotations fitted to points that are off by ``sigma`` [m] an axis.

    Args:
        start: (H, 3) points at the start [m].
        weights: (K, H) of the points.
        sigma: Error of a point an axis [m].

    Returns:
        (K,) of a rotation about the vertical, and (K,) of a full rotation about its worst axis; inf where the points
        cannot tell.
    """
    share = weights / weights.sum(axis=1, keepdims=True)
    a = start - (share @ start)[:, None]
    second = np.swapaxes(a * weights[..., None], 1, 2) @ a
    spreads = np.linalg.eigvalsh(second)
    # The moment about the axis along which the points spread most is the smallest.
    worst = spreads[:, 0] + spreads[:, 1]
    upright = second[:, 0, 0] + second[:, 1, 1]
    with np.errstate(divide="ignore"):
        about_z, about_any = (
            sigma / np.sqrt(np.where(moment > LEAST_INFORMATION, moment, 0.0)) for moment in (upright, worst)
        )
    return about_z, about_any


def masked_medians(values: FloatArray, valid: BoolArray) -> FloatArray:
    """Median of ``values`` (K, H, ...) over axis 1, of those ``valid`` (K, H); at least one of each row is."""
    mask = valid.reshape(valid.shape + (1,) * (values.ndim - 2))
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    count = valid.sum(axis=1)
    rows = np.arange(len(values))
    return (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2


def _lengths(vectors: FloatArray) -> FloatArray:
    """(K, H) lengths of ``vectors`` (K, H, 3)."""
    return np.sqrt(np.einsum("khi,khi->kh", vectors, vectors))


def _weights(residuals: FloatArray, valid: BoolArray) -> tuple[FloatArray, FloatArray]:
    """(K, H) weights for ``residuals`` (K, H) [m], and (K,) their median [m]."""
    typical = masked_medians(residuals, valid)
    scale = np.maximum(OUTLIER_FLOOR, OUTLIER_FACTOR * typical)[:, None]
    return np.where(valid, (1.0 + np.square(residuals / scale)) ** -2, 0.0), typical


def _rotations(covariance: FloatArray, freedom: OrientationFreedom) -> FloatArray:
    """(K, 3, 3) rotations that explain ``covariance`` (K, 3, 3) best."""
    if freedom is OrientationFreedom.HEADING:
        sine = covariance[:, 0, 1] - covariance[:, 1, 0]
        return so3.about_vertical(np.arctan2(sine, covariance[:, 0, 0] + covariance[:, 1, 1]))
    u, _, vt = np.linalg.svd(covariance)
    v = np.swapaxes(vt, 1, 2)
    v[:, :, 2] *= np.linalg.det(v @ np.swapaxes(u, 1, 2))[:, None]
    return v @ np.swapaxes(u, 1, 2)
