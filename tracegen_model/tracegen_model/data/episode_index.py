"""What a dataset folder holds: read once, in parallel, kept if wanted, and read again where episodes have changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tracegen_model.atomic_write import write_atomically
from tracegen_model.data.episode import INSTRUCTION_FILES, UNIFIED_FOLDER, EpisodeReader
from tracegen_model.data.episode_error import EpisodeError
from tracegen_model.data.trace_targets import path_lengths
from tracegen_model.trace_grid import grid_pixels

logger = logging.getLogger(__name__)

INDEX_VERSION = 1
"""Raised whenever records change their meaning; older files are not read."""

GRID_TOLERANCE_PX = 1.0
"""Keypoints may be this far from the query grid: some tools round them, some end it at W instead of W - 1."""

EPISODES_PER_TASK = 64
"""Episodes that a worker indexes at a time; with no more than this to do, no worker is started."""


@dataclass(frozen=True)
class SampleRecord:
    """What must be known of a sample before it is read.

    Attributes:
        stem: Name of its files.
        image: Digest of its image and depth.
        width: Width of the image [px].
        height: Height of the image [px].
        grid_side: Points along each side of its query grid.
        valid_steps: Number of valid steps.
        longest_path: Path of the point that moves most [fractions of the image], see ``trace_targets.path_lengths``.
        has_depth: Whether there is a depth image.
    """

    stem: str
    image: str
    width: int
    height: int
    grid_side: int
    valid_steps: int
    longest_path: float
    has_depth: bool


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a file.

    Attributes:
        path: The file or folder.
        expected: What should be there.
        found: What is there.
    """

    path: str
    expected: str
    found: str

    @classmethod
    def of(cls, error: EpisodeError | OSError, path: Path) -> Problem:
        """The problem that ``error`` tells of, which came up when ``path`` was read."""
        if isinstance(error, EpisodeError):
            return cls(str(error.path), error.expected, error.found)
        return cls(str(path), "a readable file", str(error))

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class EpisodeRecord:
    """What must be known of an episode.

    Attributes:
        name: Name of its folder.
        fingerprint: Changes when any of its files is added, removed or written.
        wordings: Its instructions by kind.
        samples: Its samples, broken ones left out.
        problems: What is wrong with it.
    """

    name: str
    fingerprint: str
    wordings: dict[str, str] = field(default_factory=dict)
    samples: list[SampleRecord] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def index_folder(root: Path, cache: Path | None = None, jobs: int | None = None) -> list[EpisodeRecord]:
    """Records of all episodes under ``root``, sorted by name.

    Args:
        root: Dataset folder: one folder for each episode.
        cache: Folder where the index is kept for the next time; episodes that have changed since are read again.
        jobs: Processes that read; one for each core when None.

    Raises:
        EpisodeError: ``root`` holds no episodes. Broken episodes do not raise: their records say what is wrong.
    """
    episodes = EpisodeReader.find(root)
    path = None if cache is None else cache / f"{_cache_name(root)}.json"
    known = {} if path is None else _load(path)
    fingerprints = [fingerprint_of(episode.folder) for episode in episodes]
    records: dict[str, EpisodeRecord] = {}
    stale: list[tuple[EpisodeReader, str]] = []
    for episode, fingerprint in zip(episodes, fingerprints, strict=True):
        record = known.get(episode.folder.name)
        if record is not None and record.fingerprint == fingerprint:
            records[record.name] = record
        else:
            stale.append((episode, fingerprint))
    for record in _read(stale, jobs or os.cpu_count() or 1, root.name):
        records[record.name] = record
    if path is not None and (stale or len(known) != len(records)):
        _save(path, root, records.values())
    return [records[episode.folder.name] for episode in episodes]


def read_episode(episode: EpisodeReader, fingerprint: str) -> EpisodeRecord:
    """The record of one episode; never raises for what is wrong with it."""
    samples: list[SampleRecord] = []
    problems: list[Problem] = []
    wordings: dict[str, str] = {}
    try:
        wordings = episode.wordings()
        stems = episode.stems()
        if not stems:
            inside = f"an npz file in {UNIFIED_FOLDER if episode.is_unified else 'samples'}/"
            raise EpisodeError(episode.folder, inside, "none")
    except (EpisodeError, OSError) as error:
        return EpisodeRecord(episode.folder.name, fingerprint, problems=[Problem.of(error, episode.folder)])
    for stem in stems:
        try:
            samples.append(_read_sample(episode, stem))
        except (EpisodeError, OSError) as error:
            problems.append(Problem.of(error, episode.sample_path(stem)))
    return EpisodeRecord(episode.folder.name, fingerprint, wordings, samples, problems)


