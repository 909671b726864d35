"""A dataset folder packed into memory-mapped arrays: quick to read at random, shared by the processes of a machine.

Samples that show the same image share it, so that one encode serves all instructions given for it. Scenes (images whose
stems differ in the last ``_`` part only) lie together, so that a split by scene is a split by range.
"""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from tqdm import tqdm

from tracegen_model.atomic_write import write_atomically
from tracegen_model.data.dataset import FALLBACK_SENTENCE, fractions_of_pixels, scene_of
from tracegen_model.data.episode import TARGET_COUNT, EpisodeError, EpisodeReader, EpisodeTraces
from tracegen_model.data.episode_index import grid_side_of
from tracegen_model.data.trace_item import SampleKey, TraceItem
from tracegen_model.data.trace_targets import MOVES, path_lengths
from tracegen_model.runtime.preprocessing import MODEL_IMAGE_SIDE, PREPARATIONS
from tracegen_model.trace_grid import grid_pixels

INDEX_FILE = "index.json"
"""Sizes, instructions and names of a packed dataset."""

FORMAT_VERSION = 2
"""Raised whenever the arrays change their meaning."""

CHUNK = 256
"""Images or samples that one worker task packs."""


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
            layout = _array_layout(sizes, len(images), int(index["samples"]))
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


@dataclass(frozen=True)
class _ImageJob:
    episode: EpisodeReader
    stem: str


@dataclass(frozen=True)
class _SampleJob:
    episode: EpisodeReader
    stem: str
    image: int
    text: int


@dataclass(frozen=True)
class _Task:
    """A chunk of the work: ``pack`` writes ``jobs`` to rows ``start`` and on."""

    pack: Callable[[Path, PackedSizes, int, Sequence[Any]], None]
    output: Path
    sizes: PackedSizes
    start: int
    jobs: Sequence[Any]

    def run(self) -> int:
        self.pack(self.output, self.sizes, self.start, self.jobs)
        return len(self.jobs)


