"""Samples streamed from folders of episodes; only the index is held in memory."""

from __future__ import annotations

import logging
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.episode import EpisodeReader, EpisodeTraces
from tracegen_model.data.episode_error import EpisodeError
from tracegen_model.data.episode_index import EpisodeRecord, SampleRecord, index_folder
from tracegen_model.data.trace_item import SampleKey, TraceItem
from tracegen_model.data.trace_targets import MOVES, increments_of_traces, path_lengths
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.runtime.preprocessing import PREPARATIONS

logger = logging.getLogger(__name__)

FALLBACK_SENTENCE = "Move the gripper or the hand so that the task gets done."
"""Instruction of episodes that have none.

The published checkpoints were trained with another sentence of this meaning in its place; give that one to reproduce
figures on data without text.
"""

FEWEST_VALID_STEPS = 4
"""Samples with fewer valid steps are left out, as in the published training."""


class DatasetError(ValueError):
    """Folders of episodes that do not make the dataset asked for."""


@dataclass(frozen=True)
class ItemForm:
    """What a network wants its samples to be.

    Attributes:
        image_side: Side of the square images [px].
        grid_side: Points along each side of the query grid.
        horizon: Steps of a trace.
        preparation: How images become square, a key of ``preprocessing.PREPARATIONS``.
        clip_to_image: Bring positions to the image's edge before they are subtracted; see ``increments_of_traces``.
    """

    image_side: int
    grid_side: int
    horizon: int
    preparation: str
    clip_to_image: bool

    def __post_init__(self) -> None:
        if self.preparation not in PREPARATIONS:
            raise DatasetError(
                f"no preparation {self.preparation!r}; there is {', '.join(sorted(PREPARATIONS))}"
            )

    @classmethod
    def of(cls, network: NetworkConfig) -> ItemForm:
        """The form that ``network`` wants; positions are clipped where the original's preparation is used."""
        return cls(
            image_side=network.image_side,
            grid_side=network.grid_side,
            horizon=network.horizon,
            preparation=network.preparation,
            clip_to_image=network.preparation == "bilinear",
        )

    @property
    def points(self) -> int:
        """Points of a sample."""
        return self.grid_side**2


@dataclass(frozen=True)
class SampleFilter:
    """Which samples are used; the defaults are those of the published training, which also wants one keypoint.

    Attributes:
        valid_steps: Samples with fewer valid steps are left out.
        moving: Samples in which no point moves are left out.
    """

    valid_steps: int = FEWEST_VALID_STEPS
    moving: bool = True

    def reason_against(self, sample: SampleRecord) -> str | None:
        """Why ``sample`` is left out; None when it is used."""
        return self.reason_against_measures(sample.valid_steps, sample.longest_path)

    def reason_against_measures(self, valid_steps: int, longest_path: float) -> str | None:
        """Why a sample with so many valid steps and that longest path is left out; None when it is used."""
        if valid_steps < self.valid_steps:
            return f"fewer than {self.valid_steps} valid steps"
        if self.moving and not longest_path > MOVES:
            return "no moving point"
        return None


KEEP_ALL = SampleFilter(valid_steps=0, moving=False)
"""Leaves nothing out."""


class _SampleTable:
    """Samples by number, in columns: millions of them are to fit into memory."""

    def __init__(self) -> None:
        self.stems: list[str] = []
        self.episodes, self.images, self.scenes = array("i"), array("i"), array("i")
        self.digests: list[str] = []
        self.scene_names: list[str] = []
        self._image_numbers: dict[str, int] = {}
        self._scene_numbers: dict[str, int] = {}

    def add(self, episode: int, stem: str, digest: str, scene: str) -> None:
        """Append a sample of the episode with that number, whose image has that digest."""
        self.stems.append(stem)
        self.episodes.append(episode)
        self.images.append(_number(digest, self._image_numbers, self.digests))
        self.scenes.append(_number(scene, self._scene_numbers, self.scene_names))


