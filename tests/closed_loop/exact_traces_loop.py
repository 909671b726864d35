"""Runs the follower on exact traces over a few seeds: ``python -m tests.closed_loop.exact_traces_loop --episodes 20``.

Tells what the follower is worth apart from the network: every failure here is a failure of the motion core.
"""

from __future__ import annotations

import argparse
import time

from tests.closed_loop.lockstep import run_episode
from tests.closed_loop.trace_sources import ExactTraces

from fr3_sim.simulation import SceneOptions, Simulation
from ik_controller.follower import TraceFollower
from ik_controller.robot_model import RobotModel

FIRST_SEED = 100_000


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--period", type=float, default=0.2, help="time between traces [s]")
    parser.add_argument("--latency", type=float, default=0.0, help="from image to traces [s]")
    parser.add_argument("--noise", type=float, default=0.0, help="drift of the traces [m]")
    parser.add_argument("--depth-noise", type=float, default=0.0, help="0 = exact, 1 = D435")
    parser.add_argument("--push", action="store_true", help="push the block away while the arm is on its way")
    parser.add_argument("--states", action="store_true", help="print every change of the follower's state")
    arguments = parser.parse_args()
    simulation = Simulation(SceneOptions(depth_noise=arguments.depth_noise, push_block=arguments.push))
    source = ExactTraces(simulation, arguments.noise)
    robot = RobotModel.fr3()
    successes = 0
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.episodes):
        simulation.reset(seed)
        started = time.monotonic()
        result = run_episode(
            simulation,
            source,
            TraceFollower(robot),
            "exact traces",
            trace_period_s=arguments.period,
            trace_latency_s=arguments.latency,
        )
        successes += result.success
        print(f"{result.summary()}  ({time.monotonic() - started:.1f} s)", flush=True)
        if arguments.states:
            for time_s, state, reason in result.states:
                print(f"    {time_s:6.2f} s  {state:8s} {reason}")
        for text in (*map(str, result.violations), *result.refused):
            print(f"    {text}")
    print(f"{successes}/{arguments.episodes} succeeded")


if __name__ == "__main__":
    main()
