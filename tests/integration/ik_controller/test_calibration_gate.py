"""``trace_follower`` does not leave IDLE before the hand was seen where the calibration puts it."""

from __future__ import annotations

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from tests.integration.ik_controller.cell import Cell
from tf2_msgs.msg import TFMessage

from tracegen_ros.messages import Level, decode_stamp, encode_header, encode_transform

HEALTH = "trace_follower: motion"
ERROR_M = 0.10


@pytest.fixture(scope="module")
def cell(tester, processes) -> Cell:
    processes.node(
        "ik_controller.nodes.trace_follower_node",
        use_sim_time=True,
        enabled=True,
        calibration_check=True,
        diagnostics_rate_hz=20.0,
    )
    tester.activate("trace_follower")
    return Cell(tester)


def publish_camera(cell: Cell, error_m: float) -> None:
    """The camera's pose, wrong by so much along the base's y axis."""
    camera_in_base = cell.calibration.camera_in_base.copy()
    camera_in_base[1, 3] += error_m
    header = encode_header(0, cell.calibration.parent_frame)
    transform = encode_transform(camera_in_base, header, cell.calibration.child_frame)
    cell.transforms.publish(TFMessage(transforms=[transform]))


def see_until(cell: Cell, words: str) -> None:
    """Images go on until the follower says ``words``."""

    def said() -> bool:
        cell.see()
        return any(words in message.data for message in cell.words)

    cell.tester.wait(said, words)


def test_a_wrong_calibration_keeps_the_follower_idle_with_a_reason_and_the_right_one_lets_it_go(
    cell: Cell,
) -> None:
    publish_camera(cell, ERROR_M)
    cell.instruct("lift")
    see_until(cell, "IDLE: calibration check: the hand is seen")
    health = cell.tester.wait_for_health(HEALTH, Level.ERROR, "IDLE: calibration check: the hand is seen")
    assert "from where the calibration puts it" in health["calibration"]
    assert not cell.trajectories or all(
        np.ptp([point.positions for point in message.points], axis=0).max() < 1e-9
        for message in cell.trajectories
    )

    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert cell.tester.call(ChangeState, "/trace_follower/change_state", request).success
        # Only now: a pose is looked up once.
        publish_camera(cell, 0.0)
    cell.words.clear()
    cell.trajectories.clear()
    see_until(cell, "FOLLOW: following")
    stamp_ns = cell.see()
    cell.tester.wait(
        lambda: cell.trajectories and decode_stamp(cell.trajectories[-1].header.stamp) >= stamp_ns,
        "a trajectory for these traces",
    )
    assert "mm from where" in cell.tester.wait_for_health(HEALTH, Level.OK, "FOLLOW")["calibration"]
