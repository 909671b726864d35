"""Images as networks take them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageBatch:
    """I images as networks take them.

    Attributes:
        colour: (I, 3, side, side) float32 0..1.
        depth: (I, side, side) float32 in the dataset's unit; 0 = no reading.
        depth_known: (I,) bool whether there is depth at all.
        keys: I names, equal for equal images as they are on disk.
        features: Outputs of frozen encoders by name, each (I, ...), when a feature cache supplies them; else empty.
    """

    colour: Tensor
    depth: Tensor
    depth_known: Tensor
    keys: tuple[str, ...] = ()
    features: dict[str, Tensor] | None = None

    def __len__(self) -> int:
        return int(self.colour.shape[0])

    def to(self, device: torch.device) -> ImageBatch:
        """The images on another device."""
        features = self.features and {name: value.to(device) for name, value in self.features.items()}
        return replace(
            self,
            colour=self.colour.to(device),
            depth=self.depth.to(device),
            depth_known=self.depth_known.to(device),
            features=features,
        )
