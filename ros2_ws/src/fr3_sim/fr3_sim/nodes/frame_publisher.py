"""The simulated camera's topics, those of ``realsense2_camera``."""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from fr3_sim.simulation import RgbdFrame
from tracegen_ros.messages import encode_colour, encode_depth, encode_header, encode_intrinsics
from tracegen_ros.qos import SENSOR

CAMERA_FRAME = "camera_color_optical_frame"
COLOUR_TOPIC = "/camera/camera/color/image_raw"
COLOUR_INFO_TOPIC = "/camera/camera/color/camera_info"
DEPTH_TOPIC = "/camera/camera/aligned_depth_to_color/image_raw"
DEPTH_INFO_TOPIC = "/camera/camera/aligned_depth_to_color/camera_info"


class FramePublisher:
    """Publishes colour and aligned depth, each with its camera info.

    Args:
        node: The node that the publishers belong to.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._colour = node.create_publisher(Image, COLOUR_TOPIC, SENSOR)
        self._colour_info = node.create_publisher(CameraInfo, COLOUR_INFO_TOPIC, SENSOR)
        self._depth = node.create_publisher(Image, DEPTH_TOPIC, SENSOR)
        self._depth_info = node.create_publisher(CameraInfo, DEPTH_INFO_TOPIC, SENSOR)

    def publish(self, frame: RgbdFrame) -> None:
        """Publish one picture under its stamp."""
        header = encode_header(frame.stamp_ns, CAMERA_FRAME)
        info = encode_intrinsics(frame.intrinsics, header)
        self._colour_info.publish(info)
        self._depth_info.publish(info)
        self._colour.publish(encode_colour(frame.colour, header))
        self._depth.publish(encode_depth(frame.depth_m, header))

    def destroy(self) -> None:
        """Take the topics off the graph."""
        for publisher in (self._colour, self._colour_info, self._depth, self._depth_info):
            self._node.destroy_publisher(publisher)
