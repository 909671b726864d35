"""The camera node in a process of its own: what it publishes, and what it does when the camera fails."""

from __future__ import annotations

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from tests.unit.realsense_camera.controlled_source import SMALL

from tracegen_ros.messages import Level, decode_colour, decode_depth, decode_intrinsics, decode_stamp
from tracegen_ros.qos import SENSOR

NODE = "camera/camera"
HEALTH = "realsense_camera: stream"
COLOUR = "/camera/camera/color/image_raw"
COLOUR_INFO = "/camera/camera/color/camera_info"
DEPTH = "/camera/camera/aligned_depth_to_color/image_raw"
DEPTH_INFO = "/camera/camera/aligned_depth_to_color/camera_info"


@pytest.fixture(scope="module")
def command(tester, processes):
    """Tells the software camera of a running node what to do."""
    processes.python(
        "tests.integration.realsense_camera.controlled_camera_node",
        *("--ros-args", "-p", "diagnostics_rate_hz:=20.0", "-p", "retry_s:=0.1", "-p", "stall_s:=0.4"),
        *("-p", f"colour_profile:={SMALL}", "-p", f"depth_profile:={SMALL}"),
    )
    tester.activate(NODE)
    publisher = tester.publisher(String, "/camera_command", 10)
    return lambda words: publisher.publish(String(data=words))


def change(tester, transition: int) -> None:
    request = ChangeState.Request(transition=Transition(id=transition))
    assert tester.call(ChangeState, f"/{NODE}/change_state", request).success


def test_the_four_messages_of_an_image_belong_together(tester, command) -> None:
    heard = [
        tester.hear(kind, topic, SENSOR)
        for kind, topic in ((Image, COLOUR), (CameraInfo, COLOUR_INFO), (Image, DEPTH), (CameraInfo, DEPTH_INFO))
    ]  # fmt: skip

    def common() -> set[int]:
        return set.intersection(*({decode_stamp(message.header.stamp) for message in kind} for kind in heard))

    tester.wait(common, "an image with all its parts")
    stamp_ns = max(common())
    messages = [next(m for m in kind if decode_stamp(m.header.stamp) == stamp_ns) for kind in heard]
    colour, colour_info, depth, depth_info = messages
    assert {message.header.frame_id for message in messages} == {"camera_color_optical_frame"}
    assert (colour.encoding, depth.encoding) == ("rgb8", "16UC1")
    assert decode_colour(colour).shape == (SMALL.height, SMALL.width, 3)
    assert decode_depth(depth)[60, 80] == pytest.approx(0.8)
    assert decode_intrinsics(colour_info) == decode_intrinsics(depth_info)
    assert decode_intrinsics(colour_info).fx == pytest.approx(0.95 * SMALL.width)
    assert colour_info.distortion_model == "plumb_bob"
    age_s = (tester.node.get_clock().now().nanoseconds - stamp_ns) * 1e-9
    assert 0.0 <= age_s < 5.0


@pytest.mark.real_time
def test_stamps_increase_at_the_cameras_pace(tester, command) -> None:
    images = tester.hear(Image, COLOUR, SENSOR)
    tester.wait(lambda: len(images) > 20, "images")
    steps_s = np.diff([decode_stamp(image.header.stamp) for image in images]) * 1e-9
    assert (steps_s > 0.0).all()
    assert np.median(steps_s) == pytest.approx(SMALL.period_s, rel=0.5)


def test_reliable_subscribers_are_served_too_as_by_the_stock_driver(tester, command) -> None:
    images = tester.hear(Image, DEPTH, QoSProfile(depth=5))
    infos = tester.hear(CameraInfo, COLOUR_INFO, QoSProfile(depth=5))
    tester.wait(lambda: images and infos, "an image and its CameraInfo")


def test_health_has_the_figures_of_the_stream(tester, command) -> None:
    tester.wait_for_health(HEALTH, Level.OK, "STREAMING")
    values = tester.wait_for_health(HEALTH, Level.OK, "STREAMING")
    assert values["state"] == "STREAMING"
    assert values["profile"] == str(SMALL)
    assert float(values["rate_hz"]) > 0.0
    assert float(values["frame_to_published_p99_ms"]) >= float(values["frame_to_published_p50_ms"]) > 0.0
    assert {"frames", "colour_dropped", "depth_dropped", "stamp_to_published_p50_ms", "camera"} <= set(values)


def test_a_stall_is_reported_and_ends_by_itself(tester, command) -> None:
    command("stall")
    tester.wait_for_health(HEALTH, Level.ERROR, "STALLED: the camera is connected but has sent no pair")
    command("resume")
    tester.wait_for_health(HEALTH, Level.OK, "STREAMING")


def test_an_unplugged_camera_is_reported_and_taken_up_again(tester, command) -> None:
    before = tester.wait_for_health(HEALTH, Level.OK, "STREAMING")
    command("unplug")
    tester.wait_for_health(HEALTH, Level.ERROR, "UNPLUGGED")
    images = tester.hear(Image, COLOUR, SENSOR)
    command("plug in")
    after = tester.wait_for_health(HEALTH, Level.OK, "STREAMING")
    tester.wait(lambda: images, "images of the camera that is back")
    assert int(after["times_opened"]) > int(before["times_opened"])


def test_a_node_goes_down_and_up_again(tester, command) -> None:
    change(tester, Transition.TRANSITION_DEACTIVATE)
    tester.wait_for_health(HEALTH, Level.OK, "CONFIGURED")
    tester.activate(NODE)
    tester.wait_for_health(HEALTH, Level.OK, "STREAMING")
    change(tester, Transition.TRANSITION_DEACTIVATE)
    change(tester, Transition.TRANSITION_CLEANUP)
    tester.activate(NODE)
    tester.wait_for_health(HEALTH, Level.OK, "STREAMING")
