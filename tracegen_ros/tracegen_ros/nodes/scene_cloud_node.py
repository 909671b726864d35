"""``scene_cloud_node``: colour and depth images as a coloured point cloud, slowly, and only while somebody looks."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from tracegen_ros.frame_pairing import FramePairing
from tracegen_ros.messages import (
    MessageError,
    check_same_size,
    decode_colour,
    decode_depth,
    decode_intrinsics,
    decode_stamp,
    encode_coloured_cloud,
    nanoseconds_from,
)
from tracegen_ros.on_demand import OnDemand
from tracegen_ros.parameters import declare_parameters, parameter
from tracegen_ros.qos import SENSOR
from tracegen_ros.scene_points import scene_points
from tracegen_ros.spinning import run_node

NAME = "scene_cloud"


@dataclass(frozen=True)
class SceneCloudParameters:
    """Which images, and how much of them."""

    colour_topic: str = parameter("/camera/camera/color/image_raw", "Colour images")
    depth_topic: str = parameter(
        "/camera/camera/aligned_depth_to_color/image_raw", "Depth images, aligned to colour"
    )
    camera_info_topic: str = parameter("/camera/camera/color/camera_info", "Intrinsics of the colour camera")
    cloud_topic: str = parameter("/tracegen/cloud", "Where the cloud is published")
    rate_hz: float = parameter(2.0, "Most clouds per second of wall time [Hz]", minimum=0.1, maximum=15.0)
    every: int = parameter(2, "Every so many pixels of each row and column", minimum=1, maximum=16)
    farthest: float = parameter(2.5, "Readings beyond this are left out [m]", minimum=0.1, maximum=20.0)
    sync_tolerance_s: float = parameter(
        0.01, "How far the stamps of colour and depth may be apart [s]", minimum=0.0, maximum=0.1
    )


class SceneCloudNode(Node):
    """Shows the newest pair of images at each tick."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._settings = parameters = declare_parameters(self, SceneCloudParameters)
        self._clouds = self.create_publisher(PointCloud2, parameters.cloud_topic, SENSOR)
        self._forget()
        self._on_demand = OnDemand(self, (self._clouds,), self._subscribe, self._forget)
        self.create_timer(1.0 / parameters.rate_hz, self._show, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _subscribe(self) -> list[Subscription]:
        settings = self._settings
        return [
            self.create_subscription(Image, settings.colour_topic, self._on_colour, SENSOR),
            self.create_subscription(Image, settings.depth_topic, self._on_depth, SENSOR),
            self.create_subscription(CameraInfo, settings.camera_info_topic, self._on_info, SENSOR),
        ]

    def _forget(self) -> None:
        self._info: CameraInfo | None = None
        self._pairing: FramePairing[Image, Image] = FramePairing(
            nanoseconds_from(self._settings.sync_tolerance_s)
        )

    def _on_colour(self, image: Image) -> None:
        self._pairing.add_colour(decode_stamp(image.header.stamp), image)

    def _on_depth(self, image: Image) -> None:
        self._pairing.add_depth(decode_stamp(image.header.stamp), image)

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info

    def _show(self) -> None:
        pair = self._pairing.newest()
        if pair is None or self._info is None or not self._on_demand.wanted:
            return
        self._pairing.take(pair)
        try:
            rgb, depth = decode_colour(pair.colour), decode_depth(pair.depth)
            check_same_size(rgb, depth)
            points, colours = scene_points(
                rgb, depth, decode_intrinsics(self._info), self._settings.every, self._settings.farthest
            )
        except MessageError as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        self._clouds.publish(encode_coloured_cloud(points, colours, pair.colour.header))


def main() -> None:
    """Entry point of ``ros2 run tracegen_ros scene_cloud_node``."""
    sys.exit(run_node(SceneCloudNode))
