"""How faithful a few-step student is to its teacher's flow, beside the teacher itself in as few steps.

    python -m tests.distillation.fidelity --data HELD_OUT_DEMONSTRATIONS --output outputs/fidelity

All rows have the same tasks, conditions and noise: a student makes conditions as its teacher does. Each row is
written as soon as it is measured, and a second call measures only what is missing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tracegen_model.data.trace_batch import TraceBatch, collate
from tracegen_model.evaluation import demonstrations, metrics
from tracegen_model.evaluation.evaluation import ASSUMED_CAMERA
from tracegen_model.evaluation.evaluator import noise_seed
from tracegen_model.evaluation.measured_data import DataChoice, open_measured_data
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import WEIGHTS_FILE
from tracegen_model.network.samplers import draw_noise, repeat_condition, sample
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.training.objectives.teacher import Teacher
from tracegen_model.training.run_config import DistillationConfig

UNTIL = 0.5
"""Time to which the teacher's flow is followed; see ``objective.distillation.until``."""

FOLLOWED_STEPS = 12
"""Adams-Bashforth steps to there; 24 midpoint steps end within 0.5 % of the traces' length of it."""

TO_THE_END_STEPS = 32
"""Midpoint steps of the teacher's flow to t = 1, for the distance to that."""

TO_THE_END_DRAWS = 2
"""Traces of each task that are followed to there, the first ones: it takes long."""

TASKS_TOGETHER = 4

DIGEST_SHOWN = 12

MEASURES = {
    "hand_cm_8": "hand after 10 cm [cm]",
    "hand_cm_16": "hand after 20 cm [cm]",
    "hand_cm_32": "hand after 40 cm [cm]",
    "moving_ade_cm": "moving ADE [cm]",
    "spread_cm": "spread over seeds [cm]",
    "distance_cm": "distance to the teacher's flow [cm]",
    "distance_share": "the same, share of length",
    "distance_to_end_cm": "distance to its 32 midpoint steps to t = 1 [cm]",
}
"""What is measured, for people. A step of the shipped checkpoints is 1.25 cm of the hand's path."""

Sampler = Callable[[Any, Tensor], Tensor]
"""Condition and noise (B, points, horizon, 3) to normalised increments of that shape."""


@dataclass(frozen=True)
class Part:
    """Some tasks with their noise; B tasks times draws, the draws of a task side by side."""

    batch: TraceBatch
    condition: Any
    noise: Tensor


def parts_of(network: TraceNetwork, arguments: argparse.Namespace, draws: int) -> list[Part]:
    """The tasks, a few at a time, with the first ``draws`` noises of each."""
    parts = []
    config, _ = load_checkpoint(find_checkpoint(arguments.teacher))
    chosen = open_measured_data(DataChoice([arguments.data], split="all", limit=arguments.tasks), config)
    for first in range(0, len(chosen.indices), TASKS_TOGETHER):
        items = [chosen.dataset[int(index)] for index in chosen.indices[first : first + TASKS_TOGETHER]]
        batch = collate(items)
        condition = network.condition(batch.images, batch.sentences, batch.image_index)
        seeds = [noise_seed(0, key, draw) for key in batch.keys for draw in range(draws)]
        parts.append(Part(batch, repeat_condition(condition, draws), draw_noise(network.config, seeds)))
    return parts


def drawn(sampler: Sampler, parts: Sequence[Part]) -> Tensor:
    """(tasks, draws, points, horizon, 3) normalised increments."""
    found = [
        sampler(part.condition, part.noise).float().unflatten(0, (len(part.batch), -1)) for part in parts
    ]
    return torch.cat(found)


def measures(
    increments: Tensor, flow: Tensor, to_end: Tensor, scale: Tensor, parts: Sequence[Part]
) -> dict[str, float]:
    """Means of ``MEASURES`` over tasks and draws.

    Args:
        increments: (tasks, draws, points, horizon, 3) normalised increments of the row.
        flow: The same of the teacher's flow, followed to ``UNTIL``.
        to_end: The same of its flow to t = 1, of fewer draws.
        scale: (3,) what increments were divided by.
        parts: The tasks.
    """
    values: dict[str, list[Tensor]] = {name: [] for name in MEASURES}
    first = 0
    for part in parts:
        batch, last = part.batch, first + len(part.batch)

        def lifted(normalised: Tensor, batch: TraceBatch = batch) -> Tensor:
            return torch.stack(
                [
                    metrics.lifted_displacement(draw * scale, batch.start_uvz, ASSUMED_CAMERA.intrinsics)
                    for draw in normalised.unbind(1)
                ],
                dim=1,
            )

        drawn_m = lifted(increments[first:last])
        true_m = metrics.lifted_displacement(batch.increments, batch.start_uvz, ASSUMED_CAMERA.intrinsics)
        known = metrics.known_positions(batch.known).all(dim=-1) & true_m.isfinite().all(dim=-1)

        def far_cm(
            one_m: Tensor, other_m: Tensor, known: Tensor = known, batch: TraceBatch = batch
        ) -> Tensor:
            distances = metrics.CM_PER_M * (one_m - other_m).norm(dim=-1)
            return metrics.average_displacement_error(distances, known, batch.moving).values

        for draw_m in drawn_m.unbind(1):
            paths = demonstrations.hand_paths(batch, range(len(batch)), draw_m, true_m, known)
            for name, means in demonstrations.hand_errors(paths, draw_m.shape[2]).items():
                if name in values:
                    values[name].append(means.values)
            values["moving_ade_cm"].append(far_cm(draw_m, true_m))
        for name, other in (("distance_cm", flow), ("distance_to_end_cm", to_end)):
            # Some have more draws than others; equal numbers started from equal noise.
            pairs = zip(drawn_m.unbind(1), lifted(other[first:last]).unbind(1), strict=False)
            values[name] += [far_cm(*pair) for pair in pairs]
        deviation_cm = metrics.CM_PER_M * drawn_m[:, :, :, -1].var(dim=1).sum(dim=-1).sqrt()
        values["spread_cm"].append(torch.where(batch.moving, deviation_cm, torch.nan).nanmean(dim=1))
        followed = flow[first:last, : drawn_m.shape[1]].flatten(2)
        away = increments[first:last].flatten(2) - followed
        values["distance_share"].append((away.norm(dim=2) / followed.norm(dim=2)).mean(dim=1))
        first = last
    return {name: float(torch.cat(found).nanmean()) for name, found in values.items()}


