"""Unpacks what it hears on ``/in/*`` and packs it again for ``/out/*``: a process at the far end of the wire."""

from __future__ import annotations

import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.messages import (
    decode_colour,
    decode_depth,
    decode_joint_trajectory,
    decode_trace_grid,
    encode_colour,
    encode_depth,
    encode_joint_trajectory,
    encode_trace_grid,
)
from tracegen_ros.qos import LATEST


def main() -> None:
    rclpy.init()
    node = Node("echo")
    outputs = {
        "colour": node.create_publisher(Image, "/out/colour", LATEST),
        "depth": node.create_publisher(Image, "/out/depth", LATEST),
        "traces": node.create_publisher(PointCloud2, "/out/traces", LATEST),
        "trajectory": node.create_publisher(JointTrajectory, "/out/trajectory", LATEST),
    }

    def on_colour(image: Image) -> None:
        outputs["colour"].publish(encode_colour(decode_colour(image), image.header, image.encoding))

    def on_depth(image: Image) -> None:
        outputs["depth"].publish(encode_depth(decode_depth(image), image.header, image.encoding))

    def on_traces(cloud: PointCloud2) -> None:
        outputs["traces"].publish(encode_trace_grid(decode_trace_grid(cloud), cloud.header))

    def on_trajectory(message: JointTrajectory) -> None:
        motion = decode_joint_trajectory(message, message.joint_names)
        outputs["trajectory"].publish(
            encode_joint_trajectory(
                message.joint_names,
                motion.times_s,
                motion.positions,
                motion.velocities,
                motion.accelerations,
                message.header,
            )
        )

    node.create_subscription(Image, "/in/colour", on_colour, LATEST)
    node.create_subscription(Image, "/in/depth", on_depth, LATEST)
    node.create_subscription(PointCloud2, "/in/traces", on_traces, LATEST)
    node.create_subscription(JointTrajectory, "/in/trajectory", on_trajectory, LATEST)
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
