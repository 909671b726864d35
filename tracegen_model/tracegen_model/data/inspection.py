"""Every file of a dataset folder looked at: what is broken, and what there is."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tracegen_model.data.episode import EpisodeReader
from tracegen_model.data.episode_error import EpisodeError
from tracegen_model.data.episode_index import Problem, grid_side_of
from tracegen_model.data.statistics import PUBLISHED_SCALE
from tracegen_model.data.trace_targets import MOVES, increments_of_traces, path_lengths

HORIZON = 32
"""Steps of a trace that the published networks learn."""

EPISODES_PER_TASK = 16
"""Episodes that a worker looks at before it reports."""


@dataclass(frozen=True)
class SampleMeasures:
    """What was measured of a sample.

    Attributes:
        stem: Name of its files.
        size: (width, height) of the image [px].
        grid_side: Points along each side of the query grid.
        steps: Steps that the file has room for, the start counted.
        valid_steps: Valid ones among them.
        unknown_steps: Valid steps of all points where the point's position is unknown.
        moving: Points that move.
        longest_path: Path of the point that moves most [fractions of the image].
        three_dimensional: Whether the traces have depth.
        moving_increments: (3,) known increments of moving points, by channel.
        saturated_increments: (3,) those among them that the published scale clamps.
        depth_range: 2nd and 98th percentile of the depth readings; None without depth.
        depth_holes: Share of the depth image without a reading; None without depth.
    """

    stem: str
    size: tuple[int, int]
    grid_side: int
    steps: int
    valid_steps: int
    unknown_steps: int
    moving: int
    longest_path: float
    three_dimensional: bool
    moving_increments: tuple[int, int, int]
    saturated_increments: tuple[int, int, int]
    depth_range: tuple[float, float] | None
    depth_holes: float | None


@dataclass(frozen=True)
class EpisodeInspection:
    """What was found in an episode.

    Attributes:
        folder: The episode's folder.
        wordings: Its instructions by kind.
        samples: Its samples, broken ones left out.
        problems: What is broken.
        images_without_sample: Images that no sample goes with.
    """

    folder: Path
    wordings: dict[str, str] = field(default_factory=dict)
    samples: list[SampleMeasures] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    images_without_sample: int = 0


def inspect_folders(folders: Sequence[Path], jobs: int | None = None) -> list[EpisodeInspection]:
    """Look at every file of the episodes in ``folders``; raises EpisodeError when one holds no episodes.

    Args:
        folders: Folders that hold a folder for each episode.
        jobs: Processes; one for each core when None.
    """
    episodes = [episode for folder in folders for episode in EpisodeReader.find(folder)]
    parts = [episodes[i : i + EPISODES_PER_TASK] for i in range(0, len(episodes), EPISODES_PER_TASK)]
    found: list[EpisodeInspection] = []
    with tqdm(total=len(episodes), unit="episode", desc="inspecting", disable=len(parts) < 2) as progress:
        for part in _run(parts, min(jobs or os.cpu_count() or 1, len(parts))):
            found += part
            progress.update(len(part))
    return found


def _run(parts: Sequence[Sequence[EpisodeReader]], workers: int) -> Iterator[list[EpisodeInspection]]:
    if workers <= 1 or len(parts) < 2:
        yield from map(_inspect_part, parts)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        yield from pool.map(_inspect_part, parts)


def _inspect_part(episodes: Sequence[EpisodeReader]) -> list[EpisodeInspection]:
    return [inspect_episode(episode) for episode in episodes]


def inspect_episode(episode: EpisodeReader) -> EpisodeInspection:
    """Look at every file of an episode; never raises for what is wrong with it."""
    problems: list[Problem] = []
    samples: list[SampleMeasures] = []
    wordings: dict[str, str] = {}
    stems: list[str] = []
    try:
        stems = episode.stems()
        if not stems:
            raise EpisodeError(episode.folder, "an npz file in samples/ or all_data/", "none")
        wordings = episode.wordings()
    except (EpisodeError, OSError) as error:
        problems.append(Problem.of(error, episode.folder))
    for stem in stems:
        try:
            samples.append(_measure(episode, stem))
        except (EpisodeError, OSError) as error:
            problems.append(Problem.of(error, episode.sample_path(stem)))
    images = {path.stem for path in (episode.folder / "images").glob("*.png")}
    unused = 0 if episode.is_unified else len(images - set(stems))
    return EpisodeInspection(episode.folder, wordings, samples, problems, unused)


def _measure(episode: EpisodeReader, stem: str) -> SampleMeasures:
    image = episode.image(stem)
    height, width = image.shape[:2]
    traces = episode.traces(stem)
    depth = episode.depth(stem)
    paths = path_lengths(traces.traces, width, height)
    moving = paths > MOVES
    increments, known = increments_of_traces(traces.traces, width, height, HORIZON, clip_to_image=True)
    clamped = known & (np.abs(increments) > np.array(PUBLISHED_SCALE, np.float32))
    three_dimensional = bool(np.isfinite(traces.traces[..., 2]).any())
    wanted = traces.traces[:, traces.valid_steps, : 3 if three_dimensional else 2]
    readings = np.zeros(0) if depth is None else depth[np.isfinite(depth) & (depth > 0.0)]
    return SampleMeasures(
        stem=stem,
        size=(width, height),
        grid_side=grid_side_of(traces.keypoints, width, height, episode.sample_path(stem)),
        steps=traces.traces.shape[1],
        valid_steps=int(traces.valid_steps.sum()),
        unknown_steps=int((~np.isfinite(wanted).all(axis=2)).sum()),
        moving=int(moving.sum()),
        longest_path=float(paths.max()),
        three_dimensional=three_dimensional,
        moving_increments=_by_channel(known[moving]),
        saturated_increments=_by_channel(clamped[moving]),
        depth_range=_range(readings) if depth is not None else None,
        depth_holes=None if depth is None else 1.0 - readings.size / depth.size,
    )


def _by_channel(flags: NDArray[np.bool_]) -> tuple[int, int, int]:
    u, v, z = flags.sum(axis=(0, 1))
    return int(u), int(v), int(z)


def _range(readings: NDArray) -> tuple[float, float]:
    if not readings.size:
        return 0.0, 0.0
    near, far = np.percentile(readings, (2, 98))
    return float(near), float(far)
