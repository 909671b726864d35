"""Measures a network on a dataset: any network, any dataset, any ways of sampling, beside baselines."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from tqdm import tqdm

from tracegen_model.data.episode import PointKind
from tracegen_model.data.trace_batch import TraceBatch, collate
from tracegen_model.data.trace_item import SampleKey, TraceDataset, TraceItem
from tracegen_model.evaluation import demonstrations, metrics
from tracegen_model.evaluation.baselines import MEAN_MOTION, ZERO_MOTION
from tracegen_model.evaluation.evaluation import (
    ASSUMED_CAMERA,
    ErrorTable,
    Evaluation,
    EvaluationCamera,
    SamplerSettings,
    Task,
)
from tracegen_model.evaluation.metrics import CM_PER_M, SampleMeans
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.samplers import draw_noise, repeat_condition, sample
from tracegen_model.network.trace_network import TraceNetwork

DEFAULT_SAMPLER = SamplerSettings()

DEFAULT_BATCH = 16
"""Traces sampled together."""

WORDINGS = ("first", "all")
"""Which wordings of an instruction are measured."""


class EvaluationError(ValueError):
    """A network cannot be measured on a dataset."""


def evaluate(
    network: TraceNetwork,
    dataset: TraceDataset,
    indices: ArrayLike,
    increment_scale: Sequence[float],
    samplers: Sequence[SamplerSettings] = (DEFAULT_SAMPLER,),
    *,
    draws: int = 1,
    seed: int = 0,
    camera: EvaluationCamera = ASSUMED_CAMERA,
    mean_motion: NDArray[np.float32] | None = None,
    wordings: str = "first",
    batch: int = DEFAULT_BATCH,
    notes: Sequence[str] = (),
    progress: bool = False,
) -> Evaluation:
    """Errors of ``network`` on samples of ``dataset``.

    A task's noise comes from the seed, the sample's name and the number of the draw alone, so neither the batch nor the
    other samples change its traces beyond rounding. Images and sentences are encoded once for all samplers and draws.

    Args:
        network: In evaluation mode afterwards; stays on its device.
        dataset: Where the samples are.
        indices: Samples to measure.
        increment_scale: Per-channel scale of the network's increments, from its checkpoint.
        samplers: Ways of sampling; the first one is the network's own.
        draws: Traces drawn for each task. Errors are means over the draws; with several there are also ``best_*``, the
            smallest of a task's errors, ``averaged_*``, those of the mean trace, and ``spread_*``, the deviation
            of the draws' last positions from their mean.
        seed: Of the noise.
        camera: Turns traces into metres.
        mean_motion: (N, S, 3) the baseline's increments, see :func:`~tracegen_model.evaluation.baselines.mean_motion`;
            None = leave that baseline out.
        wordings: ``first`` = the instruction that each sample comes with; ``all`` = one task for each of its wordings.
        batch: Traces sampled together.
        notes: What readers of the figures should know.
        progress: Show a progress bar.

    Raises:
        EvaluationError: Nothing to measure, data that do not fit the network, or traces that are not finite.
    """
    chosen = np.asarray(indices, dtype=np.int64).ravel()
    if not len(chosen):
        raise EvaluationError(
            "there is no sample to measure: the split is empty; choose another one, or a larger share"
        )
    if draws < 1 or batch < 1:
        raise EvaluationError(f"draws and batch must be at least 1, got {draws} and {batch}")
    if wordings not in WORDINGS:
        raise EvaluationError(f"wordings must be one of {', '.join(WORDINGS)}, got {wordings!r}")
    network.eval()
    scale = torch.as_tensor(list(increment_scale), dtype=torch.float32)
    run = _Run(network, scale, samplers, draws, seed, camera, mean_motion, notes)
    tasks = _tasks(dataset, chosen, wordings, network.config)
    bar = tqdm(total=len(chosen), unit="sample", desc="evaluating", disable=not progress)
    with torch.no_grad(), bar:
        for made in _batches(tasks, max(1, batch // draws)):
            run.add(made)
            bar.update(len({task.position for task in made}))
    return run.evaluation()


def predict(
    network: TraceNetwork,
    items: Sequence[TraceItem],
    increment_scale: Sequence[float],
    sampler: SamplerSettings = DEFAULT_SAMPLER,
    draw: int = 0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """(B, N, S, 3) increments of ``items``, not normalised: the traces that :func:`evaluate` measures."""
    device = next(network.parameters()).device
    batch = collate(items).to(device)
    noise = draw_noise(network.config, [noise_seed(seed, item.key, draw) for item in items], device)
    with torch.no_grad():
        condition, _ = demonstrations.condition_and_points(network, batch)
        null = null_condition(network, batch, (sampler,))
        drawn = sample(network, condition, noise, sampler.steps, sampler.method, sampler.guidance, null)
    return (drawn.float().cpu() * torch.as_tensor(list(increment_scale), dtype=torch.float32)).numpy()


def noise_seed(seed: int, key: SampleKey, draw: int) -> int:
    """Seed of a task's noise: a function of the evaluation's seed, of episode and stem, and of the draw's number.

    The dataset's folder may be called anything, and be packed, without changing it.
    """
    name = f"{seed}/{draw}/{key.episode}/{key.stem}".encode(errors="surrogateescape")
    digest = hashlib.blake2b(name, digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def null_condition(network: TraceNetwork, batch: TraceBatch, samplers: Sequence[SamplerSettings]) -> Any:
    """Condition of the same images with empty sentences, where any of ``samplers`` is guided; else None."""
    if all(sampler.guidance == 1.0 for sampler in samplers):
        return None
    return network.condition(batch.images, [""] * len(batch), batch.image_index)


@dataclass(frozen=True)
class _Placed:
    """A task, its place among the samples asked for, its image's number and its item."""

    position: int
    image: int
    task: Task
    item: TraceItem


