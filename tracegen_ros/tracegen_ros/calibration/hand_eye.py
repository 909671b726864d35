"""Hand-eye calibration in closed form, five ways.

Two poses i, j of the hand give A X = X B with X = camera_in_base, the hand's motion in the base frame
A = hand_in_base_j · hand_in_base_i⁻¹ and the board's motion in the camera's frame
B = board_in_camera_j · board_in_camera_i⁻¹: the board's place in the hand drops out. All pairs that turn far enough
count.

They differ in how they weigh errors, and all treat pixels no better than poses: ``refinement`` does, and starts here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.rigid_motion import (
    cross_matrices,
    inverse,
    motion,
    nearest_rotation,
    vector_from_rotation,
)

FloatArray = NDArray[np.float64]

MIN_POSES = 4
"""Three poses are enough in theory; a fourth shows whether they agree."""

MIN_PAIR_ANGLE = np.radians(4.0)
"""Pairs of poses that turn by less than this say little about rotation [rad]."""

MIN_AXIS_SPREAD = np.radians(4.0)
"""Root mean square rotation about the second axis that poses need at least [rad]: with one axis X is not determined."""


def motion_pairs(hand_in_base: FloatArray, board_in_camera: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Motions A and B (P, 4, 4) between all pairs of poses (N, 4, 4) that turn far enough.

    Raises:
        CalibrationDataError: There are too few poses, or they turn too little or about one axis only.
    """
    count = len(hand_in_base)
    if count < MIN_POSES:
        raise CalibrationDataError(
            f"calibration needs {MIN_POSES} poses at least, got {count}; take more, 15 to 20 in all"
        )
    first, second = np.triu_indices(count, 1)
    a = hand_in_base[second] @ inverse(hand_in_base[first])
    b = board_in_camera[second] @ inverse(board_in_camera[first])
    turns = np.array([vector_from_rotation(pose[:3, :3]) for pose in a])
    spread = np.linalg.svd(turns, compute_uv=False) / np.sqrt(len(turns))
    if spread[1] < MIN_AXIS_SPREAD:
        raise CalibrationDataError(
            f"the poses turn the hand about one axis only (by {np.degrees(spread[0]):.0f} deg, about a second axis by "
            f"{np.degrees(spread[1]):.1f} deg in the mean); tilt the board by 20 to 40 deg in other directions"
        )
    angles = np.linalg.norm(turns, axis=1)
    far = (angles >= MIN_PAIR_ANGLE) & (angles <= np.pi - MIN_PAIR_ANGLE)
    if far.sum() < 2:
        raise CalibrationDataError(
            "the poses hardly turn the hand; tilt the board by 20 to 40 deg between them"
        )
    return a[far], b[far]


def tsai(a: FloatArray, b: FloatArray) -> FloatArray:
    """X (4, 4) after Tsai and Lenz (1989): rotation from modified Rodrigues vectors, then translation."""
    alpha, beta = _modified_rodrigues(a), _modified_rodrigues(b)
    system = cross_matrices(alpha + beta).reshape(-1, 3)
    half = np.linalg.lstsq(system, (beta - alpha).ravel(), rcond=None)[0]
    vector = 2.0 * half / np.sqrt(1.0 + half @ half)
    squared = vector @ vector
    rotation = (1.0 - squared / 2.0) * np.eye(3) + 0.5 * (
        np.outer(vector, vector) + np.sqrt(max(4.0 - squared, 0.0)) * cross_matrices(vector)
    )
    return _with_translation(nearest_rotation(rotation), a, b)


def park(a: FloatArray, b: FloatArray) -> FloatArray:
    """X (4, 4) after Park and Martin (1994): least squares on rotation vectors, then translation."""
    alpha, beta = _rotation_vectors(a), _rotation_vectors(b)
    return _with_translation(nearest_rotation(alpha.T @ beta), a, b)


def horaud(a: FloatArray, b: FloatArray) -> FloatArray:
    """X (4, 4) after Horaud and Dornaika (1995), in closed form: rotation as a quaternion, then translation."""
    alpha, beta = (_unit(_rotation_vectors(poses)) for poses in (a, b))
    # |a q - q b|^2 = q^T M q with a and b as pure quaternions.
    difference = _left_product(_pure(alpha)) - _right_product(_pure(beta))
    quadratic = np.einsum("pij,pik->jk", difference, difference)
    return _with_translation(_rotation_of(np.linalg.eigh(quadratic)[1][:, 0]), a, b)


def andreff(a: FloatArray, b: FloatArray) -> FloatArray:
    """X (4, 4) after Andreff, Horaud and Espiau (1999): rotation and translation from one linear system."""
    count = len(a)
    ra, rb = a[:, :3, :3], b[:, :3, :3]
    eye = np.eye(3)
    system = np.zeros((count, 12, 12))
    for index in range(count):
        system[index, :9, :9] = np.kron(ra[index], eye) - np.kron(eye, rb[index].T)
        system[index, 9:, :9] = np.kron(eye, b[index, :3, 3])
        system[index, 9:, 9:] = eye - ra[index]
    right = np.zeros((count, 12))
    right[:, 9:] = a[:, :3, 3]
    solution = np.linalg.lstsq(system.reshape(-1, 12), right.ravel(), rcond=None)[0]
    rotation = solution[:9].reshape(3, 3)
    if np.linalg.det(rotation) < 0.0:
        rotation = -rotation
    return _with_translation(nearest_rotation(rotation), a, b)


