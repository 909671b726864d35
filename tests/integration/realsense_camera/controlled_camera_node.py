"""The camera node on a software camera that obeys ``/camera_command``: stall, resume, unplug, plug in, offer_vga."""

from __future__ import annotations

import sys

from std_msgs.msg import String
from tests.unit.realsense_camera.controlled_source import ControlledSource

from realsense_camera.camera_settings import CameraSettings
from realsense_camera.nodes.camera_node import CameraNode
from tracegen_ros.spinning import run_node

COMMAND_TOPIC = "/camera_command"
FRAME_PERIOD_S = 1.0 / 30.0


def make_node() -> CameraNode:
    source = ControlledSource()
    node = CameraNode(make_source=lambda _: source)
    sending = True

    def feed() -> None:
        if sending and source.plugged_in:
            source.push()

    def obey(command: String) -> None:
        nonlocal sending
        match command.data:
            case "stall":
                sending = False
            case "resume":
                sending = True
            case "unplug":
                source.plugged_in = False
            case "plug in":
                source.plugged_in = True
            case "offer_vga":
                source.offered = CameraSettings()

    node.create_timer(FRAME_PERIOD_S, feed)
    node.create_subscription(String, COMMAND_TOPIC, obey, 10)
    return node


if __name__ == "__main__":
    sys.exit(run_node(make_node))
