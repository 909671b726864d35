"""Packs a folder of episodes into the arrays of a :class:`~tracegen_model.data.packed_dataset.PackedDataset`."""

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

from tracegen_model.atomic_write import write_atomically
from tracegen_model.data.dataset import fractions_of_pixels, scene_of
from tracegen_model.data.episode import EpisodeError, EpisodeReader, EpisodeTraces
from tracegen_model.data.episode_index import grid_side_of
from tracegen_model.data.packed_dataset import (
    FORMAT_VERSION,
    INDEX_FILE,
    PackedDataset,
    PackedDatasetError,
    PackedEpisode,
    PackedImage,
    PackedSizes,
    array_layout,
)
from tracegen_model.data.trace_targets import path_lengths
from tracegen_model.runtime.preprocessing import MODEL_IMAGE_SIDE, PREPARATIONS

CHUNK = 256
"""Images or samples that one worker task packs."""


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
        for name, (shape, dtype) in array_layout(sizes, len(images), len(samples)).items()
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
