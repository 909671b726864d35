"""Which samples make up the batch of each step: a function of seed and step alone.

So neither resuming, nor the number of workers, processes or micro-batches changes what is learnt from.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ORDER_STREAM = 1
"""Tells the random numbers of the order from the others that are drawn with the same seed."""

KEPT_ORDERS = 2
"""Orders kept in memory: a batch touches two epochs at most, unless it is larger than one."""


class Place(NamedTuple):
    """A sample's place in a run.

    Attributes:
        sample: Number of the sample in the dataset.
        epoch: How many times all samples were drawn before.
        position: Place in the global batch.
    """

    sample: int
    epoch: int
    position: int


class BatchPlan:
    """The order in which samples are drawn: epoch after epoch, each in an order of its own, cut into equal batches.

    An epoch that ends inside a batch is followed by the next one there: every batch is full, every sample is drawn once
    an epoch.

    Args:
        samples: Numbers of the training samples in the dataset.
        batch: Samples of a step.
        seed: Seed of the order.
        images: Image of each of ``samples``: those of an image are drawn together; None = each for itself.
    """

    def __init__(
        self, samples: NDArray[np.int64], batch: int, seed: int, images: NDArray[np.int64] | None = None
    ) -> None:
        if not len(samples):
            raise ValueError("a batch plan needs at least one sample, got none")
        if batch < 1:
            raise ValueError(f"a batch has at least one sample, got {batch}")
        if images is not None and len(images) != len(samples):
            raise ValueError(f"expected an image for each of {len(samples)} samples, got {len(images)}")
        self.samples, self.batch = samples, batch
        self._seed = seed
        self._image_rank = None if images is None else np.unique(images, return_inverse=True)[1]
        self._drawn: dict[int, NDArray[np.int64]] = {}

    @property
    def steps_per_epoch(self) -> float:
        """Steps after which every sample was drawn once."""
        return len(self.samples) / self.batch

    def global_batch(self, step: int) -> list[Place]:
        """The samples of ``step`` (from 0), in their order."""
        return self.part(step, 0, self.batch)

    def part(self, step: int, first: int, last: int) -> list[Place]:
        """Positions [first, last) of the batch of ``step``."""
        places = []
        for position in range(first, last):
            epoch, place = divmod(step * self.batch + position, len(self.samples))
            places.append(Place(int(self.order(epoch)[place]), epoch, position))
        return places

    def order(self, epoch: int) -> NDArray[np.int64]:
        """All samples in the order of ``epoch``."""
        if epoch not in self._drawn:
            while len(self._drawn) >= KEPT_ORDERS:
                del self._drawn[min(self._drawn)]
            self._drawn[epoch] = self._draw_order(epoch)
        return self._drawn[epoch]

    def _draw_order(self, epoch: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([self._seed, ORDER_STREAM, epoch])
        shuffled = rng.permutation(len(self.samples))
        if self._image_rank is not None:
            place = rng.permutation(int(self._image_rank.max()) + 1)
            shuffled = shuffled[np.argsort(place[self._image_rank[shuffled]], kind="stable")]
        return self.samples[shuffled]


def slices(count: int, parts: int) -> list[tuple[int, int]]:
    """[first, last) of ``parts`` consecutive parts of ``count`` things, as equal as can be."""
    edges = [count * part // parts for part in range(parts + 1)]
    return list(pairwise(edges))


def micro_batches(batch: int, rank: int, ranks: int, micro_batch: int | None) -> list[tuple[int, int]]:
    """Positions [first, last) of the micro-batches of process ``rank`` of ``ranks``."""
    first, last = slices(batch, ranks)[rank]
    parts = 1 if micro_batch is None else -(-(last - first) // micro_batch)
    return [(first + a, first + b) for a, b in slices(last - first, parts)]
