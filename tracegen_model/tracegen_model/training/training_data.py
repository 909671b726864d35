"""What a run learns from and what it is validated on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.trace_item import TraceDataset
from tracegen_model.network.presets import NetworkConfig


class TrainingDataError(ValueError):
    """The data do not fit the network, or there is nothing to learn from."""


@dataclass(frozen=True)
class TrainingData:
    """A dataset and its split.

    Attributes:
        dataset: All samples.
        training: Numbers of the samples that are learnt from.
        validation: Numbers of the samples that are only validated on; may be empty.
    """

    dataset: TraceDataset
    training: NDArray[np.int64]
    validation: NDArray[np.int64]

    def require_fit(self, network: NetworkConfig) -> None:
        """Raise TrainingDataError unless there is something to learn from, and of the network's sizes."""
        if not len(self.training):
            raise TrainingDataError(
                f"nothing to learn from: {len(self.dataset)} samples, {len(self.validation)} of them held out for "
                "validation; give more episodes, or a smaller data.validation_share"
            )
        item = self.dataset[int(self.training[0])]
        found = (item.colour.shape[0], *item.increments.shape[:2])
        expected = (network.image_side, network.points, network.horizon)
        if found != expected:
            raise TrainingDataError(
                f"the network needs (image side, points, horizon) = {expected}, the dataset has {found}; "
                "prepare it for this network, or choose another preset"
            )

    def images(self) -> NDArray[np.int64]:
        """Image of each training sample."""
        return np.array([self.dataset.image_of(int(sample)) for sample in self.training], np.int64)

    def digest(self) -> str:
        """Changes when other samples are learnt from."""
        digest = hashlib.sha256(np.ascontiguousarray(self.training, np.int64).tobytes())
        for sample in self.training:
            digest.update(self.dataset.scene_of(int(sample)).encode())
        return digest.hexdigest()
