"""Which samples are measured: a dataset, the side of its split, and what the baselines may know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.dataset import FALLBACK_SENTENCE, KEEP_ALL, ItemForm, SampleFilter
from tracegen_model.data.open_dataset import open_dataset
from tracegen_model.data.split import split_scenes
from tracegen_model.data.trace_item import TraceDataset
from tracegen_model.evaluation.evaluator import EvaluationError
from tracegen_model.network.checkpoint_config import CheckpointConfig

SPLITS = ("all", "validation", "training")
"""Sides of a split that can be measured."""


@dataclass(frozen=True)
class DataChoice:
    """What to measure; None = as the checkpoint's training did, where it says so.

    Attributes:
        folders: Folders of episodes, or one packed dataset.
        split: One of ``SPLITS``; None = ``validation`` where a share or a number is given, else ``all``.
        split_by: What sides of a split never share: ``episode`` or ``stem``, see ``open_dataset``.
        validation_share: Share of the scenes that is held out.
        validation_last: Number of scenes that are held out, the last ones by name.
        split_seed: Seed of the split by share.
        keep_all: Measure samples, too, that training would leave out: very short ones, and those without motion.
        skip_broken: Go on without broken files.
        index_cache: Folder where the index of the episodes is kept.
        fallback_sentence: Instruction of episodes that have none; None = this project's own.
        limit: Measure so many samples at most, spread evenly.
    """

    folders: Sequence[Path]
    split: str | None = None
    split_by: Literal["episode", "stem"] | None = None
    validation_share: float | None = None
    validation_last: int | None = None
    split_seed: int | None = None
    keep_all: bool = False
    skip_broken: bool = False
    index_cache: Path | None = None
    fallback_sentence: str | None = None
    limit: int | None = None


@dataclass(frozen=True)
class MeasuredData:
    """Samples to measure.

    Attributes:
        dataset: Where they are.
        indices: Their numbers.
        reference: Numbers of the samples that the mean motion is taken from.
        facts: What they are, for people.
        notes: What readers of the figures should know.
    """

    dataset: TraceDataset
    indices: NDArray[np.int64]
    reference: NDArray[np.int64]
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def open_measured_data(choice: DataChoice, checkpoint: CheckpointConfig) -> MeasuredData:
    """The samples that ``choice`` names, in the form that the checkpoint's network wants.

    Raises:
        EvaluationError: The split is not known or empty, or the choice contradicts itself.
        ValueError: A folder is missing, broken, or does not fit the network.
    """
    trained = _data_settings(checkpoint)
    split = choice.split or ("all" if _is_unsplit(choice) else "validation")
    if split not in SPLITS:
        raise EvaluationError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    split_by = choice.split_by or trained.get("split_by", "episode")
    dataset, used = _open(choice, checkpoint, split_by, trained)
    everything = np.arange(len(dataset))
    facts = {"folders": ", ".join(map(str, choice.folders)), "samples used": used}
    notes = []
    if split == "all":
        indices = reference = everything
        facts["split"] = "none: all samples are measured"
        notes += _notes_on_training_data(choice, trained)
        notes.append(
            "The mean motion is that of the measured samples themselves, which flatters that baseline."
        )
    else:
        sides, facts["split"] = _split(dataset, choice, trained, split)
        indices = sides[split]
        reference = sides["training"]
        if split == "training":
            notes.append("These are the samples that were trained on, if the split is that of the training.")
    if not len(indices):
        raise EvaluationError(
            f"the {split} side of the split is empty: {len(everything)} samples, none of them there; "
            "give a larger --validation-share, or --split all"
        )
    if choice.limit is not None and choice.limit < len(indices):
        if choice.limit < 1:
            raise EvaluationError(f"the limit must be at least 1 sample, got {choice.limit}")
        facts["limit"] = f"{choice.limit} of {len(indices)} samples, spread evenly"
        indices = indices[np.linspace(0, len(indices) - 1, choice.limit).astype(int)]
    return MeasuredData(dataset, indices, reference, facts, notes)


def _open(
    choice: DataChoice, checkpoint: CheckpointConfig, split_by: Any, trained: Mapping[str, Any]
) -> tuple[TraceDataset, str]:
    """The dataset, and which of its samples are used, in words."""
    keep, used = KEEP_ALL, "all"
    if not choice.keep_all:
        default = SampleFilter()
        keep = SampleFilter(
            trained.get("fewest_valid_steps", default.valid_steps), trained.get("moving_only", default.moving)
        )
        used = (
            f"those with {keep.valid_steps} valid steps or more{' and a moving point' if keep.moving else ''}"
        )
    dataset = open_dataset(
        choice.folders,
        ItemForm.of(checkpoint.network),
        keep=keep,
        skip_broken=choice.skip_broken,
        cache=choice.index_cache,
        scenes=split_by,
        fallback_sentence=choice.fallback_sentence or FALLBACK_SENTENCE,
    )
    return dataset, used


def _split(
    dataset: TraceDataset, choice: DataChoice, trained: Mapping[str, Any], split: str
) -> tuple[dict[str, NDArray[np.int64]], str]:
    """Both sides, and how they were made, in words."""
    share, last, whose = choice.validation_share, choice.validation_last, "as asked for"
    if share is None and last is None:
        share, last, whose = trained.get("validation_share"), trained.get("validation_last"), "as in training"
        share = None if last is not None else share
    if share is None and last is None:
        raise EvaluationError(
            f"--split {split}: the checkpoint does not say how its data were split; "
            "give --validation-share or --validation-last"
        )
    seed = choice.split_seed if choice.split_seed is not None else trained.get("split_seed", 0)
    made = split_scenes(dataset, validation_share=share, validation_last=last, seed=seed)
    how = (
        f"the last {last} scenes" if last is not None else f"a share of {share:g} of the scenes, seed {seed}"
    )
    return {"training": made.training, "validation": made.validation}, f"{split}; held out {whose}: {how}"


def _is_unsplit(choice: DataChoice) -> bool:
    return choice.validation_share is None and choice.validation_last is None


def _data_settings(checkpoint: CheckpointConfig) -> Mapping[str, Any]:
    """The ``data`` part of the settings that the checkpoint was trained with; empty where it holds none."""
    settings = checkpoint.training.get("settings")
    data = settings.get("data") if isinstance(settings, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _notes_on_training_data(choice: DataChoice, trained: Mapping[str, Any]) -> list[str]:
    names = {Path(folder).name for folder in trained.get("folders") or ()}
    same = sorted(names & {folder.resolve().name for folder in choice.folders})
    if not same:
        return []
    return [
        f"The checkpoint was trained on a dataset called {', '.join(same)}: these samples may be among them. "
        "With --split validation only held-out ones are measured."
    ]
