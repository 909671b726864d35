"""Packs a folder of episodes into the arrays of a :class:`~tracegen_model.data.packed_dataset.PackedDataset`."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from tqdm import tqdm

from tracegen_model.atomic_write import write_atomically
from tracegen_model.data.dataset import fractions_of_pixels, scene_of
from tracegen_model.data.episode import EpisodeError, EpisodeReader
from tracegen_model.data.episode_index import Problem, grid_side_of
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

logger = logging.getLogger(__name__)

CHUNK = 256
"""Images or samples that one worker task packs."""

PACKED_IN_TASKS = (
    "colour",
    "depth",
    "deltas",
    "start_depth",
    "point_kinds",
    "target_uvz",
    "valid_steps",
    "longest_path",
)
"""Arrays that tasks write, a row for each image or sample."""


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


@dataclass
class _Plan:
    """Which files go where: scenes, episodes, distinct images, samples in order of their images; and what is broken."""

    scenes: list[str]
    episodes: list[PackedEpisode] = field(default_factory=list)
    images: list[_ImageJob] = field(default_factory=list)
    samples: list[_SampleJob] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """A chunk of the work: ``pack`` writes each of ``jobs`` to a row, from ``start`` on."""

    pack: Callable[[Mapping[str, NDArray], int, Any, PackedSizes], None]
    output: Path
    sizes: PackedSizes
    start: int
    jobs: Sequence[Any]

    def run(self) -> tuple[int, list[Problem]]:
        """The number of jobs, and what is wrong with those that could not be done."""
        arrays = {name: np.load(self.output / f"{name}.npy", mmap_mode="r+") for name in PACKED_IN_TASKS}
        problems = []
        for row, job in enumerate(self.jobs, start=self.start):
            try:
                self.pack(arrays, row, job, self.sizes)
            except (EpisodeError, OSError) as error:
                problems.append(Problem.of(error, job.episode.folder))
        return len(self.jobs), problems


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
        EpisodeError: Files are damaged, or samples differ in size; all files have been looked at by then, and the log
            names each of those. There is no packed dataset.
    """
    if preparation not in PREPARATIONS:
        raise PackedDatasetError(
            f"no preparation {preparation!r}; there is {', '.join(sorted(PREPARATIONS))}"
        )
    plan = _plan(source, max_scenes)
    points, steps = _shape_of_first(plan, source)
    sizes = PackedSizes(
        image_side=image_side, points=points, horizon=horizon or steps - 1, preparation=preparation
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / INDEX_FILE).unlink(missing_ok=True)
    _make_arrays(plan, output, sizes)
    pack_sample = _pack_any_sample if horizon else _pack_equal_sample
    tasks = [
        _Task(pack, output, sizes, start, work[start : start + CHUNK])
        for pack, work in ((_pack_image, plan.images), (pack_sample, plan.samples))
        for start in range(0, len(work), CHUNK)
    ]
    with tqdm(total=len(plan.images) + len(plan.samples), unit="file", desc="packing") as progress:
        for packed, problems in _run_tasks(tasks, jobs or os.cpu_count() or 1):
            plan.problems += problems
            progress.update(packed)
    _require_none(plan.problems)
    index = {
        "format": FORMAT_VERSION,
        "sizes": vars(sizes),
        "images": [vars(_described(job)) for job in plan.images],
        "samples": len(plan.samples),
        "scenes": plan.scenes,
        "episodes": [vars(episode) for episode in plan.episodes],
    }
    write_atomically(output / INDEX_FILE, json.dumps(index))
    return PackedDataset.open(output)


def _plan(source: Path, max_scenes: int | None) -> _Plan:
    episodes = EpisodeReader.find(source)
    stems = [(stem, number) for number, episode in enumerate(episodes) for stem in episode.stems()]
    plan = _Plan(sorted({scene_of(stem) for stem, _ in stems})[:max_scenes])
    kept = set(plan.scenes)
    ordered = sorted((scene_of(stem), stem, number) for stem, number in stems if scene_of(stem) in kept)
    digests: dict[tuple[int, int], str] = {}
    image_index: dict[tuple[str, str], int] = {}
    for _, stem, number in ordered:
        episode = episodes[number]
        try:
            key = (stem, _content_digest(episode.image_path(stem), digests))
        except EpisodeError as error:
            plan.problems.append(Problem.of(error, episode.folder))
            continue
        if key not in image_index:
            image_index[key] = len(plan.images)
            plan.images.append(_ImageJob(episode, stem))
        plan.samples.append(_SampleJob(episode, stem, image_index[key], number))
    plan.samples.sort(key=lambda job: job.image)
    for episode in episodes:
        try:
            plan.episodes.append(PackedEpisode(episode.folder.name, episode.wordings()))
        except EpisodeError as error:
            plan.problems.append(Problem.of(error, episode.folder))
    return plan


