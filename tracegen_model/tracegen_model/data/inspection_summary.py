"""What an inspection of whole folders comes to, in numbers."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracegen_model.data.dataset import SampleFilter
from tracegen_model.data.episode_index import Problem
from tracegen_model.data.inspection import EpisodeInspection, SampleMeasures
from tracegen_model.data.statistics import PUBLISHED_SCALE

STEP_BINS = (0, 4, 9, 17, 33, 65)
"""Lower ends of the bins of valid steps; the start counts as one, so 33 are a whole trace."""


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
