"""How continuous commanded motion is under replans: ``python -m tests.motion_layer.continuity``.

    nice -n 10 python -m tests.motion_layer.continuity --paths 200 --seed 0 --jobs 2

Random courses of the hand, shown by noisy traces at 0.5 to 30 Hz, some early, late or out of order, and with commands
that come late; executed at 1 kHz, half of them under each limit set (``replanned_course``). Per rate: the largest step
of position, velocity and acceleration where one motion takes over from another, from the polynomials themselves; how
much of each bound is used; what is outside the limits (``command_checker``); what is refused. Exit status 1 where a
command was outside the limits, a command in time was refused, or a step is more than rounding.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from tests.motion_layer.command_checker import PERIOD_S, QUANTITIES, Bounds, judge
from tests.motion_layer.replanned_course import Habits, ReplannedRun, Run, Step, random_course

from ik_controller.resources import resource_path
from ik_controller.robot_model import RobotModel

RATES_HZ = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
LIMITS = ("fr3_rectangular", "fr3_full")

MOST_REPLANS = 60
"""Of a run."""

ROUNDING = Step(1e-8, 1e-7, 1e-5)
"""Steps up to this are rounding [rad, rad/s, rad/s²]: a motion's last microsecond counts as its end."""

NO_STEP = Step(0.0, 0.0, 0.0)


@dataclass
class Row:
    """All runs at one rate under one limit set.

    Attributes:
        rate_hz: Images a second.
        limits: Name of the set.
        runs: How many; ``arrived`` of them reached the course's end, the others had their replans used up.
        seconds: Of commands.
        replans: Motions along new traces; ``ignored`` is how many traces came after newer ones.
        seams: Places where one motion took over from another; ``late`` of them at a command that came late.
        planned: Largest step between the follower's motions.
        told: Largest step in what the arm is told.
        used: Largest share of each bound.
        violations: What was outside the limits, in words.
        refused: Commands in time that were refused, in words.
        refused_late: Commands that were refused because they, or one before, had come late.
        decisions: How often each state was said.
    """

    rate_hz: float
    limits: str
    runs: int = 0
    arrived: int = 0
    seconds: float = 0.0
    replans: int = 0
    ignored: int = 0
    seams: int = 0
    late: int = 0
    planned: Step = NO_STEP
    told: Step = NO_STEP
    used: dict[str, float] = field(default_factory=lambda: dict.fromkeys(QUANTITIES, 0.0))
    violations: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refused_late: int = 0
    decisions: dict[str, int] = field(default_factory=dict)

    def add(self, other: Row) -> None:
        """Take in another row's figures."""
        for name in ("runs", "arrived", "replans", "ignored", "seams", "late", "refused_late"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seconds += other.seconds
        self.planned, self.told = largest([self.planned, other.planned]), largest([self.told, other.told])
        self.used = {name: max(share, other.used[name]) for name, share in self.used.items()}
        self.violations += other.violations
        self.refused += other.refused
        for state, count in other.decisions.items():
            self.decisions[state] = self.decisions.get(state, 0) + count

    @property
    def is_continuous(self) -> bool:
        """No step is more than rounding."""
        return all(
            getattr(step, name) <= most
            for step in (self.planned, self.told)
            for name, most in vars(ROUNDING).items()
        )


def largest(steps: Sequence[Step]) -> Step:
    """The largest of each."""
    return Step(
        *(
            max((getattr(step, name) for step in steps), default=0.0)
            for name in ("position", "velocity", "acceleration")
        )
    )


def row_of(run: Run, rate_hz: float, limits: str, bounds: Bounds) -> Row:
    """One run's figures."""
    found = judge(run.stream, bounds, ends_at_rest=True)
    return Row(
        rate_hz,
        limits,
        runs=1,
        arrived=int(run.arrived),
        seconds=len(run.stream) * PERIOD_S,
        replans=run.replans,
        ignored=run.ignored,
        seams=len(run.told) + len(run.told_late),
        late=len(run.told_late),
        planned=largest(run.planned),
        told=largest(run.told + run.told_late),
        used=found.used,
        violations=[str(breach) for breach in found.breaches],
        refused=run.refused,
        refused_late=run.refused_late,
        decisions=dict(run.decisions),
    )


def run_path(seed: int, number: int) -> list[Row]:
    """Path ``number`` of ``seed`` at every rate, under one limit set and the other by turns."""
    limits = LIMITS[number % len(LIMITS)]
    robot, bounds = RobotModel.fr3(limits), Bounds.read(resource_path(f"limits/{limits}.yaml"))
    course, start = random_course(robot, np.random.default_rng([seed, number]))
    rows = []
    for index, rate_hz in enumerate(RATES_HZ):
        habits = Habits(rate_hz, most_replans=MOST_REPLANS)
        run = ReplannedRun(robot, course, start, habits, [seed, number, index]).execute()
        rows.append(row_of(run, rate_hz, limits, bounds))
    return rows


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of the report."""
    lines = [
        "| replans at | limits | replans (ignored) | seams (late) | step planned [rad, rad/s, rad/s²] | step told "
        "[rad, rad/s, rad/s²] | share of velocity, acceleration, jerk | violations | refused (after a late one) |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        planned, told = (
            ", ".join(f"{value:.0e}" for value in vars(step).values()) for step in (row.planned, row.told)
        )
        used = ", ".join(f"{row.used[name]:.2f}" for name in QUANTITIES[1:])
        lines.append(
            f"| {row.rate_hz:g} Hz | {row.limits} | {row.replans} ({row.ignored}) | {row.seams} ({row.late}) | "
            f"{planned} | {told} | {used} | {len(row.violations)} | {len(row.refused)} ({row.refused_late}) |"
        )
    return "\n".join(lines)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--paths", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument(
        "--output", type=Path, default=Path("outputs/motion_layer"), help="default: %(default)s"
    )
    arguments = parser.parse_args()
    totals = {(limits, rate_hz): Row(rate_hz, limits) for limits in LIMITS for rate_hz in RATES_HZ}
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
        one_path = functools.partial(run_path, arguments.seed)
        for done, rows in enumerate(pool.imap(one_path, range(arguments.paths)), start=1):
            for row in rows:
                totals[row.limits, row.rate_hz].add(row)
            if done % 20 == 0:
                print(f"{done} paths", file=sys.stderr, flush=True)
    rows = list(totals.values())
    print(as_markdown(rows))
    for row in rows:
        for text in row.violations + row.refused:
            print(f"{row.rate_hz:g} Hz, {row.limits}: {text}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    figures = {"paths": arguments.paths, "seed": arguments.seed, "rows": [asdict(row) for row in rows]}
    (arguments.output / "continuity.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    failed = any(row.violations or row.refused or not row.is_continuous for row in rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
