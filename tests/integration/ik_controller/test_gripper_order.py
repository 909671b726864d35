"""A gripper goal is accepted before the trajectory that goes with it is sent: what lockstep simulation relies on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.ik_controller.cell import Cell


@pytest.fixture(scope="module")
def cell(tester, processes) -> Cell:
    processes.python(
        Path(__file__).with_name("scripted_follower.py"),
        *(
            "--ros-args",
            "-p",
            "use_sim_time:=true",
            "-p",
            "enabled:=true",
            "-p",
            "lockstep:=true",
            "-p",
            "gripper_position_per_opening:=0.5",
        ),
    )
    tester.activate("trace_follower")
    return Cell(tester)


def test_the_goal_is_accepted_before_the_trajectory_is_sent(cell: Cell) -> None:
    cell.instruct("grasp")
    cell.see()
    cell.tester.wait(lambda: cell.trajectories, "the trajectory")
    assert cell.goals == [("accepted", 0)]
    assert cell.goal_positions == [0.01], "half the opening, for a server that counts one finger"


def test_a_refused_goal_stops_the_follower_with_a_reason(cell: Cell) -> None:
    cell.accepts_goals = False
    sent = len(cell.trajectories)
    cell.see()
    cell.wait_for_words("STOP: the gripper on /fr3_gripper/gripper_action refused a goal")
    assert len(cell.trajectories) == sent
