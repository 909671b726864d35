"""Rotations and their rotation vectors: the maps between SO(3) and its tangent space, for stacks of them at once.

A rotation vector v turns by the angle |v| [rad] about the axis v / |v|:

    exp(v) = I + sin|v| K + (1 - cos|v|) K^2,    K = [v / |v|]_x        (Rodrigues)

and log is its inverse with the shorter way round, |log R| <= pi. It goes through the unit quaternion, which stays well
conditioned at half a turn, where the antisymmetric part of R vanishes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

SMALLEST_HALF_SINE = 1e-12
"""Below this sine of half the angle the axis is rounding error; the vector is taken as twice the quaternion's."""


def exp(vectors: ArrayLike) -> FloatArray:
    """(..., 3, 3) rotations of rotation vectors (..., 3) [rad]."""
    v = np.asarray(vectors, dtype=float)
    angle = np.sqrt(np.square(v).sum(axis=-1))
    cross = skew(v / np.where(angle > 0.0, angle, 1.0)[..., None])
    sine, cosine = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.eye(3) + sine * cross + (1.0 - cosine) * (cross @ cross)


def log(rotations: ArrayLike) -> FloatArray:
    """(..., 3) rotation vectors [rad] of ``rotations`` (..., 3, 3), at most pi long."""
    r = np.asarray(rotations, dtype=float)
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    # 4 q q^T; its row with the largest diagonal is the quaternion (w, x, y, z) up to a factor.
    outer = np.empty((*r.shape[:-2], 4, 4))
    outer[..., 0, 0], outer[..., 1, 1] = 1.0 + xx + yy + zz, 1.0 + xx - yy - zz
    outer[..., 2, 2], outer[..., 3, 3] = 1.0 - xx + yy - zz, 1.0 - xx - yy + zz
    for row, (i, j) in enumerate(((1, 2), (2, 0), (0, 1)), start=1):
        outer[..., 0, row] = outer[..., row, 0] = r[..., j, i] - r[..., i, j]
    for row, column in ((1, 2), (1, 3), (2, 3)):
        both = r[..., row - 1, column - 1] + r[..., column - 1, row - 1]
        outer[..., row, column] = outer[..., column, row] = both
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :]
    q = q / np.sqrt(np.square(q).sum(axis=-1, keepdims=True))
    q = np.where(q[..., :1] < 0.0, -q, q)
    half_sine = np.sqrt(np.square(q[..., 1:]).sum(axis=-1))
    tiny = half_sine < SMALLEST_HALF_SINE
    factor = np.where(tiny, 2.0, 2.0 * np.arctan2(half_sine, q[..., 0]) / np.where(tiny, 1.0, half_sine))
    return q[..., 1:] * factor[..., None]


def unwrap(vectors: FloatArray) -> FloatArray:
    """(K, 3) rotation vectors of the same rotations as ``vectors`` (K, 3) [rad], each the nearest to the one before."""
    angles = np.sqrt(np.square(vectors).sum(axis=1))
    out = vectors.copy()
    if not (angles > np.pi / 2).any():
        return out
    for row in range(1, len(out)):
        if angles[row] > 0.0:
            axis = vectors[row] / angles[row]
            turns = np.round((axis @ out[row - 1] - angles[row]) / (2 * np.pi))
            out[row] = axis * (angles[row] + 2 * np.pi * turns)
    return out


def angles_between(first: FloatArray, second: FloatArray) -> FloatArray:
    """(...,) angle [rad] of the turn from ``first`` (..., 3, 3) to ``second`` (..., 3, 3)."""
    turn = log(second @ np.swapaxes(first, -1, -2))
    return np.sqrt(np.square(turn).sum(axis=-1))


def about_vertical(angles: ArrayLike) -> FloatArray:
    """(..., 3, 3) rotations by ``angles`` (...) [rad] about the z axis."""
    at = np.asarray(angles, dtype=float)
    cos, sin = np.cos(at), np.sin(at)
    turn = np.zeros((*at.shape, 3, 3))
    turn[..., 0, 0], turn[..., 0, 1], turn[..., 1, 0], turn[..., 1, 1] = cos, -sin, sin, cos
    turn[..., 2, 2] = 1.0
    return turn


def skew(vectors: FloatArray) -> FloatArray:
    """(..., 3, 3) matrices that take the cross product with ``vectors`` (..., 3) from the left."""
    cross = np.zeros((*vectors.shape, 3))
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    cross[..., 0, 1], cross[..., 0, 2] = -z, y
    cross[..., 1, 0], cross[..., 1, 2] = z, -x
    cross[..., 2, 0], cross[..., 2, 1] = -y, x
    return cross
