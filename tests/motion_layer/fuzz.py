"""Feeds the motion layer random trace grids, at random times, and judges every millisecond of what the arm is told.

    nice -n 10 python -m tests.motion_layer.fuzz --grids 100000 --seed 0 --jobs 2
    python -m tests.motion_layer.fuzz --seed 0 --episode 1234        # one episode again, with what went wrong

An episode is one follower with one executor and one arm, given some dozens of grids at its own rate and share of
faults. Must not happen: a command outside the limits, an exception, a command that the executor refuses, a motion that
does not end. Episodes follow from seed and number alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from tests.motion_layer.command_checker import Bounds
from tests.motion_layer.fuzz_report import EpisodeReport, without_numbers
from tests.motion_layer.fuzz_stimulus import Act, InputFault, StampFault, Stimulus
from tests.motion_layer.fuzzed_cell import FuzzedCell
from tests.motion_layer.trace_grid_fuzzer import GridFault

from ik_controller.follower import FollowerConfig
from ik_controller.hand_motion import HandMotionConfig, HandMotionMethod
from ik_controller.hand_orientation import OrientationFreedom
from ik_controller.motion_permit import PermitConfig
from ik_controller.path_guard import PathGuardConfig
from ik_controller.resources import resource_path
from ik_controller.robot_model import RobotModel
from ik_controller.safety import SafetyConfig
from ik_controller.workspace import Workspace

GRIDS_PER_EPISODE = 50

UR5 = Path(__file__).parents[1] / "robots" / "ur5"

ROBOTS = ("fr3_full", "fr3_rectangular", "ur5")
ROBOT_WEIGHTS = (0.45, 0.35, 0.2)

FAULT_SHARES = (0.02, 0.05, 0.2, 0.6)
"""Share of stimuli with a fault of each kind; an episode keeps to one."""

LEAST_GRID_FAULTS = 0.15
"""Share of grids with a fault in any episode."""

RATES_HZ = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
RATE_WEIGHTS = (0.03, 0.07, 0.15, 0.2, 0.2, 0.2, 0.15)

LATE_EPISODES = 0.1
"""Share of episodes in which commands may come after their motion should have begun."""

REVIVING = (Act.ENABLE, Act.RECOVER, Act.NEW_TASK)

SHOWN_FAILURES = 30
PROGRESS_GRIDS = 5000


WILD_EPISODES = 0.3
"""Share of episodes with gates wide open and speeds that the joints cannot follow."""


@cache
def robot_and_bounds(name: str) -> tuple[RobotModel, Bounds]:
    """The arm, which is an FR3 with the limit set ``name`` or the UR5, and its limits as the checker reads them."""
    if name == "ur5":
        return RobotModel.load(UR5 / "ur5.yaml"), Bounds.read(UR5 / "limits.yaml")
    return RobotModel.fr3(name), Bounds.read(resource_path(f"limits/{name}.yaml"))


def random_config(rng: np.random.Generator) -> FollowerConfig:
    """The demo's settings, or others that let more through and ask for more speed than there is."""
    config = FollowerConfig(
        orientation=rng.choice(list(OrientationFreedom)),
        hand_motion=HandMotionConfig(method=rng.choice(list(HandMotionMethod))),
        latency_compensation=bool(rng.random() < 0.8),
    )
    if rng.random() > WILD_EPISODES:
        return config
    return replace(
        config,
        workspace=Workspace(
            lower=(-0.8, -0.8, -0.2),
            upper=(0.9, 0.8, 1.2),
            speed=float(rng.uniform(0.1, 2.0)),
            acceleration=float(rng.uniform(0.5, 20.0)),
            jerk=float(rng.uniform(5.0, 500.0)),
            turning_speed=float(rng.uniform(0.3, 6.0)),
        ),
        safety=SafetyConfig(
            min_valid_share=0.01,
            max_path_step=2.0,
            max_endpoint_spread=2.0,
            max_back_projection_error=1e4,
            max_outside=2.0,
        ),
        guard=PathGuardConfig(slow_condition=100.0, end_condition=1000.0),
        permit=PermitConfig(ramp_s=float(rng.choice([0.0, 2.0]))),
    )


def random_stimulus(
    rng: np.random.Generator, rate_hz: float, faults: float, *, late: bool, ticks: bool
) -> Stimulus:
    """One stimulus of an episode with these habits.

    Args:
        rng: What is left to chance.
        rate_hz: How often stimuli come, about [Hz].
        faults: Share of stimuli with a fault of each kind.
        late: Commands may come late.
        ticks: The watchdog calls in between.
    """
    grids = [fault for fault in GridFault if fault is not GridFault.SOUND]
    stamps = [fault for fault in StampFault if fault is not StampFault.FRESH]
    inputs = [fault for fault in InputFault if fault is not InputFault.NONE]
    acts = [act for act in Act if act is not Act.NONE]
    wait_s = min(rng.gamma(4.0, 0.25 / rate_hz), 3.0)
    grid: GridFault | None = GridFault.SOUND
    if rng.random() < max(faults, LEAST_GRID_FAULTS):
        grid = grids[int(rng.integers(len(grids)))]
    elif rng.random() < 0.02:
        grid = None
    act = Act.NONE
    if rng.random() < 0.3 * faults:
        act = acts[int(rng.integers(len(acts)))]
    elif rng.random() < 0.3:
        # Whatever stopped the arm shall not keep it from moving for the rest of the episode.
        act = REVIVING[int(rng.integers(len(REVIVING)))]
    return Stimulus(
        wait_s=wait_s,
        age_s=float(rng.choice([0.0, 0.03, 0.1, 0.2, 0.4]) + rng.uniform(0.0, 0.05)),
        transport_s=float(rng.uniform(0.0, 0.4 if late and rng.random() < 0.3 else 0.025)),
        magnitude=float(rng.random()),
        seed=int(rng.integers(2**31)),
        ticks=ticks,
        grid=grid,
        stamp=stamps[int(rng.integers(len(stamps)))] if rng.random() < 0.5 * faults else StampFault.FRESH,
        inputs=inputs[int(rng.integers(len(inputs)))] if rng.random() < 0.5 * faults else InputFault.NONE,
        act=act,
    )


