"""A camera as a process of its own: says the simulator's images again, under the names that everybody listens to."""

from __future__ import annotations

import sys

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from fr3_sim.nodes.frame_publisher import COLOUR_INFO_TOPIC, COLOUR_TOPIC, DEPTH_TOPIC
from tracegen_ros.qos import SENSOR
from tracegen_ros.spinning import run_node

BEHIND = "/behind"
"""What the simulator's names begin with."""


class CameraRelay(Node):
    """Passes messages on."""

    def __init__(self) -> None:
        super().__init__("camera_relay")
        for kind, topic in ((Image, COLOUR_TOPIC), (Image, DEPTH_TOPIC), (CameraInfo, COLOUR_INFO_TOPIC)):
            publisher = self.create_publisher(kind, topic, SENSOR)
            self.create_subscription(kind, BEHIND + topic, publisher.publish, SENSOR)


if __name__ == "__main__":
    sys.exit(run_node(CameraRelay))
