"""The whole stack as people start it: launch file, shipped checkpoint, lockstep, scenes that nobody trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.closed_loop.cell import Cell, RosSession
from tests.closed_loop.episodes import EpisodeVerdict, run_episode
from tests.closed_loop.rows import ROWS
from tests.closed_loop.stack import Stack

from ik_controller.joint_limits import JointLimits

LAUNCH = {"lockstep": "true", "camera_rate": "5.0"}
ROW = {row.name: row for row in ROWS}
TASKS = (("nominal", 300_000), ("swapped", 300_000), ("nominal", 300_001))
"""Row and seed of each episode: the second asks for the other block of the first one's scene."""


def run_tasks(folder: Path) -> list[EpisodeVerdict]:
    """The episodes of ``TASKS`` on a fresh stack; commands are left in ``folder``, a folder a row."""
    limits = JointLimits.load("fr3_rectangular")
    with Stack(LAUNCH, folder / "nodes.log") as stack, RosSession():
        cell = Cell(stack.check)
        try:
            cell.wait_until_ready()
            return [run_episode(cell, ROW[name], seed, limits, folder / name) for name, seed in TASKS]
        finally:
            cell.close()


@pytest.mark.timeout(500)
def test_the_robot_does_what_it_is_told_inside_its_limits_and_twice_the_same(tmp_path: Path) -> None:
    first, again = (run_tasks(tmp_path / run) for run in ("first", "again"))
    for verdict in first:
        assert verdict.success, verdict
        assert verdict.right_object, verdict
        assert verdict.violations == []
        assert verdict.refused == 0
    assert first[0].instruction != first[1].instruction
    assert [verdict.instruction for verdict in first] == [verdict.instruction for verdict in again]
    for name, seed in TASKS:
        commands = [np.load(tmp_path / run / name / f"commands_{seed}.npz") for run in ("first", "again")]
        steps = min(len(recorded["times_s"]) for recorded in commands)
        # A report comes a little earlier or later after the end of a task; up to there the commands are equal.
        assert steps > 1000
        assert np.array_equal(commands[0]["positions"][:steps], commands[1]["positions"][:steps])
