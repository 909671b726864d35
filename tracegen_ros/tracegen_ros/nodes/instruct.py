"""``instruct``: tells the robot what to do, from a shell.

ros2 run tracegen_ros instruct "put the red block in the green zone"
ros2 run tracegen_ros instruct --stop
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from std_msgs.msg import String

from tracegen_ros.instruction import TOPIC, InstructionTextError, clean_instruction
from tracegen_ros.qos import LATCHED

EXIT_OK = 0
EXIT_NOBODY_LISTENS = 1
EXIT_BAD_TEXT = 2

_LOOK_S = 0.05
_SETTLE_S = 1.0
"""How long the number of listeners has to stay the same before all are taken to be found [s]."""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; leaves with exit code 2 and a message when it makes no sense."""
    parser = argparse.ArgumentParser(prog="instruct", description="Tell the robot what to do.")
    parser.add_argument("text", nargs="*", help='the sentence, such as "put the red block in the green zone"')
    parser.add_argument("--stop", action="store_true", help="stop instead: the robot comes to a smooth hold")
    parser.add_argument("--topic", default=TOPIC, help="where to publish (default: %(default)s)")
    parser.add_argument(
        "--listeners", type=int, default=1, help="how many nodes have to hear it (default: %(default)s)"
    )
    parser.add_argument("--timeout", type=float, default=10.0, help="how long to look for a listener [s]")
    options = parser.parse_args(arguments)
    try:
        options.instruction = clean_instruction(" ".join(options.text))
    except InstructionTextError as error:
        parser.error(str(error))
    if options.stop and options.instruction:
        parser.error("give either a sentence or --stop, not both")
    if not options.stop and not options.instruction:
        parser.error("the instruction is empty; say what to do, or give --stop")
    return options


def deliver(node: Node, instruction: str, topic: str, wanted: int, timeout_s: float) -> int:
    """Publish ``instruction`` until all who listen, ``wanted`` at least, have it; returns how many those are."""
    publisher = node.create_publisher(String, topic, LATCHED)
    publisher.publish(String(data=instruction))
    deadline_s = time.monotonic() + timeout_s
    listeners, since_s = 0, time.monotonic()
    while time.monotonic() < deadline_s:
        rclpy.spin_once(node, timeout_sec=_LOOK_S)
        endpoints = node.get_subscriptions_info_by_topic(topic)
        found = len({(endpoint.node_namespace, endpoint.node_name) for endpoint in endpoints})
        if found != listeners:
            listeners, since_s = found, time.monotonic()
        elif (
            listeners >= wanted
            and time.monotonic() - since_s > _SETTLE_S
            and publisher.get_subscription_count() >= len(endpoints)
        ):
            break
    publisher.wait_for_all_acked(Duration(seconds=max(deadline_s - time.monotonic(), 1.0)))
    return listeners


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``ros2 run tracegen_ros instruct``."""
    options = parse_arguments(remove_ros_args(sys.argv)[1:] if arguments is None else arguments)
    rclpy.init()
    node = Node("instruct")
    try:
        listeners = deliver(node, options.instruction, options.topic, options.listeners, options.timeout)
        if listeners < options.listeners:
            node.get_logger().error(
                f"{listeners} of {options.listeners} node(s) listen to {options.topic} after {options.timeout:g} s; "
                "is the demo running, with the same ROS_DOMAIN_ID?"
            )
            sys.exit(EXIT_NOBODY_LISTENS)
        said = repr(options.instruction) if options.instruction else "stop"
        node.get_logger().info(f"{said}: heard by {listeners} node(s)")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
