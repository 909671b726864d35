"""The camera's view as coloured points."""

from __future__ import annotations

import numpy as np

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.messages import encode_coloured_cloud, encode_header
from tracegen_ros.scene_points import scene_points

INTRINSICS = CameraIntrinsics(100.0, 100.0, 3.5, 2.5, 8, 6)


def test_points_are_where_the_pixels_readings_are_with_the_pixels_colours() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    depth = np.zeros((6, 8), np.float32)
    depth[2, 4], depth[4, 6], depth[3, 3], depth[0, 0], depth[0, 2] = 1.0, 2.0, 1.0, 5.0, np.nan
    points, colours = scene_points(rgb, depth, INTRINSICS, every=2, farthest=3.0)
    np.testing.assert_allclose(points, [[0.005, -0.005, 1.0], [0.05, 0.03, 2.0]], atol=1e-7)
    np.testing.assert_array_equal(colours, rgb[[2, 4], [4, 6]])
    assert len(scene_points(rgb, np.zeros((6, 8), np.float32), INTRINSICS)[0]) == 0


def test_the_cloud_packs_a_colour_into_the_bytes_of_one_float_as_viewers_expect() -> None:
    points = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
    colours = np.array([[10, 20, 30], [255, 128, 0]], np.uint8)
    cloud = encode_coloured_cloud(points, colours, encode_header(0, "camera"))
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "rgb"]
    assert (cloud.width, cloud.height, cloud.point_step, len(cloud.data)) == (2, 1, 16, 32)
    values = np.frombuffer(bytes(cloud.data), np.float32).reshape(2, 4)
    np.testing.assert_array_equal(values[:, :3], points)
    blue_green_red = np.frombuffer(bytes(cloud.data), np.uint8).reshape(2, 16)[:, 12:15]
    np.testing.assert_array_equal(blue_green_red[:, ::-1], colours)
