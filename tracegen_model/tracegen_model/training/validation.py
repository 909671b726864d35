"""How good the averaged weights are on episodes that are not trained on: loss, sampled traces, and pictures of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import torch

from tracegen_model.data.trace_batch import collate
from tracegen_model.evaluation.baselines import mean_motion
from tracegen_model.evaluation.drawings import draw_truth_and_prediction
from tracegen_model.evaluation.evaluation import Evaluation, SamplerSettings
from tracegen_model.evaluation.evaluator import evaluate, predict
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.overlay import Image, grid_of_images
from tracegen_model.training.objectives.objective import Objective
from tracegen_model.training.run_config import ValidationConfig
from tracegen_model.training.training_batch import Draws, TrainingBatch
from tracegen_model.training.training_data import TrainingData

VALIDATION_STREAM = 5
"""Tells the random numbers of validation from the others that are drawn with the same seed."""

MAIN_MEASURE = "moving_ade_px"
"""What the network is compared with baselines by: the mean error of moving points along their traces [px]."""


@dataclass(frozen=True)
class Found:
    """What a validation found.

    Attributes:
        measures: Numbers by name.
        overlays: Drawings by name, RGB.
    """

    measures: dict[str, float] = field(default_factory=dict)
    overlays: dict[str, Image] = field(default_factory=dict)


class Validation:
    """Measures a network on validation samples; the same numbers are drawn each time.

    Args:
        config: Settings.
        data: Where the samples are.
        checkpoint: How the network is used.
        seed: Seed of what is drawn.
    """

    def __init__(
        self, config: ValidationConfig, data: TrainingData, checkpoint: CheckpointConfig, seed: int
    ) -> None:
        self._config, self._data, self._checkpoint, self._seed = config, data, checkpoint, seed
        held_out = data.validation
        spread = np.linspace(0, len(held_out) - 1, min(config.samples, len(held_out))).astype(int)
        self._samples = held_out[spread]
        self._mean_motion = mean_motion(data.dataset, data.training.tolist()) if len(held_out) else None

    def measure(self, objective: Objective, progress: float) -> Found:
        """Measure the network of ``objective``, which is in evaluation mode.

        Args:
            objective: What is minimised.
            progress: Share of the run that is done; some objectives change over a run.

        Raises:
            EvaluationError: The traces that the network draws are not finite.
        """
        scale = self._checkpoint.increment_scale
        sampler = SamplerSettings(steps=self._config.sampler_steps)
        found = evaluate(
            objective.network,
            self._data.dataset,
            self._samples,
            scale,
            (sampler,),
            seed=self._seed,
            mean_motion=self._mean_motion,
            batch=self._config.batch,
        )
        measures = {**self._losses(objective, progress), **_measures(found)}
        shown = [self._data.dataset[int(number)] for number in self._samples[: self._config.overlays]]
        if not shown:
            return Found(measures)
        predicted = predict(objective.network, shown, scale, sampler, seed=self._seed)
        drawings = [draw_truth_and_prediction(*pair) for pair in zip(shown, predicted, strict=True)]
        return Found(
            measures, {"overlays": grid_of_images(drawings, [item.sentence for item in shown], columns=2)}
        )

    @torch.no_grad()
    def _losses(self, objective: Objective, progress: float) -> dict[str, float]:
        """Losses of the samples, batch by batch; each batch counts by its size."""
        sums: dict[str, float] = defaultdict(float)
        for start in range(0, len(self._samples), self._config.batch):
            numbers = self._samples[start : start + self._config.batch]
            batch = collate([self._data.dataset[int(number)] for number in numbers])
            seeds = [(self._seed, VALIDATION_STREAM, int(number)) for number in numbers]
            draws = Draws.of_seeds(seeds, *batch.increments.shape[1:3])
            drawn = TrainingBatch(batch, draws).to(objective.increment_scale.device)
            losses = objective(drawn, progress, objective.totals(drawn))
            for name, value in {"loss": losses.loss, **losses.terms}.items():
                sums[name] += float(value) * len(numbers) / len(self._samples)
        return dict(sums)


def _measures(found: Evaluation) -> dict[str, float]:
    """The network's errors, and how many times smaller than the baselines' they are for moving points."""
    gains = {
        f"gain_over_{baseline.replace(' ', '_')}": found.gain(MAIN_MEASURE, baseline)
        for baseline in found.baselines
    }
    own = {name: found.tables[found.network].mean(name) for name in found.measures()}
    return {**gains, **own}
