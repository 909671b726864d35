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

SEEDS = (100_000, 100_001)
LAUNCH = {"lockstep": "true", "camera_rate": "5.0"}
NOMINAL = ROWS[0]


def run_nominal_episodes(folder: Path) -> list[EpisodeVerdict]:
    """The episodes of ``SEEDS`` on a fresh stack; commands are left in ``folder``."""
    limits = JointLimits.load("fr3_rectangular")
    with Stack(LAUNCH, folder / "nodes.log") as stack, RosSession():
        cell = Cell(stack.check)
        try:
            cell.wait_until_ready()
            return [run_episode(cell, NOMINAL, seed, limits, folder) for seed in SEEDS]
        finally:
            cell.close()


@pytest.mark.timeout(400)
def test_the_robot_does_what_it_is_told_inside_its_limits_and_twice_the_same(tmp_path: Path) -> None:
    first, again = (run_nominal_episodes(tmp_path / run) for run in ("first", "again"))
    for verdict in first:
        assert verdict.success, verdict
        assert verdict.right_object, verdict
        assert verdict.violations == []
        assert verdict.refused == 0
    assert [verdict.instruction for verdict in first] == [verdict.instruction for verdict in again]
    for seed in SEEDS:
        commands = [np.load(tmp_path / run / f"commands_{seed}.npz") for run in ("first", "again")]
        steps = min(len(recorded["times_s"]) for recorded in commands)
        # A report comes a little earlier or later after the end of a task; up to there the commands are equal.
        assert steps > 1000
        assert np.array_equal(commands[0]["positions"][:steps], commands[1]["positions"][:steps])
