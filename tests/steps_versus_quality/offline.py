"""What a way of sampling makes of tasks that nobody trained on: error, spread over seeds, distance to the settled flow.

Images and sentences are encoded once for all ways of sampling, and every way starts from the same noise. Errors are
those of ``tracegen eval``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tracegen_model.data.trace_batch import TraceBatch, collate
from tracegen_model.data.trace_item import TraceItem
from tracegen_model.evaluation import demonstrations, metrics
from tracegen_model.evaluation.evaluation import ASSUMED_CAMERA, SamplerSettings
from tracegen_model.evaluation.evaluator import noise_seed, require_fit
from tracegen_model.evaluation.measured_data import DataChoice, open_measured_data
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import WEIGHTS_FILE
from tracegen_model.network.flow import shift_times
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.samplers import draw_noise, repeat_condition
from tracegen_model.runtime.checkpoints import find_checkpoint

SETTLED_TIME = 0.5
"""Where the settled flow ends [flow time]: from there it takes the network's guess of the data.

Later, what the nano network says moves the traces on by as much again, away from the truth, and does not converge
however many steps are taken: training put 4 % of its samples there (``flow.logit_normal_times``).
"""

SETTLED_STEPS = 24
"""Steps of the settled flow up to that time; twice as many move its traces by 0.2 %."""

TASKS_TOGETHER = 8
"""Tasks sampled together, each with all its draws."""

MEASURES = {
    "hand_cm_8": "hand after 10 cm of path [cm]",
    "hand_cm_16": "hand after 20 cm of path [cm]",
    "hand_cm_32": "hand after 40 cm of path [cm]",
    "moving_ade_cm": "mean error of moving points (ADE) [cm]",
    "spread_cm": "spread of end points over seeds [cm]",
    "distance_cm": "distance to the settled flow [cm]",
}
"""What is measured, for people. A step of the shipped checkpoint is 1.25 cm of path."""


@dataclass(frozen=True)
class Task:
    """One image and one instruction, as an item of a dataset."""

    item: TraceItem
    scene: str


def read_tasks(data: Path, checkpoint: str, limit: int, index_cache: Path) -> list[Task]:
    """``limit`` samples of the folder of episodes ``data``, spread evenly; ``index_cache`` serves the next call."""
    folder = find_checkpoint(checkpoint)
    config, network = load_checkpoint(folder)
    chosen = open_measured_data(DataChoice([data], split="all", limit=limit, index_cache=index_cache), config)
    tasks = []
    for index in chosen.indices:
        item = chosen.dataset[int(index)]
        require_fit(item, network.config)
        tasks.append(Task(item, chosen.dataset.scene_of(int(index))))
    return tasks


@dataclass(frozen=True)
class _Part:
    """Some tasks with what they are compared with; (B tasks, draws, ...) where both appear."""

    batch: TraceBatch
    condition: Any
    noise: Tensor
    true_m: Tensor
    known: Tensor


class OfflineMeasurement:
    """A checkpoint on tasks.

    Args:
        checkpoint: Name or folder.
        tasks: What to measure on.
        draws: Traces drawn for each task.
        seed: Of the noise.
    """

    def __init__(self, checkpoint: str, tasks: Sequence[Task], draws: int, seed: int) -> None:
        folder = find_checkpoint(checkpoint)
        config, self._network = load_checkpoint(folder)
        self.weights_sha256 = config.sha256[WEIGHTS_FILE]
        self._scale = torch.as_tensor(config.increment_scale, dtype=torch.float32)
        self._draws = draws
        with torch.no_grad():
            self._parts = [
                self._part([task.item for task in tasks[first : first + TASKS_TOGETHER]], seed)
                for first in range(0, len(tasks), TASKS_TOGETHER)
            ]

    def traces(self, plan: SamplingPlan) -> NDArray[np.float32]:
        """(tasks, draws, points, steps, 3) displacements [m]."""
        return np.concatenate([self._displacements(part, plan).float().numpy() for part in self._parts])

    def settled_plan(self) -> SamplingPlan:
        """How the settled flow is followed: finely to ``SETTLED_TIME``, then to the network's guess of the data."""
        shift = self._network.config.time_shift
        last = shift * SETTLED_TIME / (1.0 + (shift - 1.0) * SETTLED_TIME)
        even = np.linspace(0.0, last, SETTLED_STEPS + 1)
        times = shift_times(torch.from_numpy(even), shift)
        # Heun's last step is Euler's, whose end is that guess.
        return SamplingPlan("heun", (*times.tolist(), 1.0))

    def measure(
        self, sampler: SamplerSettings, settled_m: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """(tasks,) values of ``MEASURES``, means over the draws; NaN where a task has nothing to measure.

        Args:
            sampler: The way of sampling.
            settled_m: Traces along the settled flow, of this or another checkpoint.
        """
        plan = SamplingPlan.of(sampler.method, sampler.steps, self._network.config.time_shift)
        found: list[dict[str, Tensor]] = []
        first = 0
        for part in self._parts:
            count = len(part.batch)
            settled = torch.from_numpy(settled_m[first : first + count]).double()
            found.append(self._measure(part, self._displacements(part, plan), settled))
            first += count
        return {name: torch.cat([values[name] for values in found]).numpy() for name in MEASURES}

    def _part(self, items: Sequence[TraceItem], seed: int) -> _Part:
        batch = collate(items)
        condition, _ = demonstrations.condition_and_points(self._network, batch)
        seeds = [noise_seed(seed, key, draw) for key in batch.keys for draw in range(self._draws)]
        true_m = metrics.lifted_displacement(batch.increments, batch.start_uvz, ASSUMED_CAMERA.intrinsics)
        known = metrics.known_positions(batch.known).all(dim=-1) & true_m.isfinite().all(dim=-1)
        return _Part(
            batch,
            repeat_condition(condition, self._draws),
            draw_noise(self._network.config, seeds),
            true_m,
            known,
        )

    @torch.no_grad()
    def _displacements(self, part: _Part, plan: SamplingPlan) -> Tensor:
        def velocity(state: Tensor, time: float) -> Tensor:
            return self._network.velocity(state, state.new_full((len(state),), time), part.condition)

        drawn = plan.integrate(velocity, part.noise)
        increments = (drawn.float() * self._scale).unflatten(0, (len(part.batch), self._draws))
        lifted = [
            metrics.lifted_displacement(draw, part.batch.start_uvz, ASSUMED_CAMERA.intrinsics)
            for draw in increments.unbind(1)
        ]
        return torch.stack(lifted, dim=1)

    def _measure(self, part: _Part, drawn_m: Tensor, settled_m: Tensor) -> dict[str, Tensor]:
        batch, every_draw = part.batch, []
        for draw_m, settled_draw_m in zip(drawn_m.unbind(1), settled_m.unbind(1), strict=True):
            paths = demonstrations.hand_paths(batch, range(len(batch)), draw_m, part.true_m, part.known)
            values = {
                name: means.values
                for name, means in demonstrations.hand_errors(paths, draw_m.shape[2]).items()
            }
            values["moving_ade_cm"] = _mean_distance_cm(draw_m, part.true_m, part.known, batch.moving)
            there = settled_draw_m.isfinite().all(dim=-1)
            values["distance_cm"] = _mean_distance_cm(draw_m, settled_draw_m, there, batch.moving)
            every_draw.append(values)
        means = {name: torch.stack([values[name] for values in every_draw]).mean(0) for name in every_draw[0]}
        deviation_m = drawn_m[:, :, :, -1].var(dim=1).sum(dim=-1).sqrt()
        counting = torch.where(batch.moving, metrics.CM_PER_M * deviation_m, torch.nan)
        means["spread_cm"] = counting.nanmean(dim=1)
        return means


def _mean_distance_cm(a_m: Tensor, b_m: Tensor, known: Tensor, points: Tensor) -> Tensor:
    distances = metrics.CM_PER_M * (a_m - b_m).norm(dim=-1)
    return metrics.average_displacement_error(distances, known, points).values
