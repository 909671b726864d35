"""What coming to rest between chunks would cost: ``python -m tests.motion_layer.chunk_rests``.

ros2_control's ``joint_trajectory_controller`` takes a policy's output as chunks, each a trajectory that ends at rest.
The same traces, on the same courses, are executed in two ways, exact traces and all commands in time in both:

- continuously: the follower replaces the motion under way at every replan;
- in chunks: the part of the course between two replans, as long as the continuous motion made it, from rest to rest,
  by the same planner with the same bounds; time for planning and sending is not counted.

Motion time of both over the whole course, per rate. A single motion over the whole course, without any replan, is how
short it could be.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.motion_layer.hand_courses import Course
from tests.motion_layer.replanned_course import Habits, ReplannedRun, random_course

from ik_controller.arm_motion import ArmMotion
from ik_controller.follower_config import FollowerConfig
from ik_controller.hand_path import SHORTEST_PATH, path_through
from ik_controller.robot_model import RobotModel

FloatArray = NDArray[np.float64]

RATES_HZ = (1.0, 2.0, 5.0, 10.0)


class CourseError(RuntimeError):
    """A part of a course that could not be planned."""


@dataclass(frozen=True)
class Row:
    """All courses at one rate.

    Attributes:
        rate_hz: Replans a second.
        courses: How many reached their end in both ways.
        continuous_s: Mean motion time of the follower's replans [s].
        chunks_s: Mean motion time of chunks that rest [s].
        single_s: Mean motion time of one motion without replans [s].
        ratio: Median over courses of chunks over continuous.
        least_ratio: The least of them; ``largest_ratio`` likewise.
    """

    rate_hz: float
    courses: int
    continuous_s: float
    chunks_s: float
    single_s: float
    ratio: float
    least_ratio: float
    largest_ratio: float


def resting_time(robot: RobotModel, course: Course, start: FloatArray, boundaries: FloatArray) -> float:
    """Motion time [s] along ``course`` from joints ``start`` (J,) [rad], with a rest at each boundary (B,) [m]."""
    config = FollowerConfig()
    arm = ArmMotion(robot, config.ik)
    now_s = 1.0
    arm.anchor(start, np.zeros_like(start), now_s, now_s, config.reanchor_error)
    total_s = 0.0
    cuts = [0.0, *(cut for cut in boundaries if SHORTEST_PATH < cut < course.length), course.length]
    for first, last in itertools.pairwise(cuts):
        between = course.lengths[(course.lengths > first) & (course.lengths < last)]
        positions, rotations = course.at(np.concatenate([[first], between, [last]]))
        path = path_through(positions, rotations, config.workspace.metres_per_radian)
        if path is None:
            continue
        report = arm.follow(path, now_s, config.workspace.path_speed())
        if report.slow_down is None or report.shortfall:
            raise CourseError(f"from {first:.3f} to {last:.3f} m: {report}")
        total_s += arm.commanded.trajectory.duration_s
        now_s = arm.commanded.end_s
    return total_s


def compare(robot: RobotModel, rate_hz: float, courses: int, seed: int) -> Row:
    """``courses`` of ``seed`` in both ways."""
    times = []
    for number in range(courses):
        course, start = random_course(robot, np.random.default_rng([seed, number]))
        run = ReplannedRun(robot, course, start, Habits.punctual(rate_hz), number).execute()
        if not run.arrived:
            continue
        boundaries = np.unique(run.replan_lengths[1:])
        times.append(
            [
                run.duration_s,
                resting_time(robot, course, start, boundaries),
                resting_time(robot, course, start, np.zeros(0)),
            ]
        )
    continuous, chunks, single = np.array(times).T
    ratios = chunks / continuous
    return Row(
        rate_hz,
        len(times),
        round(float(continuous.mean()), 3),
        round(float(chunks.mean()), 3),
        round(float(single.mean()), 3),
        *(round(float(value), 3) for value in (np.median(ratios), ratios.min(), ratios.max())),
    )


def as_markdown(rows: list[Row]) -> str:
    """The table of the report."""
    lines = [
        "| replans at | courses | one motion [s] | continuous replans [s] | chunks at rest between [s] | "
        "chunks / continuous (least to largest) |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.rate_hz:g} Hz | {row.courses} | {row.single_s:.2f} | {row.continuous_s:.2f} | {row.chunks_s:.2f} | "
        f"{row.ratio:.2f} ({row.least_ratio:.2f} to {row.largest_ratio:.2f}) |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--courses", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=Path("outputs/motion_layer"), help="default: %(default)s"
    )
    arguments = parser.parse_args()
    robot = RobotModel.fr3()
    rows = [compare(robot, rate_hz, arguments.courses, arguments.seed) for rate_hz in RATES_HZ]
    print(as_markdown(rows))
    arguments.output.mkdir(parents=True, exist_ok=True)
    figures = {"seed": arguments.seed, "rows": [asdict(row) for row in rows]}
    (arguments.output / "chunk_rests.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
