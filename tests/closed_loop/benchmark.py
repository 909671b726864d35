"""How often the robot does what it is told, in scenes that nobody trained on: ``make benchmark``.

Every episode runs through the real launch file and the real nodes, in lockstep: the figures do not depend on the
machine, apart from the latencies. With ``--robot franky`` the arm is an emulated robot behind its driver, on the wall's
clock: figures are those of a machine that keeps up, or does not. Workers run side by side, each with a stack and a ROS
domain of its own. Seeds start at 100 000; demonstrations draw from other streams.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
from tests.closed_loop.cell import Cell, CellError, RosSession
from tests.closed_loop.episodes import EpisodeVerdict, run_episode
from tests.closed_loop.ros_domain import own_domain
from tests.closed_loop.rows import ROWS, Row
from tests.closed_loop.stack import Stack, StackError
from tests.closed_loop.statistics import wilson_interval

from ik_controller.joint_limits import JointLimits

FIRST_SEED = 100_000
STACK_RESTARTS = 3
"""A worker whose stack died this often gives up."""

EMULATED = {"robot": "franky", "camera": "sim"}
"""Launch arguments of the emulated robot."""

SHOWN_TIMINGS = {
    "trace_node.total": "image in to traces out, network included",
    "trace_node.node_overhead": "the same without the network",
    "trace_follower.trace_to_command": "traces in to command out",
}
"""The nodes' own timings that the report shows."""

Assignment = tuple[Row, int]


def lost(row: Row, seed: int, failure: str) -> EpisodeVerdict:
    """The verdict on an episode that came to no end: a failure."""
    nothing = float("nan")
    return EpisodeVerdict(
        row.name,
        seed,
        "",
        False,
        False,
        False,
        nothing,
        nothing,
        nothing,
        0,
        0,
        0,
        [],
        [],
        0.0,
        {},
        "",
        failure,
    )


def run_worker(
    number: int, assignments: list[Assignment], arguments: argparse.Namespace, verdicts: Queue
) -> None:
    """Run ``assignments`` one after the other, in a ROS domain of their own; a verdict on each goes into the queue."""
    with own_domain() as domain:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        run_assignments(number, assignments, arguments, verdicts)


def run_assignments(
    number: int, assignments: list[Assignment], arguments: argparse.Namespace, verdicts: Queue
) -> None:
    """Run ``assignments`` on one stack; where it breaks, the next one goes on with the next."""
    emulated = arguments.robot == "franky"
    launch = {
        **(EMULATED | {"fci_ip": f"127.0.0.{1 + number}"} if emulated else {"lockstep": "true"}),
        "camera_rate": str(arguments.trace_rate),
        "model": arguments.model,
        "limits": arguments.limits,
        **dict(arguments.launch),
    }
    # A driver leaves the plan to catch up with it; its limits are those of the robot.
    limits = JointLimits.load("fr3_full" if emulated else f"fr3_{arguments.limits}")
    waiting = list(assignments)
    for restart in range(STACK_RESTARTS):
        log = arguments.output / f"worker{number}_{restart}.log"
        try:
            with Stack(launch, log) as stack, RosSession():
                cell = Cell(stack.check, emulated=emulated)
                cell.wait_until_ready()
                while waiting:
                    row, seed = waiting[0]
                    verdicts.put(
                        run_episode(cell, row, seed, limits, arguments.output / "commands" / row.name)
                    )
                    waiting.pop(0)
                return
        except (CellError, StackError) as error:
            print(f"worker {number}: {error}", file=sys.stderr)
            if waiting:
                verdicts.put(lost(*waiting.pop(0), str(error)))
    for assignment in waiting:
        verdicts.put(lost(*assignment, "the stack could not be kept running"))


def run(rows: list[Row], arguments: argparse.Namespace) -> Iterator[EpisodeVerdict]:
    """All verdicts, in the order in which they come in."""
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.episodes)
    assignments = [(row, seed) for row in rows for seed in seeds]
    # "spawn": a child must not inherit a started rclpy.
    context = multiprocessing.get_context("spawn")
    verdicts: Queue = context.Queue()
    workers = [
        context.Process(
            target=run_worker,
            args=(
                number,
                assignments[number :: arguments.jobs],
                arguments,
                verdicts,
            ),
        )
        for number in range(arguments.jobs)
    ]
    for worker in workers:
        worker.start()
    for _ in assignments:
        while verdicts.empty() and any(worker.is_alive() for worker in workers):
            time.sleep(0.1)
        if verdicts.empty():
            break
        yield verdicts.get()
    for worker in workers:
        worker.join()


def share(count: int, trials: int) -> str:
    """A share with its 95 % interval, in percent."""
    low, high = wilson_interval(count, trials)
    return f"{100 * count / max(trials, 1):3.0f} [{100 * low:3.0f}, {100 * high:3.0f}]"


