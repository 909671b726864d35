"""Rigid motions as homogeneous matrices (4, 4), and small ones as twists (6,): translation [m], rotation [rad]."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

_TINY_ANGLE = 1e-9
"""Rotations smaller than this are taken as linear [rad]."""


def cross_matrices(vectors: ArrayLike) -> FloatArray:
    """(..., 3, 3) matrices that do what a cross product with ``vectors`` (..., 3) from the left does."""
    v = np.asarray(vectors, dtype=float)
    zero = np.zeros(v.shape[:-1])
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_from_vector(vector: ArrayLike) -> FloatArray:
    """(3, 3) rotation about the axis ``vector`` (3,) by its length [rad] (Rodrigues' formula)."""
    v = np.asarray(vector, dtype=float)
    angle = float(np.linalg.norm(v))
    if angle < _TINY_ANGLE:
        return np.eye(3) + cross_matrices(v)
    cross = cross_matrices(v / angle)
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def vector_from_rotation(rotation: ArrayLike) -> FloatArray:
    """(3,) axis times angle [rad], the angle in [0, pi], of a rotation matrix (3, 3)."""
    r = np.asarray(rotation, dtype=float)
    twice_sine = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    sine, cosine = np.linalg.norm(twice_sine) / 2.0, (np.trace(r) - 1.0) / 2.0
    angle = float(np.arctan2(sine, cosine))
    if sine > 1e-6:
        return twice_sine / (2.0 * sine) * angle
    if cosine > 0.0:
        return twice_sine / 2.0
    # Half a turn: the axis is the eigenvector of the eigenvalue 1.
    axis = np.linalg.eigh((r + r.T) / 2.0)[1][:, -1]
    return axis * angle


def rotation_angle(rotation: ArrayLike) -> float:
    """Angle [rad] of a rotation matrix (3, 3)."""
    return float(np.linalg.norm(vector_from_rotation(rotation)))


def nearest_rotation(matrix: ArrayLike) -> FloatArray:
    """The rotation (3, 3) nearest to ``matrix`` (3, 3) in the sense of least squares."""
    left, _, right = np.linalg.svd(np.asarray(matrix, dtype=float))
    return left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right


def motion(rotation: ArrayLike, translation: ArrayLike) -> FloatArray:
    """(4, 4) motion of ``rotation`` (3, 3) and ``translation`` (3,) [m]."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix


def small_motion(twist: ArrayLike) -> FloatArray:
    """(4, 4) motion that turns by ``twist[3:]`` [rad] and then shifts by ``twist[:3]`` [m]."""
    values = np.asarray(twist, dtype=float)
    return motion(rotation_from_vector(values[3:]), values[:3])


def inverse(pose: ArrayLike) -> FloatArray:
    """Inverses of rigid motions (..., 4, 4)."""
    matrix = np.asarray(pose, dtype=float)
    turned = np.swapaxes(matrix[..., :3, :3], -1, -2)
    result = np.zeros_like(matrix)
    result[..., :3, :3] = turned
    result[..., :3, 3] = -np.einsum("...ij,...j->...i", turned, matrix[..., :3, 3])
    result[..., 3, 3] = 1.0
    return result


def mean_motion(motions: ArrayLike) -> FloatArray:
    """(4, 4) middle of ``motions`` (N, 4, 4): median translation, nearest rotation to the sum of rotations."""
    matrices = np.asarray(motions, dtype=float)
    return motion(nearest_rotation(matrices[:, :3, :3].sum(axis=0)), np.median(matrices[:, :3, 3], axis=0))
