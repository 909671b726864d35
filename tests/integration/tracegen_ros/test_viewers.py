"""Markers, the overlay image and the camera's pose on TF."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import (
    decode_colour,
    decode_compressed_colour,
    decode_transform,
    encode_colour,
    encode_depth,
    encode_header,
    encode_intrinsics,
    encode_trace_grid,
)
from tracegen_ros.qos import LATCHED, LATEST, SENSOR

HEADER = encode_header(5_000_000_000, "camera_color_optical_frame")


def rising_traces() -> TraceGrid:
    """With a spread, which viewers do not know."""
    points = np.ones((9, 4, 3), np.float32)
    points[:, 0, 1] -= np.linspace(0.0, 0.2, 9)
    pixels = np.full((9, 4, 2), 30.0, np.float32)
    pixels[:, 0, 1] = np.linspace(30.0, 5.0, 9)
    return TraceGrid(points, pixels, np.full((9, 4), 0.01, np.float32))


@pytest.fixture(scope="module")
def markers_node(processes) -> None:
    """Draws markers and the overlay."""
    processes.node("tracegen_ros.nodes.trace_markers_node", timeout_s=0.5)


@pytest.mark.usefixtures("markers_node")
def test_moving_traces_are_drawn_as_markers_and_removed_when_stale(tester) -> None:
    traces = tester.publisher(PointCloud2, "/tracegen/traces", LATEST)
    markers = tester.hear(MarkerArray, "/tracegen/markers", LATEST)

    def drawn() -> bool:
        traces.publish(encode_trace_grid(rising_traces(), HEADER))
        return bool(markers)

    tester.wait(drawn, "markers")
    leading = next(marker for marker in markers[0].markers if marker.ns == "leading_traces")
    assert (leading.type, len(leading.points)) == (Marker.LINE_LIST, 16)
    assert leading.header.frame_id == HEADER.frame_id
    tester.wait(lambda: markers[-1].markers[0].action == Marker.DELETEALL, "the removal of stale markers")


@pytest.mark.usefixtures("markers_node")
def test_the_overlay_is_made_of_camera_and_traces_while_somebody_looks_and_not_otherwise(tester) -> None:
    node = tester.node
    images = node.create_publisher(Image, "/camera/camera/color/image_raw", SENSOR)
    traces = tester.publisher(PointCloud2, "/tracegen/traces", LATEST)
    topics = ("/tracegen/overlay", "/tracegen/overlay/compressed")
    tester.wait(lambda: all(map(node.count_publishers, topics)), "the overlay's topics")
    assert images.get_subscription_count() == 0, "nobody looks: no image is taken"
    offered = node.get_publishers_info_by_topic("/tracegen/overlay")[0].qos_profile
    assert offered.reliability is SENSOR.reliability

    compressed: list[CompressedImage] = []
    compressed_listener = node.create_subscription(
        CompressedImage, "/tracegen/overlay/compressed", compressed.append, SENSOR
    )
    tester.wait(lambda: images.get_subscription_count() > 0, "the overlay's interest in images")

    def drawn(heard: list, decode: Callable) -> bool:
        images.publish(encode_colour(np.zeros((40, 60, 3), np.uint8), HEADER))
        traces.publish(encode_trace_grid(rising_traces(), HEADER))
        return bool(heard) and heard[-1].header == HEADER and decode(heard[-1]).any()

    tester.wait(lambda: drawn(compressed, decode_compressed_colour), "traces on a compressed overlay")
    colours = decode_compressed_colour(compressed[-1])
    assert colours[5:30, 25:35].max() > 100, "the rising trace is drawn"
    assert colours[:, :20].max() < 50, "and nothing else"

    raw = tester.hear(Image, "/tracegen/overlay", SENSOR)
    tester.wait(lambda: drawn(raw, decode_colour), "traces on an overlay")
    np.testing.assert_allclose(decode_colour(raw[-1]), colours, atol=120)

    # Without traces the picture goes on.
    later = encode_header(7_000_000_000, HEADER.frame_id)

    def without_traces() -> bool:
        images.publish(encode_colour(np.zeros((40, 60, 3), np.uint8), later))
        return raw[-1].header == later

    tester.wait(without_traces, "an overlay without traces")
    assert not decode_colour(raw[-1]).any()
    node.destroy_subscription(compressed_listener)


def test_the_scene_is_a_coloured_cloud_while_somebody_looks_and_not_otherwise(tester, processes) -> None:
    processes.node("tracegen_ros.nodes.scene_cloud_node", every=1, rate_hz=10.0)
    node = tester.node
    colours = node.create_publisher(Image, "/camera/camera/color/image_raw", SENSOR)
    depths = node.create_publisher(Image, "/camera/camera/aligned_depth_to_color/image_raw", SENSOR)
    infos = node.create_publisher(CameraInfo, "/camera/camera/color/camera_info", SENSOR)
    tester.wait(lambda: node.count_publishers("/tracegen/cloud"), "the cloud's topic")
    assert depths.get_subscription_count() == 0, "nobody looks: no image is taken"
    clouds: list[PointCloud2] = []
    listener = node.create_subscription(PointCloud2, "/tracegen/cloud", clouds.append, SENSOR)
    depth = np.zeros((40, 60), np.float32)
    depth[10:20, 5:10] = 1.5
    stamp_ns = 9_000_000_000

    def seen() -> bool:
        nonlocal stamp_ns
        stamp_ns += 50_000_000
        header = encode_header(stamp_ns, HEADER.frame_id)
        infos.publish(encode_intrinsics(CameraIntrinsics(50.0, 50.0, 29.5, 19.5, 60, 40), header))
        colours.publish(encode_colour(np.full((40, 60, 3), 200, np.uint8), header))
        depths.publish(encode_depth(depth, header))
        return bool(clouds)

    tester.wait(seen, "a cloud")
    assert (clouds[0].width, clouds[0].header.frame_id) == (50, HEADER.frame_id)
    node.destroy_subscription(listener)
    tester.wait(lambda: depths.get_subscription_count() == 0, "the end of the interest in images")


def test_the_calibrated_camera_pose_is_there_for_whoever_joins_late(
    tester, processes, tmp_path: Path
) -> None:
    calibration = tmp_path / "camera.yaml"
    calibration.write_text(
        "parent_frame: fr3_link0\nchild_frame: camera\ntranslation: [1, 2, 3]\nrotation: [0, 0, 0, 1]\n"
    )
    processes.node("tracegen_ros.nodes.camera_pose_node", calibration=calibration)
    transforms = tester.hear(TFMessage, "/tf_static", LATCHED)
    tester.wait(lambda: transforms, "the camera's pose")
    transform = transforms[0].transforms[0]
    assert (transform.header.frame_id, transform.child_frame_id) == ("fr3_link0", "camera")
    np.testing.assert_array_equal(decode_transform(transform.transform)[:3, 3], [1.0, 2.0, 3.0])


def test_a_wrong_parameter_ends_a_node_with_exit_code_two_and_a_reason() -> None:
    code = "from tracegen_ros.nodes.camera_pose_node import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "--ros-args", "-p", "calibration:=/nowhere.yaml"],
        capture_output=True,
        text=True,
        timeout=120.0,
        check=False,
    )
    assert ended.returncode == 2
    assert "cannot read the camera calibration /nowhere.yaml" in ended.stderr