def table(rows: list[Row], verdicts: list[EpisodeVerdict]) -> str:
    """The benchmark's table, for a terminal."""
    lines = [
        f"{'row':12s} {'n':>4s}  {'success %':>14s}  {'right object %':>14s}  {'right zone %':>14s}  "
        f"{'violations':>10s}  {'replans':>7s}  {'time s':>6s}  {'traces/s':>8s}  {'latency ms p50/p99':>18s}"
    ]
    for row in rows:
        of_row = [verdict for verdict in verdicts if verdict.row == row.name]
        if not of_row:
            continue
        count = len(of_row)
        latencies = np.concatenate([verdict.latencies_ms for verdict in of_row] or [[]])
        p50, p99 = np.percentile(latencies, [50, 99]) if len(latencies) else (np.nan, np.nan)
        lines.append(
            f"{row.name:12s} {count:4d}  {share(sum(v.success for v in of_row), count):>14s}  "
            f"{share(sum(v.right_object for v in of_row), count):>14s}  "
            f"{share(sum(v.right_zone for v in of_row), count):>14s}  "
            f"{sum(len(v.violations) for v in of_row):10d}  "
            f"{np.mean([v.trajectories for v in of_row]):7.1f}  "
            f"{np.nanmean([v.duration_s for v in of_row]):6.1f}  "
            f"{np.median([v.traces_per_second for v in of_row]):8.1f}  {f'{p50:.0f} / {p99:.0f}':>18s}"
        )
    return "\n".join(lines)


def timing_table(verdicts: list[EpisodeVerdict]) -> str:
    """The nodes' own timings: the median episode's p50, the worst episode's p99."""
    lines = [f"{'node timings':44s} {'p50 ms':>7s}  {'p99 ms':>7s}"]
    for key, meaning in SHOWN_TIMINGS.items():
        p50, p99 = (
            [v.timings_ms[f"{key}_{name}_ms"] for v in verdicts if f"{key}_{name}_ms" in v.timings_ms]
            for name in ("p50", "p99")
        )
        if p50 and p99:
            lines.append(f"  {meaning:42s} {np.median(p50):7.1f}  {max(p99):7.1f}")
    return "\n".join(lines)


def write_json(
    path: Path, rows: list[Row], verdicts: list[EpisodeVerdict], arguments: argparse.Namespace
) -> None:
    """Everything, for other programs."""
    summary = {}
    for row in rows:
        of_row = [verdict for verdict in verdicts if verdict.row == row.name]
        shares = {}
        for name in ("success", "right_object", "right_zone"):
            count = sum(getattr(verdict, name) for verdict in of_row)
            shares[name] = {"count": count, "share": count / max(len(of_row), 1)}
            shares[name]["interval_95"] = wilson_interval(count, len(of_row))
        summary[row.name] = {
            "meaning": row.meaning,
            "episodes": len(of_row),
            **shares,
            "violations": sum(len(verdict.violations) for verdict in of_row),
            "refused_commands": sum(verdict.refused for verdict in of_row),
        }
    settings = {name: str(value) for name, value in vars(arguments).items()}
    content = {"settings": settings, "rows": summary, "episodes": [asdict(verdict) for verdict in verdicts]}
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def launch_argument(text: str) -> tuple[str, str]:
    """Name and value of a launch argument written as on the command line of ``ros2 launch``."""
    name, separator, value = text.partition(":=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"expected NAME:=VALUE such as steps:=8, got {text!r}")
    return name, value


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__.split("\n\n")[0])
    parser.add_argument("--episodes", type=int, default=50, help="episodes a row (default: %(default)s)")
    parser.add_argument("--rows", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--jobs", type=int, default=2, help="stacks side by side (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="default: %(default)s")
    parser.add_argument(
        "--trace-rate", type=float, default=5.0, help="images, and so traces, per simulated second"
    )
    parser.add_argument(
        "--robot",
        choices=["sim", "franky"],
        default="sim",
        help="sim, or an emulated robot behind its driver",
    )
    parser.add_argument("--model", default="fr3_blocks_nano", help="checkpoint (default: %(default)s)")
    parser.add_argument("--limits", choices=["rectangular", "full"], default="rectangular")
    parser.add_argument(
        "--launch",
        nargs="+",
        type=launch_argument,
        default=[],
        metavar="NAME:=VALUE",
        help="further arguments of the launch file, such as steps:=8",
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/benchmark"), help="default: %(default)s")
    arguments = parser.parse_args()
    if arguments.episodes < 1 or arguments.jobs < 1:
        parser.error("--episodes and --jobs must be 1 at least")
    arguments.output = arguments.output.absolute()
    return arguments


def main() -> int:
    """Run, print, write; 0 when every episode came to a verdict."""
    arguments = parse_arguments()
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows = [row for row in ROWS if row.name in arguments.rows]
    verdicts = []
    started_s = time.monotonic()
    total = len(rows) * arguments.episodes
    for verdict in run(rows, arguments):
        verdicts.append(verdict)
        word = verdict.failure or ("ok" if verdict.success else f"failed ({verdict.final_state})")
        print(
            f"[{len(verdicts):3d}/{total}] {verdict.row:12s} seed {verdict.seed}  {verdict.instruction!r}: {word}, "
            f"{verdict.duration_s:.1f} s, {verdict.traces} traces, {len(verdict.violations)} violations",
            flush=True,
        )
    verdicts.sort(key=lambda verdict: (verdict.row, verdict.seed))
    path = arguments.output / "results.json"
    write_json(path, rows, verdicts, arguments)
    print(f"\n{table(rows, verdicts)}\n\n{timing_table(verdicts)}\n")
    print(
        "Intervals are Wilson 95 %. Latency: image to traces, wall time, with simulator and rendering beside it."
    )
    for row in rows:
        print(f"  {row.name:12s} {row.meaning}")
    print(f"{(time.monotonic() - started_s) / 60:.1f} min; everything is in {path}")
    complete = len(verdicts) == total and not any(verdict.failure for verdict in verdicts)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