def _number(name: str, numbers: dict[str, int], names: list[str]) -> int:
    """Number of ``name`` among ``names``, where it is appended when it is new."""
    if name not in numbers:
        numbers[name] = len(names)
        names.append(name)
    return numbers[name]


class EpisodeDataset:
    """Samples of one or more folders of episodes, see :mod:`~tracegen_model.data.episode` for the layout.

    Episodes are told apart by folder and name, samples of an episode by stem; all are in the order of their names.
    Nothing is drawn: an item's sentence is the first wording. Reading a sample raises EpisodeError when its files have
    been damaged since they were indexed.

    Args:
        folders: Folders that hold a folder for each episode.
        form: What samples are to become.
        keep: Which samples are used; the choice is made here, so that batches have the size they are to have.
        skip_broken: Log what is wrong with an episode and do without its broken samples, instead of raising.
        cache: Folder where the index is kept; None = nowhere.
        jobs: Processes that index; one for each core when None.
        scenes: What must not be split between training and validation: whole episodes ("episode"), or samples whose
            stems differ in the last ``_`` part only ("stem"), for demonstrations whose episodes share images.
        fallback_sentence: Instruction of episodes that have none.

    Raises:
        EpisodeError: A file is broken and ``skip_broken`` is off.
        DatasetError: There is no sample to use, or the samples have another query grid than the form.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        form: ItemForm,
        *,
        keep: SampleFilter | None = None,
        skip_broken: bool = False,
        cache: Path | None = None,
        jobs: int | None = None,
        scenes: Literal["episode", "stem"] = "episode",
        fallback_sentence: str = FALLBACK_SENTENCE,
    ) -> None:
        if not folders:
            raise DatasetError("expected at least one folder of episodes, found none")
        self.form = form
        self.left_out: Counter[str] = Counter()
        """Number of samples that are not used, by reason."""
        self._fallback = fallback_sentence
        self._episodes: list[tuple[EpisodeReader, str, dict[str, str]]] = []
        self._samples = _SampleTable()
        keep = keep or SampleFilter()
        for folder, name in zip(folders, _names_of(folders), strict=True):
            records = index_folder(folder, cache, jobs)
            self._refuse_or_log(records, folder, skip_broken)
            for record in records:
                self._add(folder, name, record, keep, scenes)
        if not len(self):
            reasons = ", ".join(f"{count} with {reason}" for reason, count in self.left_out.items())
            raise DatasetError(
                f"{', '.join(map(str, folders))}: expected samples to learn from, found none to use"
                f"{f' ({reasons})' if reasons else ''}; `tracegen data inspect` says more"
            )
        for reason, count in self.left_out.items():
            total = len(self) + self.left_out.total()
            logger.info("%d of %d samples are left out: %s", count, total, reason)

    def __len__(self) -> int:
        return len(self._samples.stems)

    def __getitem__(self, index: int) -> TraceItem:
        samples, form = self._samples, self.form
        stem = samples.stems[index]
        episode, _, wordings = self._episodes[samples.episodes[index]]
        traces = episode.traces(stem)
        width, height = episode.image_size(stem)
        if len(traces.keypoints) != form.points:
            raise EpisodeError(
                episode.sample_path(stem), f"{form.points} keypoints", f"{len(traces.keypoints)}"
            )
        increments, known = increments_of_traces(
            traces.traces, width, height, form.horizon, form.clip_to_image
        )
        preparation = PREPARATIONS[form.preparation]
        depth = episode.depth(stem)
        return TraceItem(
            key=self.key_of(index),
            image_key=f"{samples.digests[samples.images[index]]}.{form.preparation}.{form.image_side}",
            colour=preparation.colour(episode.image(stem), form.image_side),
            depth=_no_depth(form.image_side) if depth is None else preparation.depth(depth, form.image_side),
            depth_known=depth is not None,
            sentence=next(iter(wordings.values()), self._fallback),
            wordings=wordings,
            start_uvz=fractions_of_pixels(_starts(traces), width, height),
            increments=increments,
            known=known,
            moving=path_lengths(traces.traces, width, height) > MOVES,
            point_kinds=traces.point_kinds,
            target_uvz=fractions_of_pixels(traces.target_uvz, width, height),
            source_size=(width, height),
        )

    def key_of(self, index: int) -> SampleKey:
        """Where sample ``index`` comes from."""
        episode, dataset, _ = self._episodes[self._samples.episodes[index]]
        return SampleKey(dataset, episode.folder.name, self._samples.stems[index])

    def image_of(self, index: int) -> int:
        """Number of the image that sample ``index`` shows; samples with equal image and depth share it."""
        return self._samples.images[index]

    def scene_of(self, index: int) -> str:
        """What sample ``index`` must not be split from."""
        return self._samples.scene_names[self._samples.scenes[index]]

    def _refuse_or_log(self, records: Sequence[EpisodeRecord], folder: Path, skip_broken: bool) -> None:
        problems = [problem for record in records for problem in record.problems]
        if problems and not skip_broken:
            first, more = problems[0], len(problems) - 1
            others = f"; {more} more files are broken" if more else ""
            raise EpisodeError(
                Path(first.path),
                first.expected,
                first.found,
                f"mend or remove it, or go on without broken files (data.skip_broken=true or --skip-broken){others} "
                f"(`tracegen data inspect {folder}` lists them)",
            )
        for problem in problems:
            logger.warning("skipped: %s", problem)

    def _add(
        self, folder: Path, dataset: str, record: EpisodeRecord, keep: SampleFilter, scenes: str
    ) -> None:
        used = []
        for sample in record.samples:
            reason = keep.reason_against(sample)
            if reason is None:
                used.append(sample)
            else:
                self.left_out[reason] += 1
        if not used:
            return
        episode = EpisodeReader(folder / record.name)
        for sample in used:
            if sample.grid_side != self.form.grid_side:
                raise DatasetError(
                    f"{episode.sample_path(sample.stem)}: expected keypoints on a grid of side "
                    f"{self.form.grid_side}, found {sample.grid_side}; choose a network with that grid_side"
                )
            scene = scene_of(sample.stem) if scenes == "stem" else record.name
            self._samples.add(len(self._episodes), sample.stem, sample.image, f"{dataset}/{scene}")
        self._episodes.append((episode, dataset, record.wordings))


def scene_of(stem: str) -> str:
    """Scene that an image belongs to, in demonstrations: its stem without the last ``_`` part."""
    return stem.rsplit("_", 1)[0]


def fractions_of_pixels(uvz: NDArray[np.floating], width: int, height: int) -> NDArray[np.float32]:
    """(..., 3) u, v of pixel centres in fractions of the image, z as it is, from pixels."""
    out = np.array(uvz, dtype=np.float32)
    out[..., :2] = (out[..., :2] + 0.5) / np.array([width, height], np.float32)
    return out


def _names_of(folders: Sequence[Path]) -> list[str]:
    """Names that tell the folders apart: the last part of the path, or all of it where that is not enough."""
    last = [folder.resolve().name for folder in folders]
    resolved = [str(folder.resolve()) for folder in folders]
    repeated = {path for path, count in Counter(resolved).items() if count > 1}
    if repeated:
        raise DatasetError(f"{', '.join(sorted(repeated))} is given more than once; give each folder once")
    counts = Counter(last)
    return [name if counts[name] == 1 else path for name, path in zip(last, resolved, strict=True)]


def _no_depth(side: int) -> NDArray[np.float32]:
    return np.zeros((side, side), np.float32)


def _starts(traces: EpisodeTraces) -> NDArray[np.float32]:
    """(N, 3) first positions [px, px, the depth's unit]; where one is unknown, the point's place on the grid."""
    start = traces.traces[:, 0].copy()
    unknown = ~np.isfinite(start[:, :2]).all(axis=1)
    start[unknown, :2] = traces.keypoints[unknown]
    return start
