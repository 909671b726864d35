"""Smooth a row of measured poses that begins at a known one, by how far each measurement can be off.

The smoothed rows x_k minimise, with x_0 given,

    sum_k |x_k - y_k|^2 / sigma_k^2  +  sum_k log(1 + |x_(k-1) - 2 x_k + x_(k+1)|^2 / bend^2),

which is the most probable path where measurements y_k err by sigma_k, and where the path mostly bends by less than
``bend`` a step but may turn sharply now and then, as at a grasp (a Cauchy distribution). It is found by solving for
x and weighting each bend by 1 / (bend^2 + |...|^2) in turn. The whole path is solved for at once, as a Kalman smoother
does, so there is no lag at the start, which a filter has; exact measurements stay as they are, and noisy ones are
smoothed the more the noisier they are. Positions are smoothed as they are, rotations in the tangent space at the first
one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller import so3

FloatArray = NDArray[np.float64]

BEND_ROUNDS = 3
"""Solutions, each with the bends' weights from the one before."""


@dataclass(frozen=True)
class SmoothPath:
    """Smoothed rows.

    Attributes:
        values: (K + 1, D); row 0 is as it was given.
        errors: (K + 1,) standard deviation that is left along each axis; 0 at row 0.
    """

    values: FloatArray
    errors: FloatArray


def smooth_rows(rows: FloatArray, errors: FloatArray, bend: float) -> SmoothPath:
    """Smooth vectors.

    Args:
        rows: (K + 1, D) measured; row 0 is exact.
        errors: (K + 1,) standard deviation of each row along an axis, positive; inf where a row says nothing. Row 0's
            is not used.
        bend: Second difference that is common, positive; the unit of ``rows``.
    """
    count = len(rows) - 1
    weights = 1.0 / np.square(errors[1:])
    if count < 2 or not weights.any():
        return SmoothPath(rows.copy(), np.concatenate([[0.0], errors[1:]]))
    differences = _second_differences(count)
    measured = weights[:, None] * (rows[1:] - rows[0])
    stiffness = np.full(count - 1, 1.0 / bend**2)
    for _ in range(BEND_ROUNDS - 1):
        moved = np.linalg.solve(_information(differences, stiffness, weights), measured)
        bends = np.square(differences @ moved).sum(axis=1)
        stiffness = 1.0 / (bend**2 + bends)
    covariance = np.linalg.inv(_information(differences, stiffness, weights))
    moved = covariance @ measured
    left = np.sqrt(np.diagonal(covariance))
    return SmoothPath(np.concatenate([rows[:1], rows[0] + moved]), np.concatenate([[0.0], left]))


def smooth_rotations(rotations: FloatArray, errors: FloatArray, bend: float) -> SmoothPath:
    """(K + 1, 3, 3) smoothed ``rotations``, with ``errors`` (K + 1,) and ``bend`` in [rad]; row 0 stays."""
    vectors = so3.unwrap(so3.log(np.swapaxes(rotations[:1], 1, 2) @ rotations))
    smooth = smooth_rows(vectors, errors, bend)
    return SmoothPath(rotations[:1] @ so3.exp(smooth.values), smooth.errors)


def _second_differences(count: int) -> FloatArray:
    """(K - 1, K) second differences of rows 0..K; what row 0, the origin here, adds to them drops out."""
    differences = np.zeros((count - 1, count))
    index = np.arange(count - 1)
    differences[index[1:], index[:-1]] = 1.0
    differences[index, index] = -2.0
    differences[index, index + 1] = 1.0
    return differences


def _information(differences: FloatArray, stiffness: FloatArray, weights: FloatArray) -> FloatArray:
    """(K, K) inverse covariance of rows with ``weights`` (K,) and bends with ``stiffness`` (K - 1,)."""
    information = (differences.T * stiffness) @ differences
    information.flat[:: len(weights) + 1] += weights
    return information
