"""A sample as networks take it: image and depth squashed to a square, traces as increments, unknowns masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class SampleKey(NamedTuple):
    """Where a sample comes from.

    Attributes:
        dataset: Name of the dataset's folder.
        episode: Name of the episode's folder.
        stem: Name of the sample's files.
    """

    dataset: str
    episode: str
    stem: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True)
class TraceItem:
    """One image, one task, and where the N points of the query grid travel in S steps.

    Attributes:
        key: Where it comes from.
        image_key: Equal for samples that show the same image.
        colour: (side, side, 3) uint8 RGB.
        depth: (side, side) float32 in the dataset's unit (metres where it is metric); 0 = no reading.
        depth_known: Whether there is depth at all; where not, ``depth`` is 0.
        sentence: The instruction that this sample is used with.
        wordings: All instructions, by kind (``instruction_1``, ...); empty when the episode has none.
        start_uvz: (N, 3) float32 where the traces start: u, v of pixel centres in fractions of the image
            ((px + 1/2) / width), z in the depth's unit; NaN where unknown.
        increments: (N, S, 3) float32 motion of each step: du, dv in fractions of the image, dz in the depth's unit; not
            normalised; 0 where unknown.
        known: (N, S, 3) bool whether each increment is known; z is unknown in two-dimensional episodes.
        moving: (N,) bool the point moves noticeably.
        point_kinds: (N,) uint8, see ``episode.PointKind``; all background when the episode does not say.
        target_uvz: (3, 3) float32 object to move, zone and hand TCP, as ``start_uvz``; NaN where not applicable.
        source_size: (width, height) of the image on disk [px].
    """

    key: SampleKey
    image_key: str
    colour: NDArray[np.uint8]
    depth: NDArray[np.float32]
    depth_known: bool
    sentence: str
    wordings: Mapping[str, str]
    start_uvz: NDArray[np.float32]
    increments: NDArray[np.float32]
    known: NDArray[np.bool_]
    moving: NDArray[np.bool_]
    point_kinds: NDArray[np.uint8]
    target_uvz: NDArray[np.float32]
    source_size: tuple[int, int]


class TraceDataset(Protocol):
    """Samples by number: streamed from episodes, or mapped from a packed dataset."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int) -> TraceItem:
        """Sample ``index``, as it is on disk: nothing drawn, nothing changed."""

    def image_of(self, index: int) -> int:
        """Number of the image that sample ``index`` shows; samples of one image share it."""

    def scene_of(self, index: int) -> str:
        """What sample ``index`` must not be split from: training and validation share no scene."""