def _tasks(
    dataset: TraceDataset, indices: NDArray[np.int64], wordings: str, config: NetworkConfig
) -> Iterator[_Placed]:
    """Tasks, those of one image one after the other."""
    images = [dataset.image_of(int(index)) for index in indices]
    for position in sorted(range(len(indices)), key=lambda place: (images[place], place)):
        index = int(indices[position])
        item = dataset[index]
        require_fit(item, config)
        for wording, sentence in _wordings(item, wordings):
            task = Task(
                index=index,
                key=str(item.key),
                dataset=item.key.dataset,
                scene=dataset.scene_of(index),
                wording=wording,
                sentence=sentence,
            )
            yield _Placed(position, images[position], task, replace(item, sentence=sentence))


def _wordings(item: TraceItem, wordings: str) -> list[tuple[str, str]]:
    """Kinds and sentences to measure; the kind of a sentence that no wording holds is empty."""
    if wordings == "all" and item.wordings:
        return list(item.wordings.items())
    kind = next((kind for kind, sentence in item.wordings.items() if sentence == item.sentence), "")
    return [(kind, item.sentence)]


def require_fit(item: TraceItem, config: NetworkConfig) -> None:
    """Raise EvaluationError when a sample is not what a network of ``config`` takes."""
    expected = (config.points, config.horizon, config.image_side)
    found = (*item.increments.shape[:2], item.colour.shape[0])
    if found != expected:
        raise EvaluationError(
            f"{item.key} does not fit the checkpoint: expected (points, steps, image side) = {expected}, "
            f"found {found}; measure on data with that grid and horizon, prepared at that size"
        )
    if isinstance(config, NanoConfig) and not item.depth_known:
        raise EvaluationError(f"{item.key} has no depth, and a nano network cannot do without")


def _batches(tasks: Iterator[_Placed], size: int) -> Iterator[list[_Placed]]:
    made: list[_Placed] = []
    for task in tasks:
        made.append(task)
        if len(made) == size:
            yield made
            made = []
    if made:
        yield made


@dataclass
class _Errors:
    """Errors of one predictor in the making, batch by batch."""

    means: dict[str, list[SampleMeans]] = field(default_factory=lambda: defaultdict(list))
    step_sums: dict[str, Tensor] = field(default_factory=dict)
    step_counts: dict[str, Tensor] = field(default_factory=dict)
    paths: list[list[demonstrations.HandPath | None]] = field(default_factory=list)

    def add_steps(self, name: str, errors: Tensor) -> None:
        """Add (B, S) errors, NaN where there is none."""
        there = errors.isfinite()
        sums, counts = torch.where(there, errors, 0.0).sum(dim=0).cpu(), there.sum(dim=0).cpu()
        self.step_sums[name] = self.step_sums.get(name, torch.zeros(())) + sums
        self.step_counts[name] = self.step_counts.get(name, torch.zeros(())) + counts

    def paths_of(self, draw: int) -> list[demonstrations.HandPath | None]:
        """Hand paths of one draw so far."""
        while len(self.paths) <= draw:
            self.paths.append([])
        return self.paths[draw]

    def table(self, order: NDArray[np.int64], more: Mapping[str, SampleMeans]) -> ErrorTable:
        """The table, rows sorted by ``order``."""
        totals, weights = {}, {}
        for name, parts in self.means.items():
            totals[name] = torch.cat([part.total.cpu() for part in parts]).numpy()[order]
            weights[name] = torch.cat([part.weight.cpu() for part in parts]).numpy()[order]
        for name, means in more.items():
            totals[name], weights[name] = means.total.numpy()[order], means.weight.numpy()[order]
        by_step = {
            name: (sums / torch.where(self.step_counts[name] > 0, self.step_counts[name], torch.nan)).numpy()
            for name, sums in self.step_sums.items()
        }
        return ErrorTable(totals, weights, by_step)


