"""``trace_follower`` in a process of its own, in a cell made of messages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_srvs.srv import SetBool, Trigger
from tests.integration.ik_controller.cell import ARM, FINGERS, READY, Cell

from ik_controller.joint_limits import find_violations
from tracegen_ros.messages import Level, decode_joint_trajectory, decode_stamp

HEALTH = "trace_follower: motion"
STAND = 1e-9
"""Joints that vary by less than this stand still [rad]."""


@pytest.fixture(scope="module")
def running(tester, processes) -> Cell:
    processes.node(
        "ik_controller.nodes.trace_follower_node",
        use_sim_time=True,
        enabled=True,
        diagnostics_rate_hz=20.0,
        input_timeout_s=0.2,
        robot_obeys=False,
    )
    tester.activate("trace_follower")
    return Cell(tester)


@pytest.fixture
def cell(running: Cell) -> Iterator[Cell]:
    running.joint_order = [*ARM, *FINGERS]
    running.words.clear()
    running.trajectories.clear()
    yield running
    running.joint_order = [*ARM, *FINGERS]
    running.instruct("a task that is stopped")
    running.instruct("")
    running.wait_for_words("IDLE: no task")


def follow(cell: Cell, count: int = 1) -> None:
    """So many traces, each answered before the next."""
    for _ in range(count):
        stamp_ns = cell.see()
        cell.tester.wait(
            lambda stamp_ns=stamp_ns: (
                cell.trajectories and decode_stamp(cell.trajectories[-1].header.stamp) >= stamp_ns
            ),
            "a trajectory for these traces",
        )


def assert_nothing_moves(cell: Cell) -> None:
    for message in cell.trajectories:
        assert np.ptp(decode_joint_trajectory(message, ARM).positions, axis=0).max() < STAND


def test_each_trace_is_answered_by_one_trajectory_inside_the_limits_that_ends_at_rest(cell: Cell) -> None:
    cell.instruct("lift")
    follow(cell, 5)
    assert len(cell.trajectories) == 5
    motion = decode_joint_trajectory(cell.trajectories[0], ARM)
    np.testing.assert_allclose(motion.positions[0], READY, atol=1e-6)
    for message in cell.trajectories:
        motion = decode_joint_trajectory(message, ARM)
        assert not find_violations(motion.times_s, motion.positions, cell.robot.limits)
        np.testing.assert_allclose(motion.velocities[-1], 0.0, atol=1e-6)
    assert any("FOLLOW" in message.data for message in cell.words)
    rise = cell.robot.tcp_in_base(motion.positions[-1])[2, 3] - cell.robot.tcp_in_base(READY)[2, 3]
    assert rise > 0.05, "the hand goes up as its traces do"


def test_the_order_of_joints_in_joint_states_does_not_matter(cell: Cell) -> None:
    cell.joint_order = [*FINGERS, *ARM[::-1]]
    cell.instruct("lift")
    follow(cell, 2)
    cell.wait_for_words("FOLLOW: following")


def test_a_missing_joint_is_named_and_nothing_moves(cell: Cell) -> None:
    cell.joint_order = [*ARM[:6], *FINGERS]
    cell.instruct("lift")
    cell.see()
    cell.tester.wait_for_health(HEALTH, Level.ERROR, "joint states: the JointState lacks fr3_joint7")
    cell.wait_for_words("no joint states")
    assert_nothing_moves(cell)


def test_an_unknown_camera_frame_is_named_and_nothing_moves(cell: Cell) -> None:
    cell.instruct("lift")
    cell.see(camera_frame="lost_camera")
    cell.tester.wait_for_health(HEALTH, Level.ERROR, "no transform from 'lost_camera' to 'fr3_link0'")
    cell.wait_for_words("HOLD: no camera pose")
    assert_nothing_moves(cell)


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("info", "HOLD: no camera intrinsics"),
        ("images", "HOLD: depth images have stopped coming, or none has"),
    ],
)
def test_what_never_comes_is_named_though_traces_come_one_upon_the_other(
    cell: Cell, lacking: str, words: str
) -> None:
    for step in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=step))
        assert cell.tester.call(ChangeState, "/trace_follower/change_state", request).success
    cell.words.clear()
    cell.instruct("lift")
    cell.wait_for_words(words, deadline_s=20.0, meanwhile=lambda: cell.see(without=(lacking,)))
    assert not any("following" in message.data for message in cell.words)
    cell.wait_for_words("FOLLOW: following", meanwhile=cell.see)


def test_the_arm_comes_to_rest_with_a_reason_when_traces_stop(cell: Cell) -> None:
    cell.instruct("lift")
    follow(cell, 3)
    cell.wait_for_words("HOLD: traces are", meanwhile=lambda: cell.see(with_traces=False))
    motion = decode_joint_trajectory(cell.trajectories[-1], ARM)
    np.testing.assert_allclose(motion.velocities[-1], 0.0, atol=1e-6)


def test_an_empty_instruction_brings_the_arm_to_rest(cell: Cell) -> None:
    cell.instruct("lift")
    follow(cell, 3)
    cell.instruct("")
    cell.wait_for_words("IDLE: no task")
    sent = len(cell.trajectories)
    cell.see()
    cell.wait_for_words("IDLE")
    assert len(cell.trajectories) == sent


def test_stop_holds_until_enabled_again(cell: Cell) -> None:
    cell.instruct("lift")
    follow(cell, 2)
    assert cell.tester.call(Trigger, "/trace_follower/stop", Trigger.Request()).success
    cell.wait_for_words("STOP: stop service")
    assert cell.tester.call(SetBool, "/trace_follower/enable", SetBool.Request(data=True)).success
    cell.words.clear()
    follow(cell, 2)
    cell.wait_for_words("FOLLOW")


def test_recovery_says_that_there_is_nothing_to_recover_from(cell: Cell) -> None:
    cell.instruct("lift")
    follow(cell)
    answer = cell.tester.call(Trigger, "/trace_follower/recover", Trigger.Request())
    assert not answer.success
    assert "nothing" in answer.message


def test_health_names_limits_state_and_latencies(cell: Cell) -> None:
    cell.instruct("lift")
    follow(cell, 3)
    values = cell.tester.wait_for_health(HEALTH, Level.OK, "FOLLOW")
    assert values["limits"] == "fr3_rectangular"
    assert values["task"] == "lift"
    assert float(values["trace_to_command_p99_ms"]) > 0.0