def fingerprint_of(folder: Path) -> str:
    """Digest of names, sizes and times of an episode's files."""
    lines = []
    for part in ("images", "samples", "depth", UNIFIED_FOLDER):
        try:
            with os.scandir(folder / part) as entries:
                lines += [_line(part, entry.name, entry.stat()) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            lines.append(f"no {part}")
    for name in INSTRUCTION_FILES:
        path = folder / name
        lines.append(_line("", name, path.stat()) if path.exists() else f"no {name}")
    return hashlib.blake2b(
        "\n".join(sorted(lines)).encode(errors="surrogateescape"), digest_size=16
    ).hexdigest()


def grid_side_of(keypoints: NDArray[np.floating], width: int, height: int, path: Path) -> int:
    """Points along each side of the query grid; raises EpisodeError when ``keypoints`` (N, 2) [px] are not the grid."""
    side = math.isqrt(len(keypoints))
    if side < 2 or side**2 != len(keypoints):
        raise EpisodeError(path, "keypoints on a square grid", f"{len(keypoints)} of them")
    distance = np.abs(keypoints - grid_pixels(width, height, side)).max()
    if distance > GRID_TOLERANCE_PX:
        raise EpisodeError(
            path,
            f"keypoints on the {side} x {side} grid over the {width} x {height} px image, row by row",
            f"one that is {distance:.1f} px off",
        )
    return side


def _read_sample(episode: EpisodeReader, stem: str) -> SampleRecord:
    width, height = episode.image_size(stem)
    traces = episode.traces(stem)
    return SampleRecord(
        stem=stem,
        image=episode.image_digest(stem),
        width=width,
        height=height,
        grid_side=grid_side_of(traces.keypoints, width, height, episode.sample_path(stem)),
        valid_steps=int(traces.valid_steps.sum()),
        longest_path=float(path_lengths(traces.traces, width, height).max()),
        has_depth=episode.has_depth(stem),
    )


def _read(stale: Sequence[tuple[EpisodeReader, str]], jobs: int, name: str) -> Iterator[EpisodeRecord]:
    """Records of ``stale`` episodes, in this process when there are few of them."""
    parts = [stale[i : i + EPISODES_PER_TASK] for i in range(0, len(stale), EPISODES_PER_TASK)]
    with tqdm(
        total=len(stale), unit="episode", desc=f"indexing {name}", disable=len(parts) < 2, leave=False
    ) as progress:
        if len(parts) < 2 or jobs == 1:
            for part in parts:
                yield from _read_part(part)
                progress.update(len(part))
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=min(jobs, len(parts)), mp_context=context) as pool:
            for records in pool.map(_read_part, parts):
                yield from records
                progress.update(len(records))


def _read_part(part: Sequence[tuple[EpisodeReader, str]]) -> list[EpisodeRecord]:
    return [read_episode(episode, fingerprint) for episode, fingerprint in part]


def _cache_name(root: Path) -> str:
    digest = hashlib.blake2b(os.fsencode(root.resolve()), digest_size=8).hexdigest()
    return f"index_{digest}"


def _load(path: Path) -> dict[str, EpisodeRecord]:
    """Records kept in ``path`` by name; none when the file is missing, damaged, or of another version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != INDEX_VERSION:
            return {}
        return {values["name"]: _record(values) for values in content["episodes"]}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s is damaged (%s): the dataset is indexed again", path, error)
        return {}


def _record(values: dict[str, Any]) -> EpisodeRecord:
    samples = [SampleRecord(**sample) for sample in values["samples"]]
    problems = [Problem(**problem) for problem in values["problems"]]
    return EpisodeRecord(**{**values, "samples": samples, "problems": problems})


def _save(path: Path, root: Path, records: Sequence[EpisodeRecord] | Any) -> None:
    content = {
        "version": INDEX_VERSION,
        "folder": str(root),
        "episodes": [dataclasses.asdict(record) for record in records],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content))


def _line(part: str, name: str, status: os.stat_result) -> str:
    return f"{part}/{name} {status.st_size} {status.st_mtime_ns}"
