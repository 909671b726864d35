"""Messages of ``geometry_msgs``, and ``nav_msgs/Path``, <-> arrays."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseStamped,
    Quaternion,
    Transform,
    TransformStamped,
    Vector3,
    Wrench,
    WrenchStamped,
)
from nav_msgs.msg import Path
from numpy.typing import ArrayLike, NDArray
from std_msgs.msg import Header

from tracegen_ros.messages.errors import TransformError

_UNIT_TOLERANCE = 1e-3
"""How far a quaternion's norm may be from one before it is refused."""


def rotation_from_quaternion(x: float, y: float, z: float, w: float) -> NDArray[np.float64]:
    """Rotation matrix (3, 3) of a unit quaternion (x, y, z, w: the order of ROS).

    Raises:
        TransformError: The norm is not one.
    """
    quaternion = np.array([x, y, z, w], dtype=float)
    norm = float(np.linalg.norm(quaternion))
    if not np.isfinite(norm) or abs(norm - 1.0) > _UNIT_TOLERANCE:
        raise TransformError(
            f"a rotation needs a unit quaternion (x, y, z, w), got {quaternion.tolist()} of norm {norm}"
        )
    x, y, z, w = quaternion / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_rotation(rotation: ArrayLike) -> NDArray[np.float64]:
    """Unit quaternion (x, y, z, w), w >= 0, of a rotation matrix (3, 3).

    It is the eigenvector of the largest eigenvalue of a symmetric 4x4 matrix (Bar-Itzhack, 2000): no case distinction,
    and the nearest rotation when the matrix is slightly off.

    Raises:
        TransformError: The matrix is not a rotation.
    """
    r = np.asarray(rotation, dtype=float)
    if r.shape != (3, 3) or not np.isfinite(r).all() or np.abs(r @ r.T - np.eye(3)).max() > _UNIT_TOLERANCE:
        raise TransformError(f"not a rotation matrix: {r.tolist()}")
    if np.linalg.det(r) < 0.0:
        raise TransformError("not a rotation matrix: it mirrors (determinant -1)")
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2], r[2, 1] - r[1, 2]],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
    quaternion = np.linalg.eigh(k)[1][:, -1]
    return -quaternion if quaternion[3] < 0.0 else quaternion


def decode_transform(message: Transform) -> NDArray[np.float64]:
    """Homogeneous matrix (4, 4): maps points of the child frame to the parent frame [m].

    Raises:
        TransformError: The quaternion is not a unit one, or a number is not finite.
    """
    translation = np.array([message.translation.x, message.translation.y, message.translation.z])
    if not np.isfinite(translation).all():
        raise TransformError(f"a translation must be finite, got {translation.tolist()}")
    rotation = message.rotation
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_from_quaternion(rotation.x, rotation.y, rotation.z, rotation.w)
    matrix[:3, 3] = translation
    return matrix


def encode_transform(child_in_parent: ArrayLike, header: Header, child_frame_id: str) -> TransformStamped:
    """TF message of a homogeneous matrix (4, 4) [m]; ``header.frame_id`` is the parent."""
    matrix = np.asarray(child_in_parent, dtype=float)
    if matrix.shape != (4, 4):
        raise TransformError(f"a homogeneous transform is (4, 4), got {matrix.shape}")
    x, y, z, w = quaternion_from_rotation(matrix[:3, :3]).tolist()
    tx, ty, tz = matrix[:3, 3].tolist()
    return TransformStamped(
        header=header,
        child_frame_id=child_frame_id,
        transform=Transform(translation=Vector3(x=tx, y=ty, z=tz), rotation=Quaternion(x=x, y=y, z=z, w=w)),
    )


def encode_pose(pose_in_parent: ArrayLike, header: Header) -> PoseStamped:
    """Pose message of a homogeneous matrix (4, 4) [m]; ``header.frame_id`` is the parent."""
    matrix = np.asarray(pose_in_parent, dtype=float)
    if matrix.shape != (4, 4):
        raise TransformError(f"a homogeneous transform is (4, 4), got {matrix.shape}")
    x, y, z, w = quaternion_from_rotation(matrix[:3, :3]).tolist()
    px, py, pz = matrix[:3, 3].tolist()
    pose = Pose(position=Point(x=px, y=py, z=pz), orientation=Quaternion(x=x, y=y, z=z, w=w))
    return PoseStamped(header=header, pose=pose)


def encode_wrench(wrench: ArrayLike, header: Header) -> WrenchStamped:
    """Wrench message of force and torque (6,) [N, Nm] in ``header.frame_id``."""
    fx, fy, fz, tx, ty, tz = np.asarray(wrench, dtype=float).tolist()
    return WrenchStamped(
        header=header, wrench=Wrench(force=Vector3(x=fx, y=fy, z=fz), torque=Vector3(x=tx, y=ty, z=tz))
    )


def encode_path(points: ArrayLike, header: Header) -> Path:
    """Path through ``points`` (K, 3) [m, ``header.frame_id``], without orientation."""
    return Path(
        header=header,
        poses=[
            PoseStamped(
                header=header, pose=Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=1.0))
            )
            for x, y, z in np.asarray(points, dtype=float).reshape(-1, 3).tolist()
        ],
    )