def daniilidis(a: FloatArray, b: FloatArray) -> FloatArray:
    """X (4, 4) after Daniilidis (1999): dual quaternions, rotation and translation at once."""
    qa, qb = _dual_quaternions(a), _dual_quaternions(b)
    rows = []
    for (real_a, dual_a), (real_b, dual_b) in zip(qa, qb, strict=True):
        top = np.zeros((6, 8))
        top[:3, 0] = real_a[1:] - real_b[1:]
        top[:3, 1:4] = cross_matrices(real_a[1:] + real_b[1:])
        top[3:, 0] = dual_a[1:] - dual_b[1:]
        top[3:, 1:4] = cross_matrices(dual_a[1:] + dual_b[1:])
        top[3:, 4], top[3:, 5:] = top[:3, 0], top[:3, 1:4]
        rows.append(top)
    _, _, right = np.linalg.svd(np.concatenate(rows))
    u, v = right[6], right[7]
    u1, v1, u2, v2 = u[:4], u[4:], v[:4], v[4:]
    # s u + t v with unit real part, orthogonal to the dual part: (s/t)^2 u1·v1 + (s/t)(u1·v2 + u2·v1) + u2·v2 = 0.
    quadratic = (u1 @ v1, u1 @ v2 + u2 @ v1, u2 @ v2)
    ratios = np.real(np.roots(quadratic)) if abs(quadratic[0]) > 1e-15 else np.array([0.0])
    lengths = ratios**2 * (u1 @ u1) + 2.0 * ratios * (u1 @ u2) + u2 @ u2
    best = int(np.argmax(lengths))
    t = np.sqrt(1.0 / lengths[best])
    real, dual = t * (ratios[best] * u1 + u2), t * (ratios[best] * v1 + v2)
    translation = 2.0 * (_left_product(dual[None])[0] @ (real * np.array([1.0, -1.0, -1.0, -1.0])))[1:]
    return motion(_rotation_of(real), translation)


METHODS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "Tsai": tsai,
    "Park": park,
    "Horaud": horaud,
    "Andreff": andreff,
    "Daniilidis": daniilidis,
}
"""Each takes motions A and B (P, 4, 4) and returns X (4, 4)."""


def _with_translation(rotation: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """X (4, 4) of a known rotation: (A's rotation - 1) t = rotation · B's translation - A's translation."""
    system = (a[:, :3, :3] - np.eye(3)).reshape(-1, 3)
    right = b[:, :3, 3] @ rotation.T - a[:, :3, 3]
    return motion(rotation, np.linalg.lstsq(system, right.ravel(), rcond=None)[0])


def _rotation_vectors(poses: FloatArray) -> FloatArray:
    return np.array([vector_from_rotation(pose[:3, :3]) for pose in poses])


def _modified_rodrigues(poses: FloatArray) -> FloatArray:
    """(P, 3) axis times twice the sine of half the angle."""
    vectors = _rotation_vectors(poses)
    angles = np.linalg.norm(vectors, axis=1, keepdims=True)
    return _unit(vectors) * 2.0 * np.sin(angles / 2.0)


def _unit(vectors: FloatArray) -> FloatArray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _pure(vectors: FloatArray) -> FloatArray:
    """(P, 4) quaternions w, x, y, z without a real part."""
    return np.concatenate([np.zeros((len(vectors), 1)), vectors], axis=1)


def _left_product(quaternions: FloatArray) -> FloatArray:
    """(P, 4, 4) matrices of q ⊗ · for ``quaternions`` (P, 4) as w, x, y, z."""
    w, vector = quaternions[:, 0], quaternions[:, 1:]
    matrices = w[:, None, None] * np.eye(4)
    matrices[:, 0, 1:] -= vector
    matrices[:, 1:, 0] += vector
    matrices[:, 1:, 1:] += cross_matrices(vector)
    return matrices


def _right_product(quaternions: FloatArray) -> FloatArray:
    """(P, 4, 4) matrices of · ⊗ q."""
    w, vector = quaternions[:, 0], quaternions[:, 1:]
    matrices = w[:, None, None] * np.eye(4)
    matrices[:, 0, 1:] -= vector
    matrices[:, 1:, 0] += vector
    matrices[:, 1:, 1:] -= cross_matrices(vector)
    return matrices


def _rotation_of(quaternion: FloatArray) -> FloatArray:
    """(3, 3) rotation of a quaternion w, x, y, z of any length."""
    w, *vector = quaternion / np.linalg.norm(quaternion)
    cross = cross_matrices(np.array(vector))
    return np.eye(3) + 2.0 * w * cross + 2.0 * cross @ cross


def _dual_quaternions(poses: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Real and dual part, w, x, y, z each, the real part with w >= 0."""
    result = []
    for pose, vector in zip(poses, _rotation_vectors(poses), strict=True):
        angle = float(np.linalg.norm(vector))
        axis = vector / max(angle, 1e-12)
        real = np.concatenate([[np.cos(angle / 2.0)], np.sin(angle / 2.0) * axis])
        shift = np.concatenate([[0.0], pose[:3, 3]])
        result.append((real, 0.5 * _left_product(shift[None])[0] @ real))
    return result
