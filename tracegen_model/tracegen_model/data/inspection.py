"""Every file of a dataset folder looked at: what is broken, what there is, and what it looks like."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tracegen_model.data.dataset import SampleFilter
from tracegen_model.data.episode import EpisodeReader
from tracegen_model.data.episode_error import EpisodeError
from tracegen_model.data.episode_index import Problem, grid_side_of
from tracegen_model.data.statistics import PUBLISHED_SCALE
from tracegen_model.data.trace_targets import MOVES, increments_of_traces, path_lengths
from tracegen_model.overlay import draw_depth, draw_traces, grid_of_images

HORIZON = 32
"""Steps of a trace that the published networks learn."""

STEP_BINS = (0, 4, 9, 17, 33, 65)
"""Lower ends of the bins of valid steps; the start counts as one, so 33 are a whole trace."""

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


@dataclass(frozen=True)
class Summary:
    """What was found in one or more folders; plain values only, for JSON.

    Attributes:
        folders: The folders.
        episodes: Number of episodes.
        samples: Number of samples that are not broken.
        usable: Number of samples that the published training uses.
        left_out: Number of samples that it does not, by reason.
        episodes_without_instruction: Number of episodes without a sentence.
        wordings: Number of episodes that have a wording, by kind.
        distinct_sentences: Number of different sentences.
        image_sizes: Number of samples by ``width x height``.
        grid_sides: Number of samples by points along each side of the grid.
        valid_steps: Number of samples by bins of valid steps.
        unknown_share: Share of the points' valid steps where a point's position is unknown.
        two_dimensional: Number of samples whose traces have no depth.
        without_depth: Number of samples without a depth image.
        moving_share: Share of points that move.
        saturated_share: Share of moving points' increments that the published scale clamps, by channel.
        depth_range: Median over samples of the 2nd and 98th percentile of depth; None without depth.
        depth_holes: Mean share of depth images without a reading; None without depth.
        images_without_sample: Images that no sample goes with.
        problems: What is broken.
    """

    folders: list[str]
    episodes: int
    samples: int
    usable: int
    left_out: dict[str, int]
    episodes_without_instruction: int
    wordings: dict[str, int]
    distinct_sentences: int
    image_sizes: dict[str, int]
    grid_sides: dict[str, int]
    valid_steps: dict[str, int]
    unknown_share: float
    two_dimensional: int
    without_depth: int
    moving_share: float
    saturated_share: dict[str, float]
    depth_range: tuple[float, float] | None
    depth_holes: float | None
    images_without_sample: int
    problems: list[Problem]

    def as_dict(self) -> dict:
        """The summary as JSON takes it."""
        return dataclasses.asdict(self)

    def text(self) -> str:
        """The summary as a table for people."""
        rows = [
            ("episodes", f"{self.episodes}, {self.episodes_without_instruction} of them without instruction"),
            ("samples", f"{self.samples}, {self.usable} of them usable"),
            *((f"  {reason}", str(count)) for reason, count in self.left_out.items()),
            ("wordings", _counts(self.wordings, " episodes") or "none"),
            ("sentences", f"{self.distinct_sentences} different ones"),
            ("image sizes", _counts(self.image_sizes)),
            ("query grid", _counts({f"{side} x {side}": count for side, count in self.grid_sides.items()})),
            ("unknown steps", f"{self.unknown_share:.1%} of the points' valid steps"),
            ("moving points", f"{self.moving_share:.1%}"),
            (
                "clamped motion",
                ", ".join(f"{name} {share:.1%}" for name, share in self.saturated_share.items())
                + f" (beyond {', '.join(map(str, PUBLISHED_SCALE))} a step)",
            ),
            ("without depth", f"{self.without_depth} samples; {self.two_dimensional} with flat traces"),
        ]
        if self.depth_range is not None:
            near, far = self.depth_range
            rows.append(
                ("depth", f"{near:.3g} to {far:.3g}, {self.depth_holes or 0.0:.1%} without a reading")
            )
        if self.images_without_sample:
            rows.append(("unused images", f"{self.images_without_sample} without a sample"))
        most = max(self.valid_steps.values(), default=1)
        for name, count in self.valid_steps.items():
            rows.append((f"steps {name}", f"{count:>7} {'█' * round(30 * count / max(most, 1))}"))
        lines = [f"{name:<28} {value}" for name, value in rows]
        lines += [f"BROKEN {problem}" for problem in self.problems]
        return "\n".join(lines)


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


def summarise(folders: Sequence[Path], episodes: Sequence[EpisodeInspection]) -> Summary:
    """What ``episodes`` of ``folders`` come to."""
    samples = [sample for episode in episodes for sample in episode.samples]
    left_out = Counter(filter(None, (_reason_against(sample) for sample in samples)))
    sentences = {text for episode in episodes for text in episode.wordings.values()}
    points = sum(sample.grid_side**2 for sample in samples)
    steps = sum(sample.grid_side**2 * sample.valid_steps for sample in samples)
    moved = np.sum([sample.moving_increments for sample in samples], axis=0) if samples else np.zeros(3)
    clamped = np.sum([sample.saturated_increments for sample in samples], axis=0) if samples else np.zeros(3)
    ranges = [sample.depth_range for sample in samples if sample.depth_range is not None]
    holes = [sample.depth_holes for sample in samples if sample.depth_holes is not None]
    return Summary(
        folders=[str(folder) for folder in folders],
        episodes=len(episodes),
        samples=len(samples),
        usable=len(samples) - sum(left_out.values()),
        left_out=dict(left_out),
        episodes_without_instruction=sum(not episode.wordings for episode in episodes),
        wordings=dict(Counter(kind for episode in episodes for kind in episode.wordings)),
        distinct_sentences=len(sentences),
        image_sizes=_sorted_counts(f"{sample.size[0]} x {sample.size[1]}" for sample in samples),
        grid_sides=_sorted_counts(str(sample.grid_side) for sample in samples),
        valid_steps=_histogram([sample.valid_steps for sample in samples]),
        unknown_share=sum(sample.unknown_steps for sample in samples) / max(steps, 1),
        two_dimensional=sum(not sample.three_dimensional for sample in samples),
        without_depth=sum(sample.depth_range is None for sample in samples),
        moving_share=sum(sample.moving for sample in samples) / max(points, 1),
        saturated_share={
            name: float(clamped[i] / max(moved[i], 1)) for i, name in enumerate(("du", "dv", "dz"))
        },
        depth_range=None if not ranges else (_median(ranges, 0), _median(ranges, 1)),
        depth_holes=None if not holes else float(np.mean(holes)),
        images_without_sample=sum(episode.images_without_sample for episode in episodes),
        problems=[problem for episode in episodes for problem in episode.problems],
    )


def draw_samples(
    episodes: Sequence[EpisodeInspection], count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Two sheets of ``count`` samples, spread evenly over those that are not broken: traces, and depth if there is any.

    Raises:
        ValueError: There is no sample to draw.
    """
    samples = [(episode, sample) for episode in episodes for sample in episode.samples]
    if not samples:
        raise ValueError("there is no sample to draw: all are broken")
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int))
    drawings, captions, depths, depth_captions = [], [], [], []
    for place in chosen:
        episode, sample = samples[place]
        reader = EpisodeReader(episode.folder)
        traces = reader.traces(sample.stem).traces[:, : HORIZON + 1]
        moving = path_lengths(traces, *sample.size) > MOVES
        sentence = next(iter(episode.wordings.values()), "(no instruction)")
        caption = f"{episode.folder.name}/{sample.stem}\n{sentence}\n"
        caption += f"{sample.valid_steps} valid steps, {sample.moving} moving points"
        drawings.append(
            draw_traces(reader.image(sample.stem), traces[..., :2].transpose(1, 0, 2), moving=moving)
        )
        captions.append(caption)
        depth = reader.depth(sample.stem)
        if depth is not None and sample.depth_range is not None:
            near, far = sample.depth_range
            depths.append(draw_depth(depth))
            depth_captions.append(
                f"{episode.folder.name}/{sample.stem}\n{near:.3g} to {far:.3g}, bright is near"
            )
    return grid_of_images(drawings, captions), grid_of_images(depths, depth_captions) if depths else None


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


def _reason_against(sample: SampleMeasures) -> str | None:
    return SampleFilter().reason_against_measures(sample.valid_steps, sample.longest_path)


def _histogram(values: Sequence[int]) -> dict[str, int]:
    ends = [*STEP_BINS[1:], np.inf]
    counts = {}
    for low, high in zip(STEP_BINS, ends, strict=True):
        name = f"{low}+" if high == np.inf else f"{low}" if high == low + 1 else f"{low}-{int(high) - 1}"
        counts[name] = sum(low <= value < high for value in values)
    return counts


def _sorted_counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _counts(counts: dict[str, int], unit: str = "") -> str:
    return ", ".join(f"{name} ({count}{unit})" for name, count in counts.items())


def _median(ranges: Sequence[tuple[float, float]], place: int) -> float:
    return float(np.median([pair[place] for pair in ranges]))
