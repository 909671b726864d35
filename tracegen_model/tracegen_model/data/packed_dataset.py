"""A dataset folder packed into memory-mapped arrays: quick to read at random, shared by the processes of a machine.

Samples that show the same image share it, so that one encode serves all instructions given for it. Scenes (images whose
stems differ in the last ``_`` part only) lie together, so that a split by scene is a split by range.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.dataset import FALLBACK_SENTENCE, fractions_of_pixels
from tracegen_model.data.episode import TARGET_COUNT
from tracegen_model.data.trace_item import SampleKey, TraceItem
from tracegen_model.data.trace_targets import MOVES
from tracegen_model.trace_grid import grid_pixels

INDEX_FILE = "index.json"
"""Sizes, instructions and names of a packed dataset."""

FORMAT_VERSION = 2
"""Raised whenever the arrays change their meaning."""


class PackedDatasetError(ValueError):
    """A packed dataset is missing, incomplete, or of another format."""


@dataclass(frozen=True)
class PackedSizes:
    """Sizes shared by all samples of a packed dataset.

    Attributes:
        image_side: Side of the square images [px].
        points: Points of a sample.
        horizon: Steps of a trace, the start not counted.
        preparation: How the images became square, a key of ``preprocessing.PREPARATIONS``.
    """

    image_side: int
    points: int
    horizon: int
    preparation: str


@dataclass(frozen=True)
class PackedImage:
    """What is said of an image in words.

    Attributes:
        stem: Name of its files.
        digest: Equal for images that are equal on disk, with their depth.
        width: Width on disk [px].
        height: Height on disk [px].
        depth_known: Whether there is a depth image.
    """

    stem: str
    digest: str
    width: int
    height: int
    depth_known: bool


@dataclass(frozen=True)
class PackedEpisode:
    """What is said of an episode in words.

    Attributes:
        name: Name of its folder.
        wordings: Its instructions by kind.
    """

    name: str
    wordings: dict[str, str]


@dataclass(frozen=True)
class PackedDataset:
    """Arrays of a packed dataset, opened for reading: a ``TraceDataset`` whose scenes are those of its images.

    Attributes:
        folder: Where the arrays lie.
        sizes: Sizes shared by all samples.
        colour: (I, side, side, 3) uint8 RGB.
        depth: (I, side, side) float16 [m], 0 = no reading.
        image_scene: (I,) int32 scene of each image, ascending.
        sample_image: (S,) int32 image of each sample, ascending.
        deltas: (S, points, horizon, 3) float16, position less start: u, v in fractions of the image, z [m];
            NaN = unknown.
        start_depth: (S, points) float16 [m], depth of the trace's start; NaN = unknown.
        point_kinds: (S, points) uint8.
        target_uvz: (S, 3, 3) float32: u, v of the pixel centre in fractions of the image ((px + 1/2) / side), z [m].
        sample_text: (S,) int32 index into ``episodes``.
        valid_steps: (S,) int32 number of steps that count as valid.
        longest_path: (S,) float32 path of the point that moves most, see ``trace_targets.path_lengths``.
        episodes: Names and wordings of the episodes.
        images: What is said of each image.
        scenes: Names of the scenes.
    """

    folder: Path
    sizes: PackedSizes
    colour: NDArray[np.uint8]
    depth: NDArray[np.float16]
    image_scene: NDArray[np.int32]
    sample_image: NDArray[np.int32]
    deltas: NDArray[np.float16]
    start_depth: NDArray[np.float16]
    point_kinds: NDArray[np.uint8]
    target_uvz: NDArray[np.float32]
    sample_text: NDArray[np.int32]
    valid_steps: NDArray[np.int32]
    longest_path: NDArray[np.float32]
    episodes: list[PackedEpisode]
    images: list[PackedImage]
    scenes: list[str]

    @classmethod
    def open(cls, folder: Path) -> PackedDataset:
        """Map the arrays of ``folder``; raises PackedDatasetError when it is not a complete packed dataset."""
        path = folder / INDEX_FILE
        if not path.is_file():
            raise PackedDatasetError(
                f"{folder} is not a packed dataset (no {INDEX_FILE}): run `tracegen data pack` first"
            )
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            if index.get("format") != FORMAT_VERSION:
                raise PackedDatasetError(
                    f"{path}: expected format {FORMAT_VERSION}, found {index.get('format')}; pack the dataset again"
                )
            sizes = PackedSizes(**index["sizes"])
            images = [PackedImage(**values) for values in index["images"]]
            episodes = [PackedEpisode(**values) for values in index["episodes"]]
            layout = array_layout(sizes, len(images), int(index["samples"]))
            scenes = list(index["scenes"])
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
            raise PackedDatasetError(
                f"{path} is damaged ({type(error).__name__}: {error}); pack the dataset again"
            ) from error
        arrays = {}
        for name, (shape, dtype) in layout.items():
            array_path = folder / f"{name}.npy"
            if not array_path.is_file():
                raise PackedDatasetError(f"{array_path} is missing; pack the dataset again")
            try:
                arrays[name] = np.load(array_path, mmap_mode="r")
            except (ValueError, OSError, EOFError) as error:
                raise PackedDatasetError(
                    f"{array_path} is damaged ({error}); pack the dataset again"
                ) from error
            if arrays[name].shape != shape or arrays[name].dtype != dtype:
                raise PackedDatasetError(
                    f"{array_path}: expected {shape} {dtype}, found {arrays[name].shape} {arrays[name].dtype}; "
                    "pack the dataset again"
                )
        return cls(folder, sizes, episodes=episodes, images=images, scenes=scenes, **arrays)

    def __reduce__(self) -> tuple[Callable[[Path], PackedDataset], tuple[Path]]:
        # Another process maps the arrays itself; pickling them would copy all of them.
        return PackedDataset.open, (self.folder,)

    def __len__(self) -> int:
        return self.sample_count

    def __getitem__(self, index: int) -> TraceItem:
        place, episode = self.image_of(index), self.episodes[int(self.sample_text[index])]
        image = self.images[place]
        increments = increments_of(self.deltas[index])
        known = np.isfinite(increments)
        increments = np.where(known, increments, np.float32(0.0))
        side = math.isqrt(self.sizes.points)
        start = np.empty((self.sizes.points, 3), np.float32)
        start[:, :2] = grid_pixels(image.width, image.height, side)
        start[:, 2] = self.start_depth[index]
        return TraceItem(
            key=SampleKey(self.folder.resolve().name, episode.name, image.stem),
            image_key=f"{image.digest}.{self.sizes.preparation}.{self.sizes.image_side}.packed",
            colour=np.array(self.colour[place]),
            depth=self.depth[place].astype(np.float32),
            depth_known=image.depth_known,
            sentence=next(iter(episode.wordings.values()), FALLBACK_SENTENCE),
            wordings=episode.wordings,
            start_uvz=fractions_of_pixels(start, image.width, image.height),
            increments=increments,
            known=known,
            moving=np.abs(increments[..., :2]).sum(axis=(1, 2)) > MOVES,
            point_kinds=np.array(self.point_kinds[index]),
            target_uvz=np.array(self.target_uvz[index]),
            source_size=(image.width, image.height),
        )

    def image_of(self, index: int) -> int:
        """Number of the image that sample ``index`` shows."""
        return int(self.sample_image[index])

    def scene_of(self, index: int) -> str:
        """Scene of sample ``index``: its image's stem without the last ``_`` part."""
        return self.scenes[int(self.image_scene[self.image_of(index)])]

    @property
    def texts(self) -> list[list[str]]:
        """Wordings of each episode's instruction."""
        return [list(episode.wordings.values()) for episode in self.episodes]

    @property
    def image_count(self) -> int:
        """Number of distinct images."""
        return int(self.colour.shape[0])

    @property
    def sample_count(self) -> int:
        """Number of samples."""
        return int(self.sample_image.shape[0])

    def images_of_scenes(self, first: int, last: int) -> NDArray[np.int64]:
        """Indices of the images whose scene lies in [first, last)."""
        return np.flatnonzero((self.image_scene >= first) & (self.image_scene < last))

    def first_sample_of_image(self) -> NDArray[np.int64]:
        """(I + 1,): samples of image i are [first[i], first[i + 1])."""
        return np.searchsorted(self.sample_image, np.arange(self.image_count + 1))


