"""One training run, from a network and data to a checkpoint, on one process or several."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
import typing
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from tracegen_model.network.checkpoint import save_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.training.batch_plan import BatchPlan, micro_batches
from tracegen_model.training.interruption import Interruption, listen_for_interruption
from tracegen_model.training.objectives.objective import Losses, Objective
from tracegen_model.training.optimiser import make_optimiser, set_learning_rate
from tracegen_model.training.ranks import Ranks
from tracegen_model.training.run_config import RunConfig
from tracegen_model.training.run_folder import LATEST, RunFolder
from tracegen_model.training.run_log import RunLog
from tracegen_model.training.schedules import average_decay
from tracegen_model.training.sharding import gathered, gradient_norm, shard, share_gradients, whole
from tracegen_model.training.training_batch import TrainingBatch, TrainingBatches, load_batches
from tracegen_model.training.training_data import TrainingData
from tracegen_model.training.training_state import TrainingProgress, TrainingState
from tracegen_model.training.validation import MAIN_MEASURE, Validation
from tracegen_model.training.weight_average import WeightAverage

logger = logging.getLogger(__name__)

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Types of ``hardware.precision``."""


class NonFiniteError(ValueError):
    """A loss or a gradient is infinite or not a number."""


class Trainer:
    """One run.

    Args:
        config: Its settings.
        data: What it learns from.
        objective: What it minimises, and the network that it trains.
        checkpoint: What the checkpoint will be.
        folder: The run's folder.
        ranks: The processes of the run.
        resume: Go on from the folder's latest save.

    Raises:
        CheckpointError: There is nothing to resume, or it does not fit.
        TrainingDataError: The data do not fit the network.
    """

    def __init__(
        self,
        config: RunConfig,
        data: TrainingData,
        objective: Objective,
        checkpoint: CheckpointConfig,
        folder: Path,
        ranks: Ranks,
        resume: bool = False,
    ) -> None:
        data.require_fit(checkpoint.network)
        self._config, self._data, self._objective, self._checkpoint = config, data, objective, checkpoint
        self._ranks, self._folder = ranks, RunFolder(folder)
        optimisation = config.optimisation
        objective.to(ranks.device)
        self._sharded = ranks.count > 1 and config.hardware.parallel == "fsdp"
        if self._sharded:
            shard(objective, ranks)
        weights = objective.trained_tensors()
        self._weights = list(weights.values())
        self._average = WeightAverage(weights)
        self._optimiser = make_optimiser(optimisation, weights)
        self._scaler = torch.amp.GradScaler(ranks.device.type, enabled=config.hardware.precision == "float16")
        self._state = TrainingState(weights, self._average.tensors, self._optimiser, self._scaler)
        self._data_digest = data.digest()
        self._progress = TrainingProgress()
        if resume:
            self._progress = self._state.load(self._folder.resume(), self._data_digest)
        self._plan = BatchPlan(
            data.training,
            optimisation.batch,
            config.seed,
            data.images() if optimisation.group_images else None,
        )
        self._parts = micro_batches(optimisation.batch, ranks.rank, ranks.count, optimisation.micro_batch)
        self._validation = Validation(config.validation, data, checkpoint, config.seed)
        self._module: nn.Module = objective
        if ranks.count > 1 and not self._sharded:
            self._module = DistributedDataParallel(
                objective, device_ids=[ranks.device] if ranks.device.type == "cuda" else None
            )
        self._last_validation: tuple[int, float] = (self._progress.step, self._progress.elapsed_s)
        self._last_save = self._last_validation

    @property
    def network(self) -> TraceNetwork:
        """What is trained."""
        return self._objective.network

    @property
    def progress(self) -> TrainingProgress:
        """How far the run is."""
        return self._progress

    def run(self) -> CheckpointConfig:
        """Train until the budget is spent or somebody interrupts; returns the config of the checkpoint that is saved.

        Raises:
            NonFiniteError: A loss or a gradient is not finite, and the config says to stop then.
        """
        settings = self._config
        batches = load_batches(
            TrainingBatches(self._data.dataset, self._plan, settings.augmentation, settings.seed),
            self._remaining_parts(),
            settings.data.workers,
            settings.data.prefetch,
        )
        log = None
        if self._ranks.is_main:
            log = RunLog(self._folder.path, self._config, self._progress.step)
        try:
            with listen_for_interruption() as interruption:
                self._run(batches, log, interruption)
        finally:
            if log is not None:
                log.close()
        return self._checkpoint

    def _run(self, batches: Iterator[TrainingBatch], log: RunLog | None, interruption: Interruption) -> None:
        if self._config.validation.at_start and self._progress.step == 0:
            self._validate(log)
        self._objective.train()
        began = time.monotonic() - self._progress.elapsed_s
        recent: list[dict[str, float]] = []
        bar = self._progress_bar()
        interrupted = False
        while not interrupted and (share := self._share_done()) < 1.0:
            started = time.monotonic()
            parts = [next(batches) for _ in self._parts]
            loaded = time.monotonic()
            losses = self._step(parts, share)
            now = time.monotonic()
            recent.append({**losses, "load_s": loaded - started, "step_s": now - started})
            interrupted = self._count_step(now - began, interruption)
            finished = interrupted or self._share_done() >= 1.0
            if finished or self._progress.step % self._config.logging.every_steps == 0:
                self._log_losses(log, bar, recent)
            self._save_and_validate_when_due(log)
        bar.close()
        self._save()
        if interrupted:
            logger.info(
                "interrupted (%s) and saved after step %d; go on with: tracegen train --resume %s",
                interruption.reason or "another process",
                self._progress.step,
                self._folder.path,
            )
            return
        if self._last_validation[0] != self._progress.step:
            self._validate(log)
        if self._ranks.is_main:
            logger.info("finished after step %d: %s", self._progress.step, self._folder.path / LATEST)

    def _count_step(self, elapsed_s: float, interruption: Interruption) -> bool:
        """Count a step as done; returns whether any process was asked to stop.

        One sum tells every process the same: how long the main one has trained, and whether anybody is to stop.
        """
        mine = [elapsed_s if self._ranks.is_main else 0.0, float(interruption.reason is not None)]
        elapsed_s, asked = self._ranks.sum(torch.tensor(mine, dtype=torch.float64)).tolist()
        self._progress = TrainingProgress(
            self._progress.step + 1, elapsed_s, self._progress.samples + self._plan.batch
        )
        return bool(asked)

    def _save_and_validate_when_due(self, log: RunLog | None) -> None:
        validation, checkpoints = self._config.validation, self._config.checkpoints
        if self._due(validation.every_steps, validation.every_minutes, self._last_validation):
            # What is worth measuring is worth keeping, and measuring can fail.
            self._save()
            self._validate(log)
        elif self._due(checkpoints.every_steps, checkpoints.every_minutes, self._last_save):
            self._save()

    def _remaining_parts(self) -> Iterator[tuple[int, int, int]]:
        """This process's micro-batches of the steps that are left: (step, first position, last position)."""
        step = self._progress.step
        while True:
            yield from ((step, first, last) for first, last in self._parts)
            step += 1

    def _share_done(self) -> float:
        """Share of the budget that is spent."""
        budget = self._config.optimisation
        if budget.minutes is not None:
            return self._progress.elapsed_s / (60.0 * budget.minutes)
        if budget.epochs is not None:
            return self._progress.step / math.ceil(budget.epochs * self._plan.steps_per_epoch)
        assert budget.steps is not None
        return self._progress.step / budget.steps

    def _due(self, every_steps: int | None, every_minutes: float | None, last: tuple[int, float]) -> bool:
        """Whether what was done ``last`` (step, elapsed time [s]) is to be done again."""
        step, elapsed_s = last
        return (every_steps is not None and self._progress.step - step >= every_steps) or (
            every_minutes is not None and self._progress.elapsed_s - elapsed_s >= 60.0 * every_minutes
        )

    def _step(self, parts: list[TrainingBatch], share: float) -> dict[str, float]:
        """One optimiser step on this process's micro-batches; returns the losses of the whole batch."""
        settings = self._config.optimisation
        rate = set_learning_rate(self._optimiser, settings, self._progress.step, share)
        totals = self._ranks.sum(torch.stack([self._objective.totals(part) for part in parts]).sum(0))
        self._optimiser.zero_grad(set_to_none=True)
        found = []
        for i, part in enumerate(parts):
            with self._gradients_shared(i + 1 == len(parts)):
                losses: Losses = self._module(part.to(self._ranks.device), share, totals)
                # Processes average their gradients; these losses are to be added up.
                self._scaler.scale(losses.loss * self._ranks.count).backward()
            found.append(losses)
        terms = {name: self._summed(found, name) for name in found[0].terms}
        values = self._ranks.sum(torch.stack([self._summed(found), *terms.values()]).double())
        finite = bool(torch.isfinite(values[0]))
        if finite:
            self._scaler.unscale_(self._optimiser)
            norm = gradient_norm(nn.utils.clip_grad_norm_(self._weights, settings.clip))
            # Half precision overflows now and then; the scaler skips such a step and scales less.
            finite = math.isfinite(norm) or self._scaler.is_enabled()
        if not finite:
            self._report_non_finite(parts, found, float(values[0]))
            return {}
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._average.update(average_decay(settings, self._progress.step))
        return {
            **dict(zip(("loss", *terms), values.tolist(), strict=True)),
            "gradient_norm": norm,
            "learning_rate": rate,
        }

    def _gradients_shared(self, share: bool) -> AbstractContextManager[None]:
        """Share the gradients of a backward pass inside with the other processes, or let them add up here first."""
        if self._sharded:
            share_gradients(self._module, share)
        elif isinstance(self._module, DistributedDataParallel) and not share:
            return typing.cast(AbstractContextManager[None], self._module.no_sync())
        return nullcontext()

    @staticmethod
    def _summed(found: list[Losses], term: str | None = None) -> Tensor:
        return torch.stack(
            [losses.loss.detach() if term is None else losses.terms[term] for losses in found]
        ).sum()

    def _report_non_finite(self, parts: list[TrainingBatch], found: list[Losses], loss: float) -> None:
        """Say which samples gave a loss that is not finite; raises NonFiniteError unless such steps are skipped."""
        keys = [
            str(key)
            for part, losses in zip(parts, found, strict=True)
            for key, finite in zip(part.samples.keys, torch.isfinite(losses.per_sample).tolist(), strict=True)
            if not finite
        ]
        named = sorted({key for of_rank in self._ranks.gather(keys) for key in of_rank})
        what = f"the loss is {loss}" if not math.isfinite(loss) else "the gradient is not finite"
        message = (
            f"step {self._progress.step + 1}: {what}; "
            + (f"samples: {', '.join(named)}" if named else "no sample stands out")
            + "; look at them with `tracegen data inspect`, lower optimisation.learning_rate, or set "
            "optimisation.non_finite=skip"
        )
        self._optimiser.zero_grad(set_to_none=True)
        if self._config.optimisation.non_finite == "stop":
            raise NonFiniteError(message)
        logger.warning("skipped: %s", message)

    def _validate(self, log: RunLog | None) -> None:
        """Measure the averaged weights; the main process does, the others help where weights are spread, or wait."""
        if (log is not None or self._sharded) and len(self._data.validation):
            self._objective.eval()
            with self._average.in_place(), gathered(self._objective) if self._sharded else nullcontext():
                found = self._validation.measure(self._objective, self._share_done())
            self._objective.train()
        if log is not None and len(self._data.validation):
            log.values("validation", self._progress, found.measures)
            for name, image in found.overlays.items():
                log.image(name, self._progress, image)
            logger.info("step %d: %s", self._progress.step, summary(found.measures))
        self._ranks.wait()
        self._last_validation = (self._progress.step, self._progress.elapsed_s)

    def _save(self) -> None:
        """Save weights, averages and everything else that the run needs to go on."""
        training = {**self._checkpoint.training, **vars(self._progress)}
        self._checkpoint = dataclasses.replace(self._checkpoint, training=training, sha256={})
        averages = {name: whole(tensor) for name, tensor in self._average.tensors.items()}
        tensors = self._state.tensors()

        def write(folder: Path) -> None:
            self._checkpoint = save_checkpoint(folder, self._checkpoint, averages)
            self._state.save(folder, tensors, self._progress, self._data_digest)

        if self._ranks.is_main:
            self._folder.save(self._progress.step, write, self._config.checkpoints.keep)
        self._ranks.wait()
        self._last_save = (self._progress.step, self._progress.elapsed_s)

    def _progress_bar(self) -> tqdm:
        hidden = not (self._ranks.is_main and self._config.logging.progress_bar)
        return tqdm(
            total=100.0,
            initial=100.0 * self._share_done(),
            unit="%",
            desc=self._config.name,
            bar_format="{l_bar}{bar}| {elapsed} {postfix}",
            disable=hidden,
        )

    def _log_losses(self, log: RunLog | None, bar: tqdm, recent: list[dict[str, float]]) -> None:
        """Log what the ``recent`` steps found and how fast they were, and forget them."""
        taken_s, load_s = (math.fsum(losses.pop(name) for losses in recent) for name in ("step_s", "load_s"))
        speed = {
            "samples_per_s": len(recent) * self._plan.batch / taken_s,
            "waiting_for_data": load_s / taken_s,
        }
        steps = [losses for losses in recent if losses]
        recent.clear()
        if log is None or not steps:
            return
        mean = {name: math.fsum(losses[name] for losses in steps) / len(steps) for name in steps[0]}
        log.values("losses", self._progress, {**mean, **speed})
        bar.n = 100.0 * min(1.0, self._share_done())
        bar.set_postfix(
            {
                "step": self._progress.step,
                "loss": f"{mean['loss']:.4f}",
                "samples/s": f"{speed['samples_per_s']:.1f}",
            }
        )


def summary(measures: dict[str, float]) -> str:
    """What matters most of a validation in one line."""
    shown = ["loss", MAIN_MEASURE, *(name for name in measures if name.startswith("gain_over_"))]
    return "  ".join(f"{name} {measures[name]:.3g}" for name in shown if name in measures)
