"""``sensor_msgs/CameraInfo`` <-> ``CameraIntrinsics``."""

from __future__ import annotations

from collections.abc import Sequence

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from tracegen_model.camera import CameraIntrinsics, IntrinsicsError
from tracegen_ros.messages.errors import CameraInfoError

NO_DISTORTION = (0.0,) * 5
"""Coefficients of a lens that does not distort."""


def decode_intrinsics(info: CameraInfo) -> CameraIntrinsics:
    """Pinhole intrinsics [px] of the raw image (K; distortion is taken as corrected or negligible).

    Raises:
        CameraInfoError: K is all zero (uncalibrated), not finite, or the size is zero.
    """
    try:
        return CameraIntrinsics.from_matrix(info.k, info.width, info.height)
    except IntrinsicsError as error:
        raise CameraInfoError(f"unusable CameraInfo in frame {info.header.frame_id!r}: {error}") from error


def encode_intrinsics(
    intrinsics: CameraIntrinsics, header: Header, distortion: Sequence[float] = NO_DISTORTION
) -> CameraInfo:
    """CameraInfo of a camera with plumb_bob ``distortion`` (k1, k2, p1, p2, k3), by default none."""
    fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
    return CameraInfo(
        header=header,
        height=intrinsics.height,
        width=intrinsics.width,
        distortion_model="plumb_bob",
        d=list(distortion),
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
