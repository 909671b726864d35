"""Where the simulated camera stands: poses of the optical frame in the robot's base frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

NOMINAL_CAMERA_POSITION_IN_BASE = np.array([1.05, 0.22, 0.62])
"""Nominal position of the camera [m, fr3_link0]: in front of the robot, looking back at it."""

NOMINAL_CAMERA_TARGET_IN_BASE = np.array([0.47, 0.0, 0.10])
"""Point that the nominal camera looks at [m, fr3_link0]."""


def look_at(position: ArrayLike, target: ArrayLike, roll: float = 0.0) -> NDArray[np.float64]:
    """Pose of a camera at ``position`` whose optical axis passes through ``target``.

    Args:
        position: (3,) camera centre [m, base frame].
        target: (3,) point on the optical axis [m, base frame].
        roll: Rotation about the optical axis [rad]; 0 keeps the image's rows level.

    Returns:
        (4, 4) ``camera_in_base``: x right, y down, z forward (REP-103 optical frame).
    """
    origin = np.asarray(position, dtype=float)
    forward = np.asarray(target, dtype=float) - origin
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right * cos + down * sin, down * cos - right * sin, forward], axis=1)
    pose[:3, 3] = origin
    return pose


def nominal_camera_in_base() -> NDArray[np.float64]:
    """(4, 4) calibrated pose of the camera's optical frame in ``fr3_link0``."""
    return look_at(NOMINAL_CAMERA_POSITION_IN_BASE, NOMINAL_CAMERA_TARGET_IN_BASE)


def perturbed_camera_pose(
    camera_in_base: NDArray[np.float64], translation: float, rotation: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """``camera_in_base`` moved by ``translation`` [m] and turned by ``rotation`` [rad] in random directions."""
    direction = rng.normal(size=3)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(rotation) * cross + (1 - np.cos(rotation)) * cross @ cross
    pose = camera_in_base.copy()
    pose[:3, :3] = turn @ camera_in_base[:3, :3]
    pose[:3, 3] += translation * direction / np.linalg.norm(direction)
    return pose


def random_camera_pose(rng: np.random.Generator) -> NDArray[np.float64]:
    """A camera pose of the training distribution: near the nominal one, as far as a careless mount would be."""
    position = NOMINAL_CAMERA_POSITION_IN_BASE + rng.normal(0.0, 0.03, 3)
    target = NOMINAL_CAMERA_TARGET_IN_BASE + rng.normal(0.0, 0.02, 3)
    return look_at(position, target, roll=rng.normal(0.0, np.radians(1.5)))