def reference(path: Path, make: Callable[[], Tensor]) -> Tensor:
    """What ``make`` gives, from the file of an earlier call where there is one."""
    if not path.is_file():
        part = path.with_suffix(".part.npy")
        np.save(part, make().numpy())
        part.replace(path)
    return torch.from_numpy(np.load(path))


def table(rows: dict[str, dict[str, float]]) -> str:
    """Markdown: a line for each row."""
    lines = [
        f"| network, Euler steps | {' | '.join(MEASURES.values())} |",
        f"|---|{'---|' * len(MEASURES)}",
    ]
    lines += [
        f"| {name} | {' | '.join(f'{values[measure]:.2f}' for measure in MEASURES)} |"
        for name, values in rows.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", default="fr3_blocks_nano", help="default: %(default)s")
    parser.add_argument(
        "--student", default="fr3_blocks_nano_distilled", help="default: %(default)s; '' = none"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of episodes never trained on")
    parser.add_argument("--output", type=Path, required=True, help="folder for rows and table")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4], help="default: %(default)s")
    parser.add_argument("--tasks", type=int, default=64, help="samples, spread evenly (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=8, help="traces of each task (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        rows = measure(arguments)
    (arguments.output / "fidelity.md").write_text(table(rows) + "\n", encoding="utf-8")
    print(table(rows))


def measure(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Rows by name; those of an earlier call are read."""
    config, teacher = load_checkpoint(find_checkpoint(arguments.teacher))
    scale, parts = torch.tensor(config.increment_scale), parts_of(teacher, arguments, arguments.draws)
    settings = f"{config.sha256[WEIGHTS_FILE][:DIGEST_SHOWN]}_{arguments.tasks}x{arguments.draws}"
    followed = Teacher(
        teacher, DistillationConfig(teacher=arguments.teacher, teacher_steps=FOLLOWED_STEPS, until=UNTIL)
    )

    def to_the_end(condition: Any, noise: Tensor) -> Tensor:
        return sample(teacher, condition, noise, TO_THE_END_STEPS, "midpoint")

    flow = reference(
        arguments.output / f"followed_{settings}.npy",
        lambda: drawn(lambda condition, noise: followed.traces(noise, condition), parts),
    )
    to_end = reference(
        arguments.output / f"to_end_{settings}.npy",
        lambda: drawn(to_the_end, parts_of(teacher, arguments, TO_THE_END_DRAWS)),
    )

    def row(name: str, make: Callable[[], Tensor]) -> dict[str, float]:
        path = arguments.output / f"{name}_{settings}.json"
        if not path.is_file():
            path.write_text(json.dumps(measures(make(), flow, to_end, scale, parts)), encoding="utf-8")
        return dict(json.loads(path.read_text(encoding="utf-8")))

    rows = {}
    for name in filter(None, (arguments.teacher, arguments.student)):
        config, network = load_checkpoint(find_checkpoint(name))
        digest = config.sha256[WEIGHTS_FILE][:DIGEST_SHOWN]
        for steps in arguments.steps:

            def in_steps(network: TraceNetwork = network, steps: int = steps) -> Tensor:
                return drawn(lambda condition, noise: sample(network, condition, noise, steps), parts)

            rows[f"{config.name}, {steps}"] = row(f"{config.name}_{digest}_{steps}", in_steps)
    rows[f"the teacher's flow to t = {UNTIL}, {FOLLOWED_STEPS + 1} evaluations"] = row("flow", lambda: flow)
    rows[f"the same to t = 1, {2 * TO_THE_END_STEPS} evaluations"] = row("flow_to_end", lambda: to_end)
    return rows


if __name__ == "__main__":
    main()
