"""Micro-batches as the objective takes them: samples, augmented, and everything that is drawn for them."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tracegen_model.data.augmentation import Augmentation, AugmentationConfig
from tracegen_model.data.trace_batch import TraceBatch, collate
from tracegen_model.data.trace_item import TraceDataset, TraceItem
from tracegen_model.training.batch_plan import BatchPlan, Place

IMAGE_STREAM, SENTENCE_STREAM, NOISE_STREAM = 2, 3, 4
"""Tell random numbers of different uses apart that are drawn with the same seed."""


@dataclass(frozen=True)
class Draws:
    """What is drawn for B samples; each sample's own numbers, whatever it shares a batch with.

    Attributes:
        noise: (B, N, S, 3) standard normal.
        time_normal: (B,) standard normal, for the time of the flow.
        time_uniform: (B,) 0..1, for the time of the flow.
        pure_noise: (B,) 0..1, for whether the time is 0.
        dropout: (B,) 0..1, for whether the sentence is left out.
    """

    noise: Tensor
    time_normal: Tensor
    time_uniform: Tensor
    pure_noise: Tensor
    dropout: Tensor

    @classmethod
    def of_seeds(cls, seeds: Sequence[Sequence[int]], points: int, horizon: int) -> Draws:
        """One sample's draws for each of ``seeds``."""
        noise = np.empty((len(seeds), points, horizon, 3), np.float32)
        rest = np.empty((4, len(seeds)), np.float32)
        for i, seed in enumerate(seeds):
            rng = np.random.default_rng(seed)
            rest[0, i] = rng.standard_normal()
            rest[1:, i] = rng.random(3)
            rng.standard_normal(out=noise[i], dtype=np.float32)
        return cls(torch.from_numpy(noise), *torch.from_numpy(rest))

    def to(self, device: torch.device) -> Draws:
        """The draws on another device."""
        return Draws(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class TrainingBatch:
    """A micro-batch.

    Attributes:
        samples: The samples.
        draws: What is drawn for them.
    """

    samples: TraceBatch
    draws: Draws

    def to(self, device: torch.device) -> TrainingBatch:
        """The batch on another device."""
        return TrainingBatch(self.samples.to(device), self.draws.to(device))


class TrainingBatches(Dataset[TrainingBatch]):
    """Micro-batches by (step, first position, last position): each a function of the seed and these numbers alone.

    Args:
        dataset: Samples.
        plan: Which of them each step takes.
        augmentation: How they are varied; the draws for an image are shared by the samples of an epoch that show it.
        seed: Seed of everything that is drawn here.
    """

    def __init__(
        self, dataset: TraceDataset, plan: BatchPlan, augmentation: AugmentationConfig, seed: int
    ) -> None:
        self._dataset, self._plan, self._seed = dataset, plan, seed
        self._augmentation = Augmentation(augmentation)

    def __getitem__(self, part: tuple[int, int, int]) -> TrainingBatch:
        """The micro-batch of positions [first, last) of a step."""
        step, first, last = part
        places = self._plan.part(step, first, last)
        items = [self._item(place) for place in places]
        points, horizon = items[0].increments.shape[:2]
        seeds = [(self._seed, NOISE_STREAM, step, place.position) for place in places]
        return TrainingBatch(collate(items), Draws.of_seeds(seeds, points, horizon))

    def _item(self, place: Place) -> TraceItem:
        image = self._dataset.image_of(place.sample)
        return self._augmentation(
            self._dataset[place.sample],
            np.random.default_rng([self._seed, IMAGE_STREAM, place.epoch, image]),
            np.random.default_rng([self._seed, SENTENCE_STREAM, place.epoch, place.sample]),
        )


def load_batches(
    batches: TrainingBatches, parts: Iterator[tuple[int, int, int]], workers: int, prefetch: int
) -> Iterator[TrainingBatch]:
    """The micro-batches ``parts``, made ahead by ``workers`` processes (in this one, if 0)."""
    loader: DataLoader[TrainingBatch] = DataLoader(
        batches,
        batch_size=None,
        sampler=_Parts(parts),
        num_workers=workers,
        prefetch_factor=prefetch if workers else None,
        worker_init_fn=_start_worker,
    )
    return iter(loader)


class _Parts:
    """An iterator as a sampler."""

    def __init__(self, parts: Iterator[tuple[int, int, int]]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        return self._parts


def _start_worker(_: int) -> None:
    # The training process decides when to stop; it asks its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)
