"""The lifecycle nodes go down and up again, and come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from tracegen_ros.messages import Level

TRACE_NODE = Path(__file__).parent / "tracegen_ros" / "straight_trace_node.py"


def change(tester, node: str, transition: int) -> None:
    request = ChangeState.Request(transition=Transition(id=transition))
    assert tester.call(ChangeState, f"/{node}/change_state", request).success


def test_a_transition_that_is_not_to_be_had_is_refused_and_the_node_lives_on(tester, processes) -> None:
    processes.node("ik_controller.nodes.trace_follower_node", diagnostics_rate_hz=20.0)
    tester.activate("trace_follower")
    again = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    for _ in range(2):
        assert not tester.call(ChangeState, "/trace_follower/change_state", again).success
    change(tester, "trace_follower", Transition.TRANSITION_DEACTIVATE)
    tester.wait_for_health("trace_follower: motion", Level.OK, "inactive")


@pytest.mark.parametrize(
    ("node", "health", "level", "words"),
    [
        ("trace_node", "trace_node: inference", Level.OK, "waiting for an instruction"),
        ("trace_follower", "trace_follower: motion", Level.WARN, "STOP: disabled"),
    ],
)
def test_a_node_goes_down_and_up_again(
    tester, processes, node: str, health: str, level: Level, words: str
) -> None:
    if node == "trace_node":
        processes.python(
            TRACE_NODE, "--ros-args", "-p", "diagnostics_rate_hz:=20.0", "-p", "camera_timeout_s:=60.0"
        )
    else:
        processes.node("ik_controller.nodes.trace_follower_node", diagnostics_rate_hz=20.0)
    tester.activate(node)
    tester.wait_for_health(health, level, words)
    change(tester, node, Transition.TRANSITION_DEACTIVATE)
    tester.wait_for_health(health, Level.OK, "inactive")
    tester.activate(node)
    tester.wait_for_health(health, level, words)
    change(tester, node, Transition.TRANSITION_DEACTIVATE)
    change(tester, node, Transition.TRANSITION_CLEANUP)
    tester.activate(node)
    tester.wait_for_health(health, level, words)
    change(tester, node, Transition.TRANSITION_ACTIVE_SHUTDOWN)
