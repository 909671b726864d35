"""Steps versus quality: what fewer evaluations of the network cost, offline and in the closed loop.

    python -m tests.steps_versus_quality.curve --data HELD_OUT_DEMONSTRATIONS --output outputs/curve

Every method gets the same number of evaluations of the network, the same tasks and the same noise. Each row is written
as soon as it is measured, and a second call measures only what is missing. ``--parts report`` draws plot and tables
from whatever rows are there, and says which are not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from tests.steps_versus_quality.equal_cost import BUDGETS, samplers_within
from tests.steps_versus_quality.offline import OfflineMeasurement, Task, read_tasks
from tests.steps_versus_quality.report import write_report
from tests.steps_versus_quality.results import OfflineRow, Results, RowKey

from tracegen_model.evaluation.evaluation import SamplerSettings
from tracegen_model.network.checkpoint_config import WEIGHTS_FILE, CheckpointConfig
from tracegen_model.runtime.checkpoints import find_checkpoint

PARTS = ("offline", "closed-loop", "report")

SUCCESS_ROWS = (
    *(("euler", budget) for budget in (4, 1, 2, 8)),
    *(("adams_bashforth", budget) for budget in (4, 8)),
    *(("heun", budget) for budget in (4, 8)),
    *(("midpoint", budget) for budget in (4, 8)),
    ("euler", 20),
)
"""Methods and evaluations at which the closed loop is measured, the most telling first: an episode takes much longer
than a trace."""

STUDENT_BUDGETS = (1, 2, 4, 8)
"""Evaluations of a distilled checkpoint, which is made for few of them."""

DIGEST_SHOWN = 12


def row_key(checkpoint: str, sampler: SamplerSettings) -> RowKey:
    """The row of a checkpoint sampled in a way."""
    config = CheckpointConfig.load(find_checkpoint(checkpoint))
    weights = config.sha256[WEIGHTS_FILE][:DIGEST_SHOWN]
    return RowKey(config.name, weights, sampler.method, sampler.steps)


def offline_samplers(budgets: Iterable[int], *, student: bool) -> list[SamplerSettings]:
    """What is measured offline of a checkpoint, cheapest first."""
    if student:
        return [SamplerSettings("euler", budget) for budget in STUDENT_BUDGETS]
    return [sampler for budget in sorted(budgets) for sampler in samplers_within(budget)]


def success_samplers(*, student: bool) -> list[SamplerSettings]:
    """What is measured in the closed loop of a checkpoint."""
    if student:
        return [SamplerSettings("euler", budget) for budget in STUDENT_BUDGETS]
    return [sampler for method, budget in SUCCESS_ROWS for sampler in samplers_within(budget, (method,))]


def measure_offline(arguments: argparse.Namespace, results: Results, checkpoints: list[str]) -> None:
    """Measure the offline rows that are missing; the first checkpoint's settled flow is what all are compared with."""
    torch.set_num_threads(arguments.threads)
    tasks: list[Task] = []
    settled_m: np.ndarray | None = None
    for place, checkpoint in enumerate(checkpoints):
        samplers = offline_samplers(arguments.budgets, student=place > 0)
        missing = [how for how in samplers if results.offline(row_key(checkpoint, how)) is None]
        if not missing:
            continue
        tasks = tasks or read_tasks(arguments.data, checkpoints[0], arguments.tasks, arguments.output)
        if settled_m is None:
            settled_m = settled_traces(arguments, results, checkpoints[0], tasks)
        measurement = OfflineMeasurement(checkpoint, tasks, arguments.draws, arguments.seed)
        for sampler in missing:
            key, began_s = row_key(checkpoint, sampler), time.monotonic()
            values = measurement.measure(sampler, settled_m)
            results.keep_offline(key, OfflineRow(values, [task.scene for task in tasks]))
            shown = ", ".join(f"{name} {np.nanmean(value):.3f}" for name, value in values.items())
            print(f"{checkpoint}: {sampler}: {shown} ({time.monotonic() - began_s:.0f} s)", flush=True)