def pack_dataset(
    source: Path,
    output: Path,
    jobs: int | None = None,
    image_side: int = MODEL_IMAGE_SIDE,
    max_scenes: int | None = None,
    preparation: str = "nearest_depth",
    horizon: int | None = None,
) -> PackedDataset:
    """Pack the episodes under ``source`` into ``output`` and open the result.

    Args:
        source: Folder of episodes (TraceForge layout).
        output: Folder for the arrays; made when missing.
        jobs: Processes; None = one per core.
        image_side: Side of the packed images [px]; others are resized.
        max_scenes: Pack this many scenes, the first in order of their names; None = all.
        preparation: How images are resized, a key of ``preprocessing.PREPARATIONS``; "bilinear" also brings positions
            to the image's edge, see ``trace_targets.increments_of_traces``.
        horizon: Steps of a trace that are kept, shorter ones being filled up with unknown ones; None = all the steps of
            the first sample, which the others must have, too.

    Raises:
        EpisodeError: A file is damaged, or samples differ in size.
    """
    if preparation not in PREPARATIONS:
        raise PackedDatasetError(
            f"no preparation {preparation!r}; there is {', '.join(sorted(PREPARATIONS))}"
        )
    scenes, episodes, images, samples = _plan(source, max_scenes)
    first = samples[0].episode.traces(samples[0].stem)
    sizes = PackedSizes(
        image_side=image_side,
        points=first.traces.shape[0],
        horizon=horizon or first.traces.shape[1] - 1,
        preparation=preparation,
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / INDEX_FILE).unlink(missing_ok=True)
    arrays = {
        name: open_memmap(output / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        for name, (shape, dtype) in _array_layout(sizes, len(images), len(samples)).items()
    }
    scene_index = {scene: i for i, scene in enumerate(scenes)}
    arrays["image_scene"][:] = [scene_index[scene_of(job.stem)] for job in images]
    arrays["sample_image"][:] = [job.image for job in samples]
    arrays["sample_text"][:] = [job.text for job in samples]
    for array in arrays.values():
        array.flush()
    tasks = [
        _Task(_pack_images, output, sizes, i, images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)
    ]
    tasks += [
        _Task(_pack_any if horizon else _pack_equal, output, sizes, i, samples[i : i + CHUNK])
        for i in range(0, len(samples), CHUNK)
    ]
    with tqdm(total=len(images) + len(samples), unit="file", desc="packing") as progress:
        for packed in _run_tasks(tasks, jobs or os.cpu_count() or 1):
            progress.update(packed)
    index = {
        "format": FORMAT_VERSION,
        "sizes": vars(sizes),
        "images": [vars(_described(job)) for job in images],
        "samples": len(samples),
        "scenes": scenes,
        "episodes": [vars(episode) for episode in episodes],
    }
    write_atomically(output / INDEX_FILE, json.dumps(index))
    return PackedDataset.open(output)


def increments_of(deltas: NDArray[np.floating]) -> NDArray[np.float32]:
    """Increments (..., horizon, 3) of positions relative to the start; NaN where unknown."""
    positions = np.asarray(deltas, dtype=np.float32)
    return np.diff(positions, axis=-2, prepend=np.zeros_like(positions[..., :1, :]))


def _array_layout(
    sizes: PackedSizes, images: int, samples: int
) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
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


def _plan(
    source: Path, max_scenes: int | None
) -> tuple[list[str], list[PackedEpisode], list[_ImageJob], list[_SampleJob]]:
    """Which files go where: scenes, episodes, distinct images, samples in order of their images."""
    episodes = EpisodeReader.find(source)
    stems = [(stem, number) for number, episode in enumerate(episodes) for stem in episode.stems()]
    scenes = sorted({scene_of(stem) for stem, _ in stems})[:max_scenes]
    kept = set(scenes)
    ordered = sorted((scene_of(stem), stem, number) for stem, number in stems if scene_of(stem) in kept)
    digests: dict[tuple[int, int], str] = {}
    image_index: dict[tuple[str, str], int] = {}
    images: list[_ImageJob] = []
    samples: list[_SampleJob] = []
    for _, stem, number in ordered:
        episode = episodes[number]
        key = (stem, _content_digest(episode.image_path(stem), digests))
        if key not in image_index:
            image_index[key] = len(images)
            images.append(_ImageJob(episode, stem))
        samples.append(_SampleJob(episode, stem, image_index[key], number))
    samples.sort(key=lambda job: job.image)
    described = [PackedEpisode(episode.folder.name, episode.wordings()) for episode in episodes]
    return scenes, described, images, samples


def _described(job: _ImageJob) -> PackedImage:
    episode, stem = job.episode, job.stem
    return PackedImage(stem, episode.image_digest(stem), *episode.image_size(stem), episode.has_depth(stem))


def _run_tasks(tasks: Sequence[_Task], workers: int) -> Iterator[int]:
    """Run ``tasks`` in ``workers`` processes (in this one, if 1) and yield how many files each packed."""
    if workers == 1:
        yield from (task.run() for task in tasks)
        return
    with ProcessPoolExecutor(max_workers=workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from (future.result() for future in as_completed([pool.submit(task.run) for task in tasks]))


def _content_digest(path: Path, known: dict[tuple[int, int], str]) -> str:
    """Digest of a file; hard links of one file are read once."""
    try:
        status = path.stat()
        inode = (status.st_dev, status.st_ino)
        if inode not in known:
            known[inode] = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise EpisodeError(path, "an image beside its sample", str(error)) from error
    return known[inode]


def _pack_images(output: Path, sizes: PackedSizes, start: int, jobs: Sequence[_ImageJob]) -> None:
    colour = np.load(output / "colour.npy", mmap_mode="r+")
    depth = np.load(output / "depth.npy", mmap_mode="r+")
    preparation, side = PREPARATIONS[sizes.preparation], sizes.image_side
    for i, job in enumerate(jobs, start=start):
        colour[i] = preparation.colour(job.episode.image(job.stem), side)
        measured = job.episode.depth(job.stem)
        depth[i] = 0.0 if measured is None else preparation.depth(measured, side)


def _pack_equal(output: Path, sizes: PackedSizes, start: int, jobs: Sequence[_SampleJob]) -> None:
    """Pack samples that all have the packed horizon."""
    _pack_samples(output, sizes, start, jobs, all_steps=True)


def _pack_any(output: Path, sizes: PackedSizes, start: int, jobs: Sequence[_SampleJob]) -> None:
    """Pack the first steps of samples that may be longer or shorter."""
    _pack_samples(output, sizes, start, jobs, all_steps=False)


def _pack_samples(
    output: Path, sizes: PackedSizes, start: int, jobs: Sequence[_SampleJob], all_steps: bool
) -> None:
    names = ("deltas", "start_depth", "point_kinds", "target_uvz", "valid_steps", "longest_path")
    arrays = {name: np.load(output / f"{name}.npy", mmap_mode="r+") for name in names}
    for i, job in enumerate(jobs, start=start):
        sample, path = job.episode.traces(job.stem), job.episode.sample_path(job.stem)
        points, steps = sample.traces.shape[:2]
        if points != sizes.points or (all_steps and steps != sizes.horizon + 1):
            raise EpisodeError(
                path,
                f"traj of (points, steps) = {(sizes.points, sizes.horizon + 1)} as in the other samples",
                str((points, steps)),
            )
        width, height = job.episode.image_size(job.stem)
        grid_side_of(sample.keypoints, width, height, path)
        _store(arrays, i, sample, sizes, width, height)


def _store(
    arrays: dict[str, NDArray], i: int, sample: EpisodeTraces, sizes: PackedSizes, width: int, height: int
) -> None:
    positions = sample.traces[:, : sizes.horizon + 1] / np.array([width, height, 1.0], np.float32)
    if sizes.preparation == "bilinear":
        positions[..., :2] = np.clip(positions[..., :2], 0.0, 1.0)
    arrays["deltas"][i] = np.nan
    arrays["deltas"][i, :, : positions.shape[1] - 1] = positions[:, 1:] - positions[:, :1]
    arrays["start_depth"][i] = sample.traces[:, 0, 2]
    arrays["point_kinds"][i] = sample.point_kinds
    arrays["target_uvz"][i] = fractions_of_pixels(sample.target_uvz, width, height)
    arrays["valid_steps"][i] = sample.valid_steps.sum()
    arrays["longest_path"][i] = path_lengths(sample.traces, width, height).max()