def _shape_of_first(plan: _Plan, source: Path) -> tuple[int, int]:
    """(points, steps) of the first sample that can be read; raises EpisodeError when there is none."""
    for job in plan.samples:
        try:
            points, steps = job.episode.traces(job.stem).traces.shape[:2]
            return points, steps
        except (EpisodeError, OSError) as error:
            plan.problems.append(Problem.of(error, job.episode.folder))
    _require_none(plan.problems)
    raise EpisodeError(source, "an episode with a sample", "none")


def _require_none(problems: Sequence[Problem]) -> None:
    """Raise EpisodeError of the first problem when there is one; the log names all of several."""
    different = list(dict.fromkeys(problems))
    if not different:
        return
    if len(different) > 1:
        for problem in different:
            logger.warning("broken: %s", problem)
    others = f", and {len(different) - 1} more like it, named above" if len(different) > 1 else ""
    first = different[0]
    raise EpisodeError(
        Path(first.path),
        first.expected,
        first.found,
        f"mend it or remove the episode{others}; nothing is packed",
    )


def _make_arrays(plan: _Plan, output: Path, sizes: PackedSizes) -> None:
    """Make the files of all arrays, and fill those that follow from the plan alone."""
    arrays = {
        name: open_memmap(output / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        for name, (shape, dtype) in array_layout(sizes, len(plan.images), len(plan.samples)).items()
    }
    scene_index = {scene: i for i, scene in enumerate(plan.scenes)}
    arrays["image_scene"][:] = [scene_index[scene_of(job.stem)] for job in plan.images]
    arrays["sample_image"][:] = [job.image for job in plan.samples]
    arrays["sample_text"][:] = [job.text for job in plan.samples]
    for array in arrays.values():
        array.flush()


def _described(job: _ImageJob) -> PackedImage:
    episode, stem = job.episode, job.stem
    return PackedImage(stem, episode.image_digest(stem), *episode.image_size(stem), episode.has_depth(stem))


def _run_tasks(tasks: Sequence[_Task], workers: int) -> Iterator[tuple[int, list[Problem]]]:
    """Run ``tasks`` in ``workers`` processes (in this one, if 1) and yield what each says."""
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


def _pack_image(arrays: Mapping[str, NDArray], row: int, job: _ImageJob, sizes: PackedSizes) -> None:
    preparation, side = PREPARATIONS[sizes.preparation], sizes.image_side
    arrays["colour"][row] = preparation.colour(job.episode.image(job.stem), side)
    measured = job.episode.depth(job.stem)
    arrays["depth"][row] = 0.0 if measured is None else preparation.depth(measured, side)


def _pack_equal_sample(arrays: Mapping[str, NDArray], row: int, job: _SampleJob, sizes: PackedSizes) -> None:
    """Pack a sample that has the packed horizon, as all others."""
    _pack_sample(arrays, row, job, sizes, all_steps=True)


def _pack_any_sample(arrays: Mapping[str, NDArray], row: int, job: _SampleJob, sizes: PackedSizes) -> None:
    """Pack the first steps of a sample that may be longer or shorter."""
    _pack_sample(arrays, row, job, sizes, all_steps=False)


def _pack_sample(
    arrays: Mapping[str, NDArray], row: int, job: _SampleJob, sizes: PackedSizes, all_steps: bool
) -> None:
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
    positions = sample.traces[:, : sizes.horizon + 1] / np.array([width, height, 1.0], np.float32)
    if sizes.preparation == "bilinear":
        positions[..., :2] = np.clip(positions[..., :2], 0.0, 1.0)
    arrays["deltas"][row] = np.nan
    arrays["deltas"][row, :, : positions.shape[1] - 1] = positions[:, 1:] - positions[:, :1]
    arrays["start_depth"][row] = sample.traces[:, 0, 2]
    arrays["point_kinds"][row] = sample.point_kinds
    arrays["target_uvz"][row] = fractions_of_pixels(sample.target_uvz, width, height)
    arrays["valid_steps"][row] = sample.valid_steps.sum()
    arrays["longest_path"][row] = path_lengths(sample.traces, width, height).max()
