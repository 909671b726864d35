"""Trains a TraceGen network on a packed dataset."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._inductor.config
from torch import Tensor
from tqdm import tqdm

from tracegen_model.data.packed_dataset import PackedDataset, PackedDatasetError
from tracegen_model.data.statistics import increment_std
from tracegen_model.network import flow
from tracegen_model.network.checkpoint import save_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.config_error import NetworkConfigError
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.presets import PRESETS
from tracegen_model.training.batches import Batch, BatchMaker
from tracegen_model.training.config import TrainingConfig
from tracegen_model.training.evaluation import evaluate
from tracegen_model.training.objective import point_losses, point_weights
from tracegen_model.training.schedules import ema_decay, learning_rate, pure_noise_share
from tracegen_model.training.training_state import TrainingProgress, load_training_state, save_training_state

logger = logging.getLogger(__name__)

LOG_FILE = "log.jsonl"
"""One JSON object a line: losses on the way, and evaluations."""

LOG_EVERY = 50
"""Steps between lines of the log."""

STEP_LENGTH_M = 0.0125
"""Hand motion of a step in the demonstrations [m of arc length]; see ``fr3_sim.demonstrations``."""

SAMPLER_STEPS = 4
"""Euler steps that checkpoints recommend: more measured no better."""

BETAS = (0.9, 0.97)
"""Memory of AdamW: short, because runs are."""


class Trainer:
    """One run: from a packed dataset and a preset to a checkpoint.

    Args:
        dataset: What to learn from; its last scenes are held out.
        preset: Key of ``network.config.PRESETS``.
        config: Settings.
        output: Folder for checkpoint, training state and log.
        name: Name that the checkpoint carries.
        data: Description of the data for the checkpoint's config.
        resume: Go on with the run in ``output``.
    """

    def __init__(
        self,
        dataset: PackedDataset,
        preset: str,
        config: TrainingConfig,
        output: Path,
        name: str,
        data: str = "",
        resume: bool = False,
    ) -> None:
        if preset not in PRESETS:
            raise NetworkConfigError(f"no preset {preset!r}; there is {', '.join(sorted(PRESETS))}")
        if config.held_out_scenes >= len(dataset.scenes):
            raise PackedDatasetError(
                f"{config.held_out_scenes} scenes are to be held out of {len(dataset.scenes)}: nothing is left"
            )
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self._dataset, self._config, self._output = dataset, config, output
        self._device = choose_device(config.device)
        self._network = NanoTraceGen(PRESETS[preset]).to(self._device)
        self._network.encoder.to(memory_format=torch.channels_last)
        self._average = {key: value.clone() for key, value in self._network.state_dict().items()}
        self._averaged = [(key, value) for key, value in self._network.state_dict().items()]
        self._optimiser = self._make_optimiser()
        scenes = len(dataset.scenes)
        self._training_images = dataset.images_of_scenes(0, scenes - config.held_out_scenes)
        self._held_out_images = dataset.images_of_scenes(scenes - config.held_out_scenes, scenes)
        std = increment_std(dataset)
        self._std = torch.tensor(std, device=self._device)
        self._checkpoint = CheckpointConfig(
            name=name,
            preset=preset,
            network=PRESETS[preset],
            increment_scale=std,
            step_length_m=STEP_LENGTH_M,
            sampler_steps=SAMPLER_STEPS,
            training={"data": data, "settings": dataclasses.asdict(config)},
        )
        output.mkdir(parents=True, exist_ok=True)
        self._progress = TrainingProgress()
        if resume:
            self._progress = load_training_state(output, self._network, self._average, self._optimiser)
        else:
            (output / LOG_FILE).unlink(missing_ok=True)
        self._transformer = self._network.transformer
        self._conditioner = self._network.conditioner
        if config.compile:
            # Hashing precompiled headers calls openssl, which the libraries of a ROS environment can break.
            torch._inductor.config.cpp_cache_precompile_headers = False
            self._transformer = torch.compile(self._transformer)  # type: ignore[assignment]
            self._conditioner = torch.compile(self._conditioner)  # type: ignore[assignment]

    def run(self) -> CheckpointConfig:
        """Train until the budget is spent; returns the config of the checkpoint in the output folder."""
        config = self._config
        rng = np.random.default_rng([config.seed, self._progress.step])
        batches = BatchMaker(self._dataset, self._network.config).training(
            self._training_images, config.batch, rng
        )
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        began = time.monotonic() - self._progress.elapsed_s
        evaluated = time.monotonic()
        recent: list[dict[str, float]] = []
        bar = tqdm(total=100.0, unit="%", desc="training", bar_format="{l_bar}{bar}| {elapsed} {postfix}")
        self._network.train()
        while (share := self._share_done(time.monotonic() - began)) < 1.0:
            losses = self._step(next(batches).to(self._device), share, noise)
            recent.append({name: float(value) for name, value in losses.items()})
            self._progress = TrainingProgress(
                self._progress.step + 1, time.monotonic() - began, self._progress.samples + config.batch
            )
            if self._progress.step % LOG_EVERY == 0:
                mean = {key: float(np.mean([entry[key] for entry in recent])) for key in recent[0]}
                recent.clear()
                rate = self._progress.samples / self._progress.elapsed_s
                self._log({"kind": "losses", **mean, "samples_per_s": rate})
                bar.n = 100.0 * share
                bar.set_postfix(
                    {key: f"{value:.3f}" for key, value in mean.items()} | {"samples/s": f"{rate:.0f}"}
                )
            if time.monotonic() - evaluated > config.evaluate_every_s:
                self._save()
                measures = self.evaluate(config.evaluation_images)
                self._log({"kind": "evaluation", **measures})
                logger.info("%s", summary(measures))
                self._network.train()
                evaluated = time.monotonic()
        bar.close()
        self._save()
        return self._checkpoint

    def evaluate(self, images: int | None = None, steps: int = SAMPLER_STEPS) -> dict[str, float]:
        """Measures of the averaged weights on held-out images (all, or this many spread evenly)."""
        network = NanoTraceGen(self._network.config).to(self._device)
        network.load_state_dict(self._average)
        held_out = self._held_out_images
        if images is not None and images < len(held_out):
            held_out = held_out[np.linspace(0, len(held_out) - 1, images).astype(int)]
        return evaluate(network, self._dataset, held_out, self._checkpoint.increment_scale, steps)

    def _share_done(self, elapsed_s: float) -> float:
        if self._config.minutes is not None:
            return elapsed_s / (60.0 * self._config.minutes)
        assert self._config.steps is not None
        return self._progress.step / self._config.steps

    def _step(self, batch: Batch, share: float, generator: torch.Generator) -> dict[str, Tensor]:
        """One optimiser step; returns its losses."""
        config, network = self._config, self._network
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(config, self._progress.step, share)
        clean = batch.increments / self._std
        times = flow.draw_times(
            len(clean), network.config.time_shift, pure_noise_share(config, share), generator
        ).to(self._device)
        noise = torch.randn(clean.shape, generator=generator).to(self._device)
        features = network.encoder(batch.colour.contiguous(memory_format=torch.channels_last), batch.depth)
        condition, points = self._conditioner(features.of_samples(batch.image_index), batch.words)
        predicted = self._transformer(flow.mix(clean, noise, times), times, condition)
        weights = point_weights(config, batch.point_kinds)
        traces = flow.trace_loss(predicted, clean, batch.known, weights, times, config.position_weight)
        found = point_losses(points, batch.target_uvz, network.conditioner.points.cell_places)
        loss = traces + config.heat_weight * found.heat.sum() + config.point_weight * found.place
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        self._optimiser.step()
        with torch.no_grad():
            decay = ema_decay(config, self._progress.step)
            for key, value in self._averaged:
                self._average[key].lerp_(value, 1.0 - decay)
        heat = dict(zip(("heat_object", "heat_zone", "heat_hand"), found.heat.detach(), strict=True))
        return {"traces": traces.detach(), **heat, "place": found.place.detach()}

    def _make_optimiser(self) -> torch.optim.Optimizer:
        matrices = [parameter for parameter in self._network.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self._network.parameters() if parameter.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": self._config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self._config.learning_rate, betas=BETAS)

    def _save(self) -> None:
        save_training_state(self._output, self._progress, self._network, self._average, self._optimiser)
        training = {**self._checkpoint.training, **vars(self._progress)}
        self._checkpoint = save_checkpoint(
            self._output, dataclasses.replace(self._checkpoint, training=training, sha256={}), self._average
        )

    def _log(self, entry: dict[str, Any]) -> None:
        with (self._output / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps({**vars(self._progress), **entry}) + "\n")


def choose_device(name: str) -> torch.device:
    """The device called ``name``; "auto" is CUDA where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def summary(measures: dict[str, float]) -> str:
    """Measures in one line."""
    return "  ".join(f"{name} {value:.3g}" for name, value in measures.items())
