"""Time of inverse kinematics per warm waypoint, beside pink and mink at equal accuracy.

    python -m tests.motion_layer.ik_speed
    python -m tests.motion_layer.ik_speed --paths 200 --output outputs/motion_layer

All solvers take turns on the same paths in one run, in an order that rotates, so that what else the machine does meets
all. The time is the processor's: its ratios say more than either time. Whether solutions are equally good is measured
on all alike, by this project's forward kinematics. Exit status 1 when one is not, or ours is less than twice as fast
as the better of the others.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pinocchio as pin
from tests.motion_layer.ik_solvers import FloatArray, Solver, Task, ours, with_mink, with_pink

from ik_controller.collision_model import CollisionMargins
from ik_controller.hand_orientation import reach_tilt
from ik_controller.inverse_kinematics import IkConfig, solve_pose
from ik_controller.robot_model import RobotModel

WAYPOINTS = 20
"""Of a path: 40 cm at the spacing that the motion layer hands to inverse kinematics."""

SPACING = 0.02
"""Between waypoints [m]."""

LARGEST_TURN = 1.0
"""Of the hand about the vertical over a path [rad]."""

AIM = 2.0
"""Ours is to be so many times faster than the better of the others."""

OURS = "ours"
GUARDED = "ours, clear of itself and of the table"


@dataclass
class Row:
    """What one solver did.

    Attributes:
        name: Of the solver.
        median_us: Processor time per waypoint [us], median over paths; ``p99_us`` likewise.
        ratio: Median over paths of its time over ours.
        position_mm: Largest distance from a waypoint [mm].
        rotation_deg: Largest angle [deg].
        unsolved: Waypoints that were not reached within five tolerances.
    """

    name: str
    median_us: float
    p99_us: float
    ratio: float
    position_mm: float
    rotation_deg: float
    unsolved: int


def random_task(robot: RobotModel, rng: np.random.Generator) -> Task:
    """A bent path over the table with the hand down, turning evenly, warm from its first waypoint's joints."""
    while True:
        start = rng.uniform([0.38, -0.28, 0.06], [0.62, 0.28, 0.35])
        course = rng.normal(size=3) * [1.0, 1.0, 0.5]
        bend = rng.normal(size=3) * 2.0
        heading, turn = rng.uniform(-0.6, 0.6), rng.uniform(-LARGEST_TURN, LARGEST_TURN)
        share = np.linspace(0.0, 1.0, WAYPOINTS)[:, None]
        directions = course + (share - 0.5) * bend
        steps = SPACING * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        positions = start + np.cumsum(steps, axis=0) - steps[0]
        inside = (positions > [0.33, -0.35, 0.03]) & (positions < [0.68, 0.35, 0.45])
        if inside.all():
            break
    headings = heading + turn * share[:, 0]
    cos, sin = np.cos(headings), np.sin(headings)
    down = np.zeros((WAYPOINTS, 3, 3))
    down[:, 0, 0], down[:, 0, 1], down[:, 1, 0], down[:, 1, 1], down[:, 2, 2] = cos, sin, sin, -cos, -1.0
    rotations = reach_tilt(positions) @ down
    joints, distance, _ = solve_pose(
        robot, robot.posture, positions[0], rotations[0], IkConfig(max_iterations=200)
    )
    return Task(joints, positions, rotations) if distance < 1e-3 else random_task(robot, rng)


def errors(robot: RobotModel, task: Task, joints: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distance [m] and angle [rad] (K,) of each solution from its waypoint."""
    poses = np.array([robot.tcp_in_base(row) for row in joints])
    count = len(joints)
    distances = np.linalg.norm(poses[:, :3, 3] - task.positions[:count], axis=1)
    turns = [
        float(np.linalg.norm(pin.log3(target @ pose[:3, :3].T)))
        for target, pose in zip(task.rotations, poses, strict=False)
    ]
    return distances, np.array(turns)


def run(robot: RobotModel, solvers: dict[str, Solver], tasks: list[Task], rounds: int) -> list[Row]:
    """All solvers on all paths, ``rounds`` times; the least time of a path counts."""
    names = list(solvers)
    seconds = {name: np.full(len(tasks), np.inf) for name in names}
    solutions: dict[str, list[FloatArray]] = {name: [] for name in names}
    for round_ in range(rounds + 1):
        for index, task in enumerate(tasks):
            for place in range(len(names)):
                name = names[(place + index + round_) % len(names)]
                began = time.process_time()
                joints = solvers[name](task)
                took = (time.process_time() - began) / len(task.positions)
                if round_ == 0:
                    solutions[name].append(joints)  # and warms up
                else:
                    seconds[name][index] = min(seconds[name][index], took)
    config = IkConfig()
    rows = []
    for name in names:
        found = [errors(robot, task, joints) for task, joints in zip(tasks, solutions[name], strict=True)]
        distances = np.concatenate([one for one, _ in found])
        turns = np.concatenate([other for _, other in found])
        reached = (distances <= 5 * config.position_tolerance) & (turns <= 5 * config.rotation_tolerance)
        missing = WAYPOINTS * len(tasks) - len(reached)
        rows.append(
            Row(
                name,
                1e6 * float(np.median(seconds[name])),
                1e6 * float(np.percentile(seconds[name], 99)),
                statistics.median(seconds[name] / seconds[OURS]),
                1e3 * float(distances[reached].max()),
                float(np.degrees(turns[reached].max())),
                int((~reached).sum()) + missing,
            )
        )
    return rows


def as_markdown(rows: list[Row]) -> str:
    """The table of the report."""
    lines = [
        "| solver | µs a waypoint, median | p99 | times ours | largest error | not reached |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {row.median_us:.0f} | {row.p99_us:.0f} | {row.ratio:.2f} | "
        f"{row.position_mm:.2f} mm, {row.rotation_deg:.2f}° | {row.unsolved} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--paths", type=int, default=100, help="default: %(default)s")
    parser.add_argument(
        "--rounds", type=int, default=5, help="the least time of so many counts (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=Path("outputs/motion_layer"), help="default: %(default)s"
    )
    arguments = parser.parse_args()
    robot, rng = RobotModel.fr3(), np.random.default_rng(arguments.seed)
    solvers = {
        OURS: ours(robot, None, None),
        "pink, daqp": with_pink(robot, "daqp"),
        "pink, proxqp": with_pink(robot, "proxqp"),
        "mink, daqp": with_mink(robot, "daqp"),
        "mink, proxqp": with_mink(robot, "proxqp"),
        GUARDED: ours(robot, CollisionMargins(), 0.0),
    }
    tasks = [random_task(robot, rng) for _ in range(arguments.paths)]
    rows = run(robot, solvers, tasks, arguments.rounds)
    print(as_markdown(rows))
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "ik_speed.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    best = min((row for row in rows if row.name not in (OURS, GUARDED)), key=lambda row: row.ratio)
    print(f"\nThe better of the others, {best.name}, takes {best.ratio:.1f} times as long as ours.")
    return 0 if best.ratio >= AIM and not any(row.unsolved for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
