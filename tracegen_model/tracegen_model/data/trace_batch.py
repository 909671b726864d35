"""Samples put together for a network: each distinct image once, however many samples show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tracegen_model.data.trace_item import SampleKey, TraceItem
from tracegen_model.network.images import ImageBatch


@dataclass(frozen=True)
class TraceBatch:
    """B samples that show I images.

    Attributes:
        keys: Where each sample comes from.
        images: The distinct images.
        image_index: (B,) int64 image of each sample.
        sentences: B instructions.
        start_uvz: (B, N, 3) float32, see :class:`~tracegen_model.data.trace_item.TraceItem`.
        increments: (B, N, S, 3) float32, not normalised, 0 where unknown.
        known: (B, N, S, 3) bool.
        moving: (B, N) bool.
        point_kinds: (B, N) int64.
        target_uvz: (B, 3, 3) float32.
        source_size: (B, 2) int64 width, height of each sample's image on disk [px].
    """

    keys: tuple[SampleKey, ...]
    images: ImageBatch
    image_index: Tensor
    sentences: tuple[str, ...]
    start_uvz: Tensor
    increments: Tensor
    known: Tensor
    moving: Tensor
    point_kinds: Tensor
    target_uvz: Tensor
    source_size: Tensor

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device) -> TraceBatch:
        """The batch on another device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, images=self.images.to(device), **moved)


def collate(items: Sequence[TraceItem]) -> TraceBatch:
    """A batch of ``items``; those with the same ``image_key`` share the first one's image."""
    first: dict[str, int] = {}
    shown: list[TraceItem] = []
    for item in items:
        if item.image_key not in first:
            first[item.image_key] = len(shown)
            shown.append(item)
    colour = torch.from_numpy(np.stack([item.colour for item in shown]))
    images = ImageBatch(
        colour=colour.permute(0, 3, 1, 2).contiguous().float() / 255.0,
        depth=_stack([item.depth for item in shown]),
        depth_known=torch.tensor([item.depth_known for item in shown]),
        keys=tuple(first),
    )
    return TraceBatch(
        keys=tuple(item.key for item in items),
        images=images,
        image_index=torch.tensor([first[item.image_key] for item in items]),
        sentences=tuple(item.sentence for item in items),
        start_uvz=_stack([item.start_uvz for item in items]),
        increments=_stack([item.increments for item in items]),
        known=_stack([item.known for item in items]),
        moving=_stack([item.moving for item in items]),
        point_kinds=_stack([item.point_kinds for item in items]).long(),
        target_uvz=_stack([item.target_uvz for item in items]),
        source_size=torch.tensor([item.source_size for item in items]),
    )


def _stack(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
