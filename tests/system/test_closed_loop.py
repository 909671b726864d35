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
from tracegen_ros.bags.bag_reader import open_bag
from tracegen_ros.bags.topic_map import TopicMap

LAUNCH = {"lockstep": "true", "camera_rate": "5.0"}
ROW = {row.name: row for row in ROWS}
TASKS = (("nominal", 300_000), ("swapped", 300_000), ("nominal", 300_001))
"""Row and seed of each episode: the second asks for the other block of the first one's scene."""


def run_tasks(folder: Path, *, record: bool = False) -> list[EpisodeVerdict]:
    """The episodes of ``TASKS`` on a fresh stack; commands are left in ``folder``, a folder a row, and maybe a bag."""
    limits = JointLimits.load("fr3_rectangular")
    launch = {**LAUNCH, "record": str(record).lower(), "bag": str(folder / "bag")}
    with Stack(launch, folder / "nodes.log") as stack, RosSession():
        cell = Cell(stack.check)
        try:
            cell.wait_until_ready()
            return [run_episode(cell, ROW[name], seed, limits, folder / name) for name, seed in TASKS]
        finally:
            cell.close()


@pytest.mark.timeout(500)
def test_the_robot_does_what_it_is_told_inside_its_limits_and_twice_the_same(tmp_path: Path) -> None:
    first, again = run_tasks(tmp_path / "first", record=True), run_tasks(tmp_path / "again")
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
    check_recording(tmp_path / "first" / "bag", [verdict.instruction for verdict in first])


def check_recording(folder: Path, instructions: list[str]) -> None:
    """The bag of a run holds all that was seen, said and done, and what it was done with."""
    topics = TopicMap()
    with open_bag(folder) as bag:
        said = [message.message().data for message in bag.messages([topics.instruction])]
        counts = {name: bag.topics[name].count or 0 for name in bag.topics}
        assert bag.problems == ()
        assert [text for text in said if text] == instructions
        for name in (topics.tf_static, topics.follower_state, topics.diagnostics, topics.clock):
            assert counts[name] > 0
        assert counts[topics.traces] > 50
        assert counts[topics.commands] > 50
        assert counts[topics.colour] >= counts[topics.traces]
        assert counts[topics.depth] >= counts[topics.traces]
        assert counts[topics.joint_states] > counts[topics.colour]
        assert bag.provenance["model"]["model"] == "fr3_blocks_nano"
        assert len(bag.provenance["model"]["weights"]) >= 8
        assert bag.provenance["parameters"]["/trace_follower"]["limits"] == "fr3_rectangular"
        assert "position_upper" in bag.provenance["limits"]["text"]
        assert "camera_color_optical_frame" in bag.provenance["calibration"]["text"]
        assert bag.provenance["recording"]["dropped"] == 0