@dataclass(frozen=True)
class _Truth:
    """What a batch's traces are compared with, computed once for all predictors."""

    batch: TraceBatch
    images: list[int]
    true_m: Tensor
    pixels_known: Tensor
    metres_known: Tensor
    every: Tensor


class _Run:
    """An evaluation under way."""

    def __init__(
        self,
        network: TraceNetwork,
        scale: Tensor,
        samplers: Sequence[SamplerSettings],
        draws: int,
        seed: int,
        camera: EvaluationCamera,
        mean_motion: NDArray[np.float32] | None,
        notes: Sequence[str],
    ) -> None:
        self._given_notes = notes
        self._network, self._draws, self._seed, self._camera = network, draws, seed, camera
        self._device = next(network.parameters()).device
        self._scale = scale.to(self._device)
        self._samplers = {str(sampler): sampler for sampler in samplers}
        self._baselines: dict[str, Tensor] = {ZERO_MOTION: torch.zeros((), device=self._device)}
        if mean_motion is not None:
            self._baselines[MEAN_MOTION] = torch.from_numpy(mean_motion).to(self._device)
        self._errors = {name: _Errors() for name in (*self._samplers, *self._baselines)}
        self._seconds = dict.fromkeys(self._samplers, 0.0)
        self._positions: list[int] = []
        self._tasks: list[Task] = []
        self._demonstrations = False
        self._without_metres = 0

    def add(self, made: Sequence[_Placed]) -> None:
        """Measure a batch."""
        batch = collate([placed.item for placed in made]).to(self._device)
        truth = self._truth(batch, [placed.image for placed in made])
        condition, points = demonstrations.condition_and_points(self._network, batch)
        null = null_condition(self._network, batch, tuple(self._samplers.values()))
        condition = repeat_condition(condition, self._draws)
        null = None if null is None else repeat_condition(null, self._draws)
        seeds = [noise_seed(self._seed, key, draw) for key in batch.keys for draw in range(self._draws)]
        noise = draw_noise(self._network.config, seeds, self._device)
        for name, how in self._samplers.items():
            began = time.perf_counter()
            drawn = sample(self._network, condition, noise, how.steps, how.method, how.guidance, null)
            increments = (drawn.float() * self._scale).unflatten(0, (len(made), self._draws))
            self._require_finite(increments, batch)
            self._seconds[name] += time.perf_counter() - began
            self._add_draws(self._errors[name], increments, truth)
            if points is not None:
                self._add_means(self._errors[name], demonstrations.hit_rates(points, batch.target_uvz))
        for name, motion in self._baselines.items():
            self._add_draws(self._errors[name], motion.expand_as(batch.increments)[:, None], truth)
        self._positions += [placed.position for placed in made]
        self._tasks += [placed.task for placed in made]

    def evaluation(self) -> Evaluation:
        """What was found, tasks in the order of the samples asked for."""
        order = np.argsort(self._positions, kind="stable")
        horizon = self._network.config.horizon
        tables = {}
        for name, errors in self._errors.items():
            measured = []
            for paths in errors.paths if self._demonstrations else []:
                means = demonstrations.hand_errors(paths, horizon)
                if name in self._samplers:
                    means |= demonstrations.right_choices(paths)
                measured.append(means)
            tables[name] = errors.table(order, _mean_by_name(measured) if measured else {})
        return Evaluation(
            tasks=[self._tasks[row] for row in order],
            samplers=self._samplers,
            baselines=list(self._baselines),
            tables=tables,
            draws=self._draws,
            seed=self._seed,
            camera=self._camera,
            notes=self._notes(),
            seconds=self._seconds,
        )

    def _notes(self) -> list[str]:
        notes = list(self._given_notes)
        if self._without_metres:
            notes.append(
                f"{self._without_metres} of {len(self._tasks)} tasks have no depth where their traces start: "
                "they count in pixels only."
            )
        if self._camera.assumed and self._without_metres < len(self._tasks):
            notes.append(f"Centimetres rest on an assumed camera: {self._camera.source}.")
        return notes

    def _truth(self, batch: TraceBatch, images: list[int]) -> _Truth:
        positions_known = metrics.known_positions(batch.known)
        true_m = metrics.lifted_displacement(batch.increments, batch.start_uvz, self._camera.intrinsics)
        metres_known = positions_known.all(dim=-1) & true_m.isfinite().all(dim=-1)
        self._without_metres += int((~metres_known.any(dim=(1, 2))).sum())
        self._demonstrations |= bool((batch.point_kinds == PointKind.HAND).any())
        return _Truth(
            batch=batch,
            images=images,
            true_m=true_m,
            pixels_known=positions_known[..., :2].all(dim=-1),
            metres_known=metres_known,
            every=torch.ones_like(batch.moving),
        )

    def _require_finite(self, increments: Tensor, batch: TraceBatch) -> None:
        wrong = ~increments.isfinite().flatten(1).all(dim=1)
        if wrong.any():
            key = batch.keys[int(wrong.nonzero()[0])]
            raise EvaluationError(
                f"the traces drawn for {key} are not finite: the network's weights or its input are damaged"
            )

    def _add_draws(self, errors: _Errors, draws: Tensor, truth: _Truth) -> None:
        """Add the errors of (B, draws, N, S, 3) increments."""
        found: list[dict[str, SampleMeans]] = []
        for draw, increments in enumerate(draws.unbind(1)):
            means, steps, predicted_m = self._errors_of(increments, truth)
            if truth.batch.point_kinds.any():
                means |= demonstrations.kind_errors(
                    predicted_m, truth.true_m, truth.metres_known, truth.batch.point_kinds
                )
            found.append(means)
            for name, curve in steps.items():
                errors.add_steps(name, curve)
            errors.paths_of(draw).extend(
                demonstrations.hand_paths(
                    truth.batch, truth.images, predicted_m, truth.true_m, truth.metres_known
                )
            )
        self._add_means(errors, _mean_by_name(found))
        if draws.shape[1] > 1:
            self._add_means(errors, self._errors_of_several(draws, found, truth))

    def _errors_of(
        self, increments: Tensor, truth: _Truth
    ) -> tuple[dict[str, SampleMeans], dict[str, Tensor], Tensor]:
        """Errors of (B, N, S, 3) increments, those after each step, and the displacements [m]."""
        batch = truth.batch
        means = metrics.benchmark_errors(increments, batch.increments, batch.known)
        means |= metrics.increment_errors(increments, batch.increments)
        pixels = metrics.pixel_distances(increments, batch.increments, batch.source_size)
        predicted_m = metrics.lifted_displacement(increments, batch.start_uvz, self._camera.intrinsics)
        centimetres = CM_PER_M * (predicted_m - truth.true_m).norm(dim=-1)
        steps = {}
        for unit, distances, known in (
            ("px", pixels, truth.pixels_known),
            ("cm", centimetres, truth.metres_known),
        ):
            for prefix, points in (("", truth.every), ("moving_", batch.moving)):
                ade = metrics.average_displacement_error(distances, known, points)
                means[f"{prefix}ade_{unit}"] = ade
                means[f"{prefix}fde_{unit}"] = metrics.final_displacement_error(distances, known, points)
                steps[f"{prefix}{unit}"] = metrics.step_errors(distances, known, points)
        return means, steps, predicted_m

    def _errors_of_several(
        self, draws: Tensor, found: Sequence[Mapping[str, SampleMeans]], truth: _Truth
    ) -> dict[str, SampleMeans]:
        """Best, average and spread of (B, draws, N, S, 3) increments; moving points only."""
        averaged, _, _ = self._errors_of(draws.mean(dim=1), truth)
        result = {}
        for name in ("moving_ade_px", "moving_fde_px", "moving_ade_cm", "moving_fde_cm"):
            values = torch.stack([means[name].values for means in found])
            result[f"best_{name}"] = SampleMeans.of_values(values.amin(dim=0))
            result[f"averaged_{name}"] = averaged[name]
        batch = truth.batch
        last = metrics.displacement(draws.flatten(0, 1))[:, :, -1, :2].unflatten(0, draws.shape[:2])
        last_px = last * batch.source_size.double()[:, None, None]
        deviation = last_px.var(dim=1).sum(dim=-1).sqrt()
        result["spread_moving_px"] = SampleMeans.of_values(
            torch.where(batch.moving, deviation, torch.nan).nanmean(dim=1)
        )
        return result

    def _add_means(self, errors: _Errors, means: Mapping[str, SampleMeans]) -> None:
        for name, part in means.items():
            errors.means[name].append(part)


def _mean_by_name(draws: Sequence[Mapping[str, SampleMeans]]) -> dict[str, SampleMeans]:
    """The measures of several draws, averaged."""
    return {
        name: SampleMeans(
            torch.stack([means[name].total for means in draws]).mean(dim=0),
            torch.stack([means[name].weight for means in draws]).mean(dim=0),
        )
        for name in draws[0]
    }
