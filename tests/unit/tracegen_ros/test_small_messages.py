"""Intrinsics, transforms, stamps and diagnostics as messages."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, Transform, Vector3
from sensor_msgs.msg import CameraInfo

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.messages import (
    CameraInfoError,
    Level,
    TransformError,
    decode_diagnostics,
    decode_intrinsics,
    decode_stamp,
    decode_transform,
    encode_diagnostics,
    encode_duration,
    encode_header,
    encode_intrinsics,
    encode_path,
    encode_stamp,
    encode_transform,
    quaternion_from_rotation,
    rotation_from_quaternion,
)

HEADER = encode_header(0, "fr3_link0")


def test_intrinsics_round_trip() -> None:
    intrinsics = CameraIntrinsics(615.0, 614.0, 319.5, 239.5, 640, 480)
    assert decode_intrinsics(encode_intrinsics(intrinsics, HEADER)) == intrinsics


def test_distortion_is_passed_on_and_is_none_by_default() -> None:
    intrinsics = CameraIntrinsics(600.0, 610.0, 319.5, 239.5, 640, 480)
    distortion = [0.1, -0.2, 0.001, 0.002, 0.05]
    assert list(encode_intrinsics(intrinsics, HEADER, distortion).d) == distortion
    assert list(encode_intrinsics(intrinsics, HEADER).d) == [0.0] * 5


def test_an_uncalibrated_camera_is_refused() -> None:
    with pytest.raises(CameraInfoError, match="not calibrated"):
        decode_intrinsics(CameraInfo(width=640, height=480))


@pytest.mark.parametrize("seed", range(5))
def test_rotation_round_trip(seed: int) -> None:
    quaternion = np.random.default_rng(seed).normal(size=4)
    quaternion /= np.linalg.norm(quaternion) * np.sign(quaternion[3])
    np.testing.assert_allclose(
        quaternion_from_rotation(rotation_from_quaternion(*quaternion)), quaternion, atol=1e-12
    )


@pytest.mark.parametrize("axis", range(3))
def test_half_turns_round_trip(axis: int) -> None:
    rotation = -np.eye(3)
    rotation[axis, axis] = 1.0
    np.testing.assert_allclose(
        rotation_from_quaternion(*quaternion_from_rotation(rotation)), rotation, atol=1e-12
    )


def test_transform_round_trip_maps_child_to_parent() -> None:
    child_in_parent = np.eye(4)
    child_in_parent[:3, :3] = rotation_from_quaternion(0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))
    child_in_parent[:3, 3] = [1.0, 2.0, 3.0]
    message = encode_transform(child_in_parent, HEADER, "camera")
    assert (message.header.frame_id, message.child_frame_id) == ("fr3_link0", "camera")
    decoded = decode_transform(message.transform)
    np.testing.assert_allclose(decoded, child_in_parent, atol=1e-12)
    np.testing.assert_allclose(decoded @ [1.0, 0.0, 0.0, 1.0], [1.0, 3.0, 3.0, 1.0], atol=1e-12)


def test_what_is_no_rigid_transform_is_refused() -> None:
    with pytest.raises(TransformError, match="unit quaternion"):
        decode_transform(Transform(rotation=Quaternion(x=0.0, y=0.0, z=0.0, w=0.0)))
    with pytest.raises(TransformError, match="finite"):
        decode_transform(Transform(translation=Vector3(x=float("nan"))))
    with pytest.raises(TransformError, match="mirrors"):
        quaternion_from_rotation(np.diag([1.0, 1.0, -1.0]))


@pytest.mark.parametrize("nanoseconds", [0, 1, 999_999_999, 1_000_000_000, 1_700_000_000_123_456_789])
def test_stamps_are_exact(nanoseconds: int) -> None:
    assert decode_stamp(encode_stamp(nanoseconds)) == nanoseconds


def test_durations_are_rounded_to_the_nanosecond() -> None:
    assert decode_stamp(encode_duration(0.1 + 0.2)) == 300_000_000
    assert decode_stamp(encode_duration(0.9999999999)) == 1_000_000_000


def test_diagnostics_are_found_by_name_with_readable_numbers() -> None:
    array = encode_diagnostics(
        "node: part", Level.WARN, "slow", {"rate_hz": 4.123456789, "none": None}, HEADER
    )
    assert decode_diagnostics(array, "node: part") == (Level.WARN, "slow", {"rate_hz": "4.12346"})
    assert decode_diagnostics(array, "other") is None


def test_a_path_keeps_its_points_and_frame() -> None:
    path = encode_path([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], HEADER)
    assert path.header.frame_id == "fr3_link0"
    assert [pose.pose.position.z for pose in path.poses] == [0.3, 0.6]
