"""What stays of a visit to the browser viewer: requests are seen through, and the next visitor finds a fresh page."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from rclpy.node import Node, NodeNameNonExistentError
from std_msgs.msg import String
from std_srvs.srv import Trigger

from tracegen_ros.qos import LATCHED

pytest.importorskip("viser", reason="the browser viewer's package viser is not installed")

from tests.integration.tracegen_ros.viewer_visitor import Visitor

FOLLOWER = "/trace_follower"
COLOUR = "/camera/camera/color/image_raw"
HISTORY_S = 5.0
TIME = "Time [s]"


@pytest.fixture(scope="module")
def port(tester, processes) -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    processes.node(
        "tracegen_ros.nodes.web_viewer_node", port=port, meshes=False, history_s=HISTORY_S, niceness=0
    )

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return True
        return False

    tester.wait(answers, "the viewer")
    return port


@pytest.fixture
def hung_stop_service(tester) -> Iterator[Node]:
    """A stop service that is there and never answers, because nobody spins its node."""
    node = Node("hung_follower")
    node.create_service(Trigger, f"{FOLLOWER}/stop", lambda _, response: response)
    yield node
    node.destroy_node()


class Faulty:
    """A follower in a fault until it is told to recover."""

    def __init__(self, node: Node) -> None:
        self.recoveries = 0
        self._states = node.create_publisher(String, f"{FOLLOWER}/state", LATCHED)
        self._service = node.create_service(Trigger, f"{FOLLOWER}/recover", self._on_recover)
        self._states.publish(String(data="FAULT: the fingers do not move"))

    def _on_recover(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.recoveries += 1
        self._states.publish(String(data="FOLLOW: following"))
        response.success, response.message = True, "the fault is forgotten"
        return response

    def close(self, node: Node) -> None:
        """Neither speaks nor answers any more."""
        node.destroy_service(self._service)
        node.destroy_publisher(self._states)


@pytest.fixture
def follower_in_fault(tester) -> Iterator[Faulty]:
    follower = Faulty(tester.node)
    yield follower
    follower.close(tester.node)


def looked_at(tester) -> bool:
    subscriptions = tester.node.get_subscriptions_info_by_topic(COLOUR)
    return any(info.node_name == "web_viewer_eyes" for info in subscriptions)


def knows_of_the_service(tester) -> bool:
    try:
        clients = tester.node.get_client_names_and_types_by_node("web_viewer", "/")
    except NodeNameNonExistentError:  # Its port answers before its name is known here.
        return False
    return any(name == f"{FOLLOWER}/stop" for name, _ in clients)


def test_a_stop_that_no_service_answers_goes_out_as_an_empty_instruction_though_the_visitor_left(
    tester, port: int, hung_stop_service: Node
) -> None:
    heard = tester.hear(String, "/task_instruction", LATCHED)
    tester.wait(lambda: knows_of_the_service(tester), "the viewer's client of the stop service")
    with Visitor(port) as visitor:
        tester.wait(lambda: looked_at(tester), "the viewer to look")
        tester.wait(lambda: visitor.sees("Stop"), "the stop button")
        visitor.change("Stop", True)
    tester.wait(lambda: not looked_at(tester), "the viewer to close its eyes")
    tester.wait(lambda: heard, "an empty instruction")
    assert [message.data for message in heard] == [""]


def test_recover_is_offered_in_a_fault_and_calls_its_service(
    tester, port: int, follower_in_fault: Faulty
) -> None:
    with Visitor(port) as visitor:
        tester.wait(lambda: visitor.reads("recover:"), "the way out of the fault")
        tester.wait(lambda: visitor.shows("Recover"), "the recover button")
        visitor.change("Recover", True)
        tester.wait(lambda: follower_in_fault.recoveries, "a call of the recover service")
        tester.wait(lambda: not visitor.reads("recover:"), "the fault to be over")
        tester.wait(lambda: not visitor.shows("Recover"), "the recover button to go")
    assert follower_in_fault.recoveries == 1


def test_the_next_visitor_sees_the_present_wherever_the_last_one_looked(tester, port: int) -> None:
    tester.wait(lambda: not looked_at(tester), "the viewer to have forgotten visitors before")
    with Visitor(port) as first:
        tester.wait(lambda: first.reads("now</div>"), "the present")
        tester.wait(lambda: first.sees(TIME), "the time slider")
        first.change(TIME, -1.0)
        tester.wait(lambda: first.reads("1.0 s ago"), "a moment of the past")
    tester.wait(lambda: not looked_at(tester), "the viewer to close its eyes")
    with Visitor(port) as second:
        tester.wait(lambda: second.sees(TIME) and second.value(TIME) == 0.0, "the time slider at the present")
        tester.wait(lambda: second.reads("now</div>"), "the present")
