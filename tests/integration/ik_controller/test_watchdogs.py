"""Each input that goes silent brings the arm to rest, by name, and lets it go on when it is back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from tests.integration.ik_controller.cell import ARM, Cell

from ik_controller.joint_limits import find_violations
from tracegen_ros.messages import decode_diagnostics, decode_joint_trajectory

HEALTH = "trace_follower: motion"


@pytest.fixture(scope="module")
def running(tester, processes) -> Cell:
    processes.node(
        "ik_controller.nodes.trace_follower_node",
        use_sim_time=True,
        enabled=True,
        diagnostics_rate_hz=20.0,
        input_timeout_s=0.2,
        clock_timeout_s=1.0,
        robot_obeys=False,
    )
    tester.activate("trace_follower")
    return Cell(tester)


@pytest.fixture(scope="module")
def said(running: Cell) -> list[DiagnosticArray]:
    """What the nodes say of their health."""
    return running.tester.hear(DiagnosticArray, "/diagnostics", 10)


@pytest.fixture
def cell(running: Cell) -> Iterator[Cell]:
    """The arm follows."""
    running.words.clear()
    running.trajectories.clear()
    running.instruct("lift")
    running.wait_for_words("FOLLOW: following", meanwhile=running.see)
    yield running
    running.instruct("")
    running.wait_for_words("IDLE: no task")


@pytest.mark.parametrize(
    ("goes_on", "gate"),
    [
        (lambda cell: cell.see(with_traces=False), "traces-stale"),
        (lambda cell: cell.pass_time(0.05), "camera-silent"),
        (lambda cell: cell.see(without=("images",)), "camera-silent"),
        (lambda cell: cell.see(without=("info",)), "camera-info-missing"),
        (lambda cell: cell.see(without=("joints",)), "joints-missing"),
        (lambda cell: cell.publish_joints(), "clock-stopped"),
    ],
    ids=["traces", "camera", "images", "camera info", "joints", "clock"],
)
def test_an_input_that_goes_silent_is_named_and_the_arm_comes_to_rest(
    cell: Cell, said: list[DiagnosticArray], goes_on, gate: str
) -> None:
    said.clear()

    def named() -> bool:
        goes_on(cell)
        statuses = [decode_diagnostics(array, HEALTH) for array in said]
        return any(status is not None and status[2].get("gate") == gate for status in statuses)

    cell.tester.wait(named, f"the gate {gate}")
    for message in cell.trajectories:
        motion = decode_joint_trajectory(message, ARM)
        assert not find_violations(motion.times_s, motion.positions, cell.robot.limits)
    np.testing.assert_allclose(motion.velocities[-1], 0.0, atol=1e-6)
    cell.words.clear()
    cell.wait_for_words("FOLLOW: following", meanwhile=cell.see)
