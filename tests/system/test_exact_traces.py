"""The motion core closes the loop on exact traces, without ROS and without a network."""

from __future__ import annotations

import pytest
from tests.closed_loop.lockstep import EpisodeResult, command_streams_equal, run_episode
from tests.closed_loop.trace_sources import ExactTraces

from fr3_sim.simulation import Simulation
from ik_controller.follower import TraceFollower
from ik_controller.robot_model import RobotModel

SEED = 100_000


def run() -> EpisodeResult:
    """One episode in a fresh simulation."""
    simulation = Simulation()
    simulation.reset(SEED)
    follower = TraceFollower(RobotModel.fr3())
    result = run_episode(
        simulation, ExactTraces(simulation), follower, "the oracle needs no words", trace_period_s=0.4
    )
    simulation.close()
    return result


@pytest.mark.timeout(300)
def test_exact_traces_lead_to_success_inside_the_limits_and_twice_the_same() -> None:
    first, again = run(), run()
    assert first.success, first.summary()
    assert first.violations == []
    assert [event for _, event in first.events] == ["grasp", "closed", "release", "opened", "done"]
    assert command_streams_equal(first.commands, again.commands)
