"""A camera made of messages, and an operator who gives instructions, for ``trace_node`` in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import String

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.messages import (
    decode_stamp,
    encode_colour,
    encode_depth,
    encode_header,
    encode_intrinsics,
)
from tracegen_ros.qos import LATCHED, LATEST, SENSOR

HEALTH = "trace_node: inference"
FRAME = "camera_color_optical_frame"
WIDTH, HEIGHT = 64, 48
INTRINSICS = CameraIntrinsics(60.0, 60.0, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, WIDTH, HEIGHT)
COLOUR = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
DEPTH = np.full((HEIGHT, WIDTH), 0.8, np.float32)


class Camera:
    """Publishes frames whose stamps start at the present and go on at the camera's rate."""

    def __init__(self, tester) -> None:
        self.tester = tester
        self.colour = tester.publisher(Image, "/camera/camera/color/image_raw", SENSOR)
        self.depth = tester.publisher(Image, "/camera/camera/aligned_depth_to_color/image_raw", SENSOR)
        self.info = tester.publisher(CameraInfo, "/camera/camera/color/camera_info", SENSOR)
        self.instruction = tester.publisher(String, "/task_instruction", LATCHED)
        self.traces = tester.hear(PointCloud2, "/tracegen/traces", LATEST)

    def publish(self, colour: Image | None = None, depth: Image | None = None, skip: str = "") -> int:
        """Publish a frame with the present time; returns its stamp [ns]."""
        stamp_ns = self.tester.node.get_clock().now().nanoseconds
        header = encode_header(stamp_ns, FRAME)
        colour = colour or encode_colour(COLOUR, header)
        depth = depth or encode_depth(DEPTH, header)
        colour.header = depth.header = header
        if skip != "info":
            self.info.publish(encode_intrinsics(INTRINSICS, header))
        self.colour.publish(colour)
        if skip != "depth":
            self.depth.publish(depth)
        return stamp_ns

    def instruct(self, text: str) -> None:
        self.instruction.publish(String(data=text))

    @contextmanager
    def running(
        self, colour: Image | None = None, depth: Image | None = None, skip: str = ""
    ) -> Iterator[None]:
        """Publish such frames 20 times a second."""
        timer = self.tester.node.create_timer(0.05, lambda: self.publish(colour, depth, skip))
        yield
        self.tester.node.destroy_timer(timer)

    def traces_since(self, stamp_ns: int) -> list[PointCloud2]:
        """Traces of images that are not older than ``stamp_ns``; older ones may still have been on their way."""
        return [cloud for cloud in self.traces if decode_stamp(cloud.header.stamp) >= stamp_ns]

    def wait_for_traces(self, after_ns: int = 0) -> PointCloud2:
        """The first traces of a frame that is not older than ``after_ns``; frames are published until they come."""

        def arrived() -> bool:
            self.publish()
            return bool(self.traces_since(after_ns))

        self.tester.wait(arrived, "traces")
        return self.traces_since(after_ns)[0]

    def close(self) -> None:
        """Take everything back, the latched instruction above all: a node that starts later must not hear it."""
        for publisher in (self.colour, self.depth, self.info, self.instruction):
            self.tester.node.destroy_publisher(publisher)