def run_episode(seed: int, number: int) -> EpisodeReport:
    """Episode ``number`` of ``seed``."""
    rng = np.random.default_rng([seed, number])
    name = str(rng.choice(ROBOTS, p=ROBOT_WEIGHTS))
    robot, bounds = robot_and_bounds(name)
    start = random_start(robot, rng)
    config = random_config(rng)
    cell = FuzzedCell(robot, bounds, start, int(rng.integers(2**31)), config)
    rate_hz = float(rng.choice(RATES_HZ, p=RATE_WEIGHTS))
    faults = float(rng.choice(FAULT_SHARES))
    late, ticks = bool(rng.random() < LATE_EPISODES), bool(rng.random() < 0.5)
    stimuli = [
        random_stimulus(rng, rate_hz, faults, late=late, ticks=ticks) for _ in range(GRIDS_PER_EPISODE)
    ]
    report = cell.run(stimuli)
    for kind in ("exceptions", "breaches", "refused", "unending"):
        where = f"episode {number} ({name}, {rate_hz:g} Hz, faults {faults:g}{', late' * late}): "
        setattr(report, kind, [where + text for text in getattr(report, kind)])
    return report


def random_start(robot: RobotModel, rng: np.random.Generator) -> np.ndarray:
    """(J,) joints to begin at [rad]: mostly near where the arm works, sometimes anywhere in its range."""
    limits = robot.limits
    if rng.random() < 0.08:
        return rng.uniform(limits.position_lower + 1e-3, limits.position_upper - 1e-3)
    return limits.clip(robot.posture + rng.normal(0.0, 0.2, robot.joint_count), 1e-3)


def main() -> int:
    """Run the fuzz; the exit code is 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--grids", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--episode", type=int, help="this one only")
    parser.add_argument("--output", type=Path, help="folder for fuzz.json")
    arguments = parser.parse_args()
    # A shell that puts it into the background has it ignore interrupts; figures so far are wanted then too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started_s = time.monotonic()
    if arguments.episode is not None:
        total = run_episode(arguments.seed, arguments.episode)
    else:
        total = EpisodeReport()
        told = 0
        try:
            for report in _reports(arguments.grids, arguments.seed, arguments.jobs):
                total.add(report)
                if total.grids - told >= PROGRESS_GRIDS:
                    told = total.grids
                    print(f"{told} grids, {len(total.failures)} failures", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            print("interrupted: figures of what was done", flush=True)
    _show(total, arguments.seed, time.monotonic() - started_s, failures=arguments.episode is not None)
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        (arguments.output / "fuzz.json").write_text(json.dumps(vars(total), indent=1), encoding="utf-8")
    return 1 if total.failures else 0


def _reports(grids: int, seed: int, jobs: int) -> Iterator[EpisodeReport]:
    """Episodes in order until they hold ``grids`` trace grids."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given = 0
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        # More episodes than are needed: some stimuli carry no grid.
        numbers = ((seed, number) for number in range(2 * grids // GRIDS_PER_EPISODE + 2))
        for report in pool.imap(_run_numbered, numbers, chunksize=1):
            given += report.grids
            yield report
            if given >= grids:
                pool.terminate()
                return


def _kind_of(failure: str) -> str:
    """What failures of one cause have in common: word and last line, without numbers and places."""
    word, last_line = failure.partition(" ")[0], failure.splitlines()[-1]
    return f"{word} {without_numbers(last_line.partition(' s: ' if word == 'VIOLATION' else '): ')[2] or last_line)}"


def _run_numbered(seed_and_number: tuple[int, int]) -> EpisodeReport:
    return run_episode(*seed_and_number)


def _show(total: EpisodeReport, seed: int, wall_s: float, *, failures: bool) -> None:
    kinds: dict[str, list[str]] = {}
    for failure in total.failures:
        kinds.setdefault(_kind_of(failure), []).append(failure)
    for alike in sorted(kinds.values(), key=len, reverse=True)[:SHOWN_FAILURES]:
        print("\n".join(alike) if failures else f"{len(alike)} like: {alike[0]}")
    print(
        f"\nseed {seed}: {total.grids} trace grids, {total.updates} updates, {total.trajectories} trajectories, "
        f"{total.commands} commands of 1 ms, moving {100 * total.moving_s / max(total.total_s, 1e-9):.0f} % of "
        f"{total.total_s / 3600:.2f} h; {wall_s:.0f} s"
    )
    print("| violations | exceptions | refused commands | motions without end |\n|---|---|---|---|")
    print(
        f"| {len(total.breaches)} | {len(total.exceptions)} | {len(total.refused)} | {len(total.unending)} |"
    )
    print(f"\nrefused after a late command, a push or a false joint state: {total.refused_out_of_step}")
    print("largest share of a bound used: " + ", ".join(f"{k} {v:.3f}" for k, v in total.used.items()))
    for title, counted in (
        ("states", total.states),
        ("gates shut", total.gates),
        ("reasons", total.reasons),
        ("faults given", total.faults),
    ):
        print(f"\n{title}")
        for name, count in counted.most_common(60):
            print(f"  {count:7d}  {name}")


if __name__ == "__main__":
    sys.exit(main())