def settled_traces(
    arguments: argparse.Namespace, results: Results, checkpoint: str, tasks: list[Task]
) -> np.ndarray:
    """Traces along the settled flow, from the file of an earlier call where there is one."""
    key = row_key(checkpoint, SamplerSettings())
    path = results.settled_file(key.checkpoint, key.weights)
    if path.is_file():
        return np.load(path)
    measurement = OfflineMeasurement(checkpoint, tasks, arguments.draws, arguments.seed)
    found = measurement.traces(measurement.settled_plan())
    with path.with_suffix(".part").open("wb") as file:
        np.save(file, found)
    path.with_suffix(".part").replace(path)
    return found


def measure_success(arguments: argparse.Namespace, results: Results, checkpoints: list[str]) -> bool:
    """Run the closed-loop rows that are missing; whether all came to an end."""
    complete = True
    for place, checkpoint in enumerate(checkpoints):
        for sampler in success_samplers(student=place > 0):
            key = row_key(checkpoint, sampler)
            if results.success(key) is not None:
                continue
            if arguments.until is not None and time.strftime("%H:%M") >= arguments.until:
                print(f"it is {arguments.until}: {checkpoint}, {sampler} and what follows are left out")
                return False
            print(f"== {checkpoint}: {sampler}", flush=True)
            command = [
                *(sys.executable, "-m", "tests.closed_loop.benchmark", "--rows", "nominal"),
                *("--episodes", str(arguments.episodes), "--first-seed", str(arguments.first_seed)),
                *("--jobs", str(arguments.jobs), "--model", checkpoint),
                *("--launch", f"steps:={sampler.steps}", f"method:={sampler.method}"),
                *("--output", str(results.success_folder(key))),
            ]
            complete &= subprocess.run(command, check=False).returncode == 0
    return complete


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", default="fr3_blocks_nano", help="default: %(default)s")
    parser.add_argument("--student", help="a distilled checkpoint, drawn as a further line")
    parser.add_argument("--data", type=Path, required=True, help="folder of episodes never trained on")
    parser.add_argument("--output", type=Path, default=Path("outputs/curve"), help="default: %(default)s")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--tasks", type=int, default=48, help="samples, spread evenly (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=2, help="traces of each task (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default: %(default)s)")
    parser.add_argument("--budgets", type=int, nargs="+", default=list(BUDGETS), help="evaluations, offline")
    parser.add_argument("--threads", type=int, default=1, help="of torch, offline (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=20, help="episodes a row (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=650_000, help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=2, help="stacks side by side (default: %(default)s)")
    parser.add_argument("--until", help="start no closed-loop row after this local time, HH:MM")
    arguments = parser.parse_args()
    if min(arguments.tasks, arguments.draws - 1, arguments.episodes, arguments.jobs) < 1:
        parser.error("--tasks, --episodes and --jobs must be 1 at least, --draws 2")
    arguments.output = arguments.output.absolute()
    return arguments


def main() -> int:
    """Measure what is missing, then report."""
    arguments = parse_arguments()
    settings = {
        "data": arguments.data.name,
        "tasks": arguments.tasks,
        "draws": arguments.draws,
        "seed": arguments.seed,
    }
    results = Results(arguments.output, settings)
    checkpoints = [arguments.checkpoint, *([arguments.student] if arguments.student else [])]
    complete = True
    if "offline" in arguments.parts:
        measure_offline(arguments, results, checkpoints)
    if "closed-loop" in arguments.parts:
        complete = measure_success(arguments, results, checkpoints)
    if "report" in arguments.parts:
        rows = [
            [row_key(checkpoint, how) for how in offline_samplers(arguments.budgets, student=place > 0)]
            for place, checkpoint in enumerate(checkpoints)
        ]
        write_report(results, rows, settings | {"episodes": arguments.episodes})
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
