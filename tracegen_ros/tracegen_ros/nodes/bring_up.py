"""``bring_up``: configures and activates lifecycle nodes in order, and fails loudly if one refuses.

    ros2 run tracegen_ros bring_up trace_node trace_follower

It asks by service and waits for the answer, so that no transition is missed; it leaves when all nodes are active.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Collection, Sequence
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

EXIT_OK = 0
EXIT_FAILED = 1

_STEPS = (
    ("configure", Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_UNCONFIGURED),
    ("activate", Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_INACTIVE),
)


_ATTEMPT_S = 3.0
"""How long one question for a node's state waits for its answer [s]."""


class BringUpError(RuntimeError):
    """A node that did not come up."""


def bring_up(
    executor: Executor, node: Node, names: Sequence[str], timeout_s: float, inactive: Collection[str] = ()
) -> None:
    """Bring each of ``names`` to the active state: all are configured first, then all are activated.

    ``node`` asks, and ``executor``, which it was added to, moves the messages. Those of ``inactive`` stay configured.

    Raises:
        BringUpError: A node did not answer within ``timeout_s`` [s], or refused a transition.
    """
    for step, transition, needed_state in _STEPS:
        for name in names:
            if step == "activate" and name in inactive:
                continue
            # A server loses the answer to a client that it does not know yet, and it learns of clients in their order:
            # who answers the question for its state knows this one too.
            client = node.create_client(ChangeState, f"{name}/change_state")
            if _state(executor, node, name, timeout_s) != needed_state:
                node.destroy_client(client)
                continue
            request = ChangeState.Request(transition=Transition(id=transition))
            if not _call(executor, node, client, request, name, timeout_s).success:
                raise BringUpError(f"{name} failed to {step}; its own message above says why")
            node.get_logger().info(f"{name}: {step}d")


def _state(executor: Executor, node: Node, name: str, timeout_s: float) -> int:
    """The node's state; asked again and again, since a node that was killed a moment ago may still seem to be there."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        client = node.create_client(GetState, f"{name}/get_state")
        try:
            return _call(executor, node, client, GetState.Request(), name, _ATTEMPT_S).current_state.id
        except BringUpError:
            if time.monotonic() > deadline_s:
                raise


def _call(
    executor: Executor, node: Node, client: Client, request: object, name: str, timeout_s: float
) -> Any:
    try:
        if not client.wait_for_service(timeout_s):
            raise BringUpError(f"{name} does not offer {client.srv_name}; did it start?")
        future = client.call_async(request)
        executor.spin_until_future_complete(future, timeout_s)
        if not future.done():
            raise BringUpError(f"{name} did not answer {client.srv_name} within {timeout_s:g} s")
        return future.result()
    finally:
        node.destroy_client(client)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``ros2 run tracegen_ros bring_up``."""
    parser = argparse.ArgumentParser(prog="bring_up", description="Configure and activate lifecycle nodes.")
    parser.add_argument("nodes", nargs="+", help="names of the nodes, in order")
    parser.add_argument(
        "--inactive",
        action="append",
        default=[],
        metavar="NODE",
        help="configure this one, but leave it inactive",
    )
    parser.add_argument("--timeout", type=float, default=60.0, help="how long to wait for each answer [s]")
    options = parser.parse_args(remove_ros_args(sys.argv)[1:] if arguments is None else arguments)
    rclpy.init()
    node = Node("bring_up")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    code = EXIT_OK
    try:
        bring_up(executor, node, options.nodes, options.timeout, options.inactive)
    except BringUpError as error:
        node.get_logger().fatal(str(error))
        code = EXIT_FAILED
    except (KeyboardInterrupt, ExternalShutdownException):
        code = 130
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    sys.exit(code)
