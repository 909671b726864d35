"""``replay_check``: ends with an error where a camera, a robot, a live node or another replay is on the graph.

The launch file runs it before anything else of a replay starts: the replay's nodes have the names and the topics of
the live ones.
"""

from __future__ import annotations

import sys

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from tracegen_ros.nodes.patience import ReplayError
from tracegen_ros.nodes.replay_company import CHECK_NAME, refuse_company_when_quiet
from tracegen_ros.spinning import EXIT_OK

EXIT_COMPANY = 1
EXIT_INTERRUPTED = 130


def main() -> None:
    """Entry point of ``ros2 run tracegen_ros replay_check``."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node(CHECK_NAME)
    code = EXIT_OK
    try:
        refuse_company_when_quiet(node)
    except ReplayError as error:
        node.get_logger().fatal(str(error))
        code = EXIT_COMPANY
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    node.destroy_node()
    rclpy.try_shutdown()
    sys.exit(code)