def increments_of(deltas: NDArray[np.floating]) -> NDArray[np.float32]:
    """Increments (..., horizon, 3) of positions relative to the start; NaN where unknown."""
    positions = np.asarray(deltas, dtype=np.float32)
    return np.diff(positions, axis=-2, prepend=np.zeros_like(positions[..., :1, :]))


def array_layout(
    sizes: PackedSizes, images: int, samples: int
) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of each array by name, for so many images and samples."""
    side, points = sizes.image_side, sizes.points
    return {
        "colour": ((images, side, side, 3), np.dtype(np.uint8)),
        "depth": ((images, side, side), np.dtype(np.float16)),
        "image_scene": ((images,), np.dtype(np.int32)),
        "sample_image": ((samples,), np.dtype(np.int32)),
        "deltas": ((samples, points, sizes.horizon, 3), np.dtype(np.float16)),
        "start_depth": ((samples, points), np.dtype(np.float16)),
        "point_kinds": ((samples, points), np.dtype(np.uint8)),
        "target_uvz": ((samples, TARGET_COUNT, 3), np.dtype(np.float32)),
        "sample_text": ((samples,), np.dtype(np.int32)),
        "valid_steps": ((samples,), np.dtype(np.int32)),
        "longest_path": ((samples,), np.dtype(np.float32)),
    }
