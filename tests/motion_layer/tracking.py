"""How well the hand follows ground-truth traces: ``python -m tests.motion_layer.tracking``.

Noise, visible points and the two readings of the hand's motion on one side; latency, made up for or not, on the other;
over straight, curved, turning and tilting courses in the simulator. Writes a table, a plot and all figures as JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tests.motion_layer.hand_courses import COURSES
from tests.motion_layer.tracked_run import Setting, Tracking, track
from tests.motion_layer.tracking_plot import draw
from tests.motion_layer.tracking_report import report

from fr3_sim.simulation import Simulation
from ik_controller.hand_motion import HandMotionMethod
from ik_controller.robot_model import RobotModel

NOISES_M = (0.0, 0.005, 0.01, 0.02)
POINTS = (5, 20, 60)
LATENCIES_S = (0.0, 0.1, 0.2, 0.3, 0.5)
LATENCY_NOISES_M = (0.0, 0.01)

USUAL_LATENCY_S = 0.1
USUAL_POINTS = 20
FIRST_SEED = 41
MILLIMETRES_PER_METRE = 1000.0


def settings(seeds: Sequence[int]) -> list[Setting]:
    """All runs: noise, points and method at the usual latency; latency and compensation at the usual points."""
    by_noise = [
        Setting(course, method, noise, points, USUAL_LATENCY_S, True, seed)
        for course, method, noise, points, seed in itertools.product(
            COURSES, HandMotionMethod, NOISES_M, POINTS, seeds
        )
    ]
    by_latency = [
        Setting(course, HandMotionMethod.RIGID, noise, USUAL_POINTS, latency, compensated, seed)
        for course, noise, latency, compensated, seed in itertools.product(
            COURSES, LATENCY_NOISES_M, LATENCIES_S, (True, False), seeds
        )
    ]
    return list(dict.fromkeys(by_noise + by_latency))


def summary(setting: Setting, tracking: Tracking) -> dict[str, Any]:
    """One run in numbers."""
    off = MILLIMETRES_PER_METRE * tracking.position_errors
    turned = np.degrees(tracking.rotation_errors)
    read = MILLIMETRES_PER_METRE * tracking.path_errors
    return asdict(setting) | {
        "position_mm": round(float(off.mean()), 3),
        "position_p95_mm": round(float(np.percentile(off, 95)), 3),
        "position_max_mm": round(float(off.max()), 3),
        "rotation_deg": round(float(turned.mean()), 3),
        "rotation_p95_deg": round(float(np.percentile(turned, 95)), 3),
        "path_mm": round(float(read.mean()), 3) if len(read) else None,
        "duration_s": round(tracking.duration_s, 2),
        "arrived": tracking.arrived,
        "backward_mm": round(MILLIMETRES_PER_METRE * tracking.backward_m, 1),
        "held": round(tracking.held, 3),
        "hand_points": round(tracking.hand_points, 1),
    }


def run_all(runs: Iterable[Setting]) -> list[dict[str, Any]]:
    """The runs one after the other, in one simulator."""
    simulation, robot = Simulation(), RobotModel.fr3()
    rows = []
    for setting in runs:
        rows.append(summary(setting, track(simulation, robot, setting)))
        print(".", end="", file=sys.stderr, flush=True)
    simulation.close()
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=2, help="starts of each course (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument(
        "--from-json", type=Path, help="report the runs of this file again, without running any"
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/hand_tracking"))
    arguments = parser.parse_args()
    if arguments.from_json:
        rows = json.loads(arguments.from_json.read_text(encoding="utf-8"))
    else:
        runs = settings(range(FIRST_SEED, FIRST_SEED + arguments.seeds))
        with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
            shares = pool.map(run_all, [runs[job :: arguments.jobs] for job in range(arguments.jobs)])
        rows = sorted((row for share in shares for row in share), key=lambda row: json.dumps(row))
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    (arguments.output / "hand_tracking.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    text = report(rows)
    (arguments.output / "hand_tracking.md").write_text(text, encoding="utf-8")
    draw(rows, arguments.output / "hand_tracking.png")
    print(f"\n{text}")


if __name__ == "__main__":
    main()
