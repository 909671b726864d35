"""A dataset folder packed into memory-mapped arrays: quick to read at random, shared by the processes of a machine.

Samples that show the same image share it, so that one encode serves all instructions given for it. Scenes (images whose
stems differ in the last ``_`` part only) lie together, so that a split by scene is a split by range.
"""

from __future__ import annotations

import hashlib
import json
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

from tracegen_model.data.episode import TARGET_COUNT, EpisodeError, EpisodeReader, EpisodeTraces
from tracegen_model.runtime.preprocessing import MODEL_IMAGE_SIDE, resize_colour, resize_depth

INDEX_FILE = "index.json"
"""Sizes, instructions and scene names of a packed dataset."""

FORMAT_VERSION = 1
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
    """

    image_side: int
    points: int
    horizon: int


@dataclass(frozen=True)
class PackedDataset:
    """Arrays of a packed dataset, opened for reading.

    Attributes:
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
        sample_text: (S,) int32 index into ``texts``.
        texts: Wordings of each instruction.
        scenes: Names of the scenes.
    """

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
    texts: list[list[str]]
    scenes: list[str]

    @classmethod
    def open(cls, folder: Path) -> PackedDataset:
        """Map the arrays of ``folder``; raises PackedDatasetError when it is not a complete packed dataset."""
        path = folder / INDEX_FILE
        if not path.is_file():
            raise PackedDatasetError(
                f"{folder} is not a packed dataset (no {INDEX_FILE}): run `tracegen pack` first"
            )
        index = json.loads(path.read_text(encoding="utf-8"))
        if index.get("format") != FORMAT_VERSION:
            raise PackedDatasetError(
                f"{path}: expected format {FORMAT_VERSION}, found {index.get('format')}; pack the dataset again"
            )
        sizes = PackedSizes(**index["sizes"])
        arrays = {}
        for name, (shape, dtype) in _array_layout(sizes, index["images"], index["samples"]).items():
            array_path = folder / f"{name}.npy"
            if not array_path.is_file():
                raise PackedDatasetError(f"{array_path} is missing; pack the dataset again")
            arrays[name] = np.load(array_path, mmap_mode="r")
            if arrays[name].shape != shape or arrays[name].dtype != dtype:
                raise PackedDatasetError(
                    f"{array_path}: expected {shape} {dtype}, found {arrays[name].shape} {arrays[name].dtype}; "
                    "pack the dataset again"
                )
        return cls(sizes=sizes, texts=index["texts"], scenes=index["scenes"], **arrays)

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
) -> PackedDataset:
    """Pack the episodes under ``source`` into ``output`` and open the result.

    Args:
        source: Folder of episodes (TraceForge layout).
        output: Folder for the arrays; made when missing.
        jobs: Processes; None = one per core.
        image_side: Side of the packed images [px]; others are resized as the predictor does.
        max_scenes: Pack this many scenes, the first in order of their names; None = all.

    Raises:
        EpisodeError: A file is damaged, or samples differ in size.
    """
    scenes, texts, images, samples = _plan(source, max_scenes)
    first = samples[0].episode.traces(samples[0].stem)
    sizes = PackedSizes(
        image_side=image_side, points=first.traces.shape[0], horizon=first.traces.shape[1] - 1
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
        _Task(_pack_samples, output, sizes, i, samples[i : i + CHUNK]) for i in range(0, len(samples), CHUNK)
    ]
    with tqdm(total=len(images) + len(samples), unit="file", desc="packing") as progress:
        for packed in _run_tasks(tasks, jobs or os.cpu_count() or 1):
            progress.update(packed)
    index = {
        "format": FORMAT_VERSION,
        "sizes": vars(sizes),
        "images": len(images),
        "samples": len(samples),
        "scenes": scenes,
        "texts": texts,
    }
    (output / INDEX_FILE).write_text(json.dumps(index), encoding="utf-8")
    return PackedDataset.open(output)


def scene_of(stem: str) -> str:
    """Scene that an image belongs to: its stem without the last ``_`` part."""
    return stem.rsplit("_", 1)[0]


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
    }


def _plan(
    source: Path, max_scenes: int | None
) -> tuple[list[str], list[list[str]], list[_ImageJob], list[_SampleJob]]:
    """Which files go where: scenes, instruction texts, distinct images, samples in order of their images."""
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
    return scenes, [episode.instructions() for episode in episodes], images, samples


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
    side = sizes.image_side
    for i, job in enumerate(jobs, start=start):
        image = job.episode.image(job.stem)
        colour[i] = image if image.shape[:2] == (side, side) else resize_colour(image, side)
        measured = job.episode.depth(job.stem)
        if measured is None:
            depth[i] = 0.0
        else:
            depth[i] = measured if measured.shape == (side, side) else resize_depth(measured, side)


def _pack_samples(output: Path, sizes: PackedSizes, start: int, jobs: Sequence[_SampleJob]) -> None:
    names = ("deltas", "start_depth", "point_kinds", "target_uvz")
    arrays = {name: np.load(output / f"{name}.npy", mmap_mode="r+") for name in names}
    for i, job in enumerate(jobs, start=start):
        sample = job.episode.traces(job.stem)
        expected = (sizes.points, sizes.horizon + 1)
        if sample.traces.shape[:2] != expected:
            raise EpisodeError(
                job.episode.folder / "samples" / f"{job.stem}.npz",
                f"traj of (points, steps) = {expected} as in the other samples",
                str(sample.traces.shape[:2]),
            )
        _store(arrays, i, sample, *job.episode.image_size(job.stem))


def _store(arrays: dict[str, NDArray], i: int, sample: EpisodeTraces, width: int, height: int) -> None:
    scale = np.array([width, height, 1.0], np.float32)
    half_pixel = np.array([0.5, 0.5, 0.0], np.float32)
    arrays["deltas"][i] = (sample.traces[:, 1:] - sample.traces[:, :1]) / scale
    arrays["start_depth"][i] = sample.traces[:, 0, 2]
    arrays["point_kinds"][i] = sample.point_kinds
    arrays["target_uvz"][i] = (sample.target_uvz + half_pixel) / scale
