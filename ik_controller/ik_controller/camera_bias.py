"""The camera's calibration error near the hand, seen on the hand itself.

Where the hand is, forward kinematics knows to a millimetre. What the camera sees of it, placed by a calibration that
is off, lies beside it by a translation that is nearly the same for everything near the hand. It is found by shifting
the seen points onto the hand's shape (Gauss-Newton on the signed distance d_i(b), with outliers weighted down):

    min_b  sum_i w_i d(p_i - b)^2 + stiffness |b - b_prior|^2
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BiasConfig:
    """Settings of the estimate.

    Attributes:
        reach: Points that far from the hand's shape may belong to it [m].
        max_points: Points used.
        min_points: Fewer give no estimate.
        outlier_distance: Points beyond this residual are weighted down [m].
        stiffness: Pull to the prior, in points.
        memory: Share of the old estimate kept at each image.
        max_bias: A larger error means another problem [m].
        deadband: Corrections below this are measurement noise [m].
    """

    reach: float = 0.035
    max_points: int = 600
    min_points: int = 80
    outlier_distance: float = 0.004
    stiffness: float = 15.0
    memory: float = 0.7
    max_bias: float = 0.05
    deadband: float = 0.0


def fit_bias(
    points_in_hand: FloatArray, boxes: FloatArray, prior: FloatArray, config: BiasConfig
) -> FloatArray | None:
    """Translation (3,) [m, hand frame] by which seen points lie beside the hand; None without support.

    Args:
        points_in_hand: (M, 3) points seen around the hand [m], in its frame.
        boxes: (B, 2, 3) the hand's shape.
        prior: (3,) estimate so far [m, hand frame].
        config: Settings.
    """
    bias = prior.copy()
    points = points_in_hand
    for iteration in range(10):
        distance, normal = _distance_and_normal(points - bias, boxes)
        near = np.abs(distance) < config.reach * (0.6 if iteration > 3 else 1.0)
        if near.sum() < config.min_points:
            return None
        d, n = distance[near], normal[near]
        # Geman-McClure weights: what does not come to lie on the hand is not the hand. The scale tightens step by step.
        scale = max(config.outlier_distance, 0.015 * 0.6**iteration)
        weight = (scale**2 / (scale**2 + d**2)) ** 2
        system = (n * weight[:, None]).T @ n + config.stiffness * np.eye(3)
        step = np.linalg.solve(system, n.T @ (weight * d) + config.stiffness * (prior - bias))
        bias = bias + step
        if np.abs(step).max() < 1e-4 and iteration > 4:
            break
    return bias if np.linalg.norm(bias) <= config.max_bias else None


def _distance_and_normal(points: FloatArray, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Signed distance (M,) [m] to the union of boxes and its gradient (M, 3)."""
    centre, half = boxes.mean(axis=1), np.diff(boxes, axis=1)[:, 0] / 2
    offset = points[:, None] - centre
    beyond = np.abs(offset) - half
    outward = np.maximum(beyond, 0.0)
    outside = np.linalg.norm(outward, axis=-1)
    depth = beyond.max(axis=-1)
    signed = np.where(outside > 0.0, outside, depth)
    nearest = np.argmin(signed, axis=1)
    row = np.arange(len(points))
    sign = np.sign(offset[row, nearest])
    out = outward[row, nearest] / np.maximum(outside[row, nearest], 1e-12)[:, None]
    inside = np.eye(3)[np.argmax(beyond[row, nearest], axis=1)]
    gradient = np.where((outside[row, nearest] > 0.0)[:, None], out, inside) * sign
    return signed[row, nearest], gradient
