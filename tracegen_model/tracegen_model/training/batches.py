"""Batches of samples from a packed dataset, with the images they share encoded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tracegen_model.data.augmentation import ColourJitter, DepthJitter, WordAugmentation
from tracegen_model.data.packed_dataset import PackedDataset, PackedDatasetError, increments_of
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.nano_tracegen import colour_from_bytes
from tracegen_model.network.nano.text_tokens import pad_word_ids, word_id, words_of


@dataclass(frozen=True)
class Batch:
    """B samples that show I images.

    Attributes:
        samples: (B,) indices in the dataset.
        colour: (I, 3, side, side) -1..1.
        depth: (I, side, side) [m], 0 = hole.
        image_index: (B,) image of each sample.
        words: (B, L) word ids.
        increments: (B, points, horizon, 3) not normalised, 0 where unknown.
        known: (B, points, horizon, 1) 1 where the truth is known.
        point_kinds: (B, points).
        target_uvz: (B, 3, 3) u, v in fractions of the image, z [m]; NaN where not applicable.
    """

    samples: NDArray[np.int64]
    colour: Tensor
    depth: Tensor
    image_index: Tensor
    words: Tensor
    increments: Tensor
    known: Tensor
    point_kinds: Tensor
    target_uvz: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return Batch(samples=self.samples, **moved)


class BatchMaker:
    """Makes batches for a network from a packed dataset; raises PackedDatasetError when they do not fit each other."""

    def __init__(self, dataset: PackedDataset, network: NanoConfig) -> None:
        sizes = dataset.sizes
        found = (sizes.image_side, sizes.points, sizes.horizon)
        expected = (network.image_side, network.points, network.horizon)
        if found != expected:
            raise PackedDatasetError(
                f"the network needs (image side, points, horizon) = {expected}, the dataset has {found}; "
                "pack it for this network, or choose another preset"
            )
        self._dataset, self._network = dataset, network
        self._first = dataset.first_sample_of_image()
        self._word_augmentation = WordAugmentation()
        self._colour_jitter, self._depth_jitter = ColourJitter(), DepthJitter()

    def training(self, images: NDArray[np.int64], batch: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Augmented batches of exactly ``batch`` samples without end, each epoch in another order of ``images``."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        order: list[int] = []
        while True:
            chosen: list[int] = []
            count = 0
            while count < batch:
                if not order:
                    order = rng.permutation(images).tolist()
                image = order.pop()
                samples = int(self._first[image + 1] - self._first[image])
                if samples:
                    chosen.append(image)
                    count += samples
            yield self._make(np.array(chosen), batch, rng, generator)

    def evaluation(self, images: NDArray[np.int64], images_per_batch: int = 24) -> Iterator[Batch]:
        """Plain batches of all samples of ``images``, in order."""
        for start in range(0, len(images), images_per_batch):
            chosen = images[start : start + images_per_batch]
            if (self._first[chosen + 1] > self._first[chosen]).any():
                yield self._make(chosen, None, np.random.default_rng(0), None)

    def _make(
        self,
        images: NDArray[np.int64],
        limit: int | None,
        rng: np.random.Generator,
        generator: torch.Generator | None,
    ) -> Batch:
        """A batch of the first ``limit`` samples of ``images``, augmented when a ``generator`` is given."""
        data = self._dataset
        samples = np.concatenate([np.arange(self._first[i], self._first[i + 1]) for i in images])[:limit]
        place = {int(image): i for i, image in enumerate(images)}
        image_index = np.array([place[int(image)] for image in data.sample_image[samples]])
        colour = colour_from_bytes(torch.from_numpy(data.colour[images]))
        depth = torch.from_numpy(data.depth[images].astype(np.float32))
        if generator is not None:
            colour, depth = self._colour_jitter(colour, generator), self._depth_jitter(depth, generator)
        increments = increments_of(data.deltas[samples])
        known = np.isfinite(increments).all(axis=-1, keepdims=True)
        words = np.stack([self._words(int(sample), rng, generator is not None) for sample in samples])
        return Batch(
            samples=samples,
            colour=colour,
            depth=depth,
            image_index=torch.from_numpy(image_index),
            words=torch.from_numpy(words),
            increments=torch.from_numpy(np.where(known, increments, 0.0).astype(np.float32)),
            known=torch.from_numpy(known.astype(np.float32)),
            point_kinds=torch.from_numpy(data.point_kinds[samples].astype(np.int64)),
            target_uvz=torch.from_numpy(data.target_uvz[samples]),
        )

    def _words(self, sample: int, rng: np.random.Generator, augment: bool) -> NDArray[np.int64]:
        vocabulary, length = self._network.vocabulary, self._network.text_length
        wordings = self._dataset.texts[int(self._dataset.sample_text[sample])]
        sentence = wordings[int(rng.integers(len(wordings)))] if wordings else ""
        if augment:
            return pad_word_ids(self._word_augmentation(sentence, vocabulary, rng), length)
        return pad_word_ids([word_id(word, vocabulary) for word in words_of(sentence)], length)
