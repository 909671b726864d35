"""Folders of either kind, opened: episodes as TraceForge writes them, or arrays that were packed from them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tracegen_model.data.dataset import (
    FALLBACK_SENTENCE,
    DatasetError,
    EpisodeDataset,
    ItemForm,
    SampleFilter,
)
from tracegen_model.data.packed_dataset import INDEX_FILE, PackedDataset
from tracegen_model.data.trace_item import TraceDataset, TraceItem

logger = logging.getLogger(__name__)


def open_dataset(
    folders: Sequence[Path],
    form: ItemForm,
    *,
    keep: SampleFilter | None = None,
    skip_broken: bool = False,
    cache: Path | None = None,
    jobs: int | None = None,
    scenes: Literal["episode", "stem"] = "episode",
    fallback_sentence: str = FALLBACK_SENTENCE,
) -> TraceDataset:
    """The samples of ``folders`` in the form that a network wants.

    The arguments are those of :class:`~tracegen_model.data.dataset.EpisodeDataset`. ``folders`` may also be a single
    packed dataset: it has no broken samples and needs no index, and its scenes are those of its images' stems.

    Raises:
        EpisodeError: An episode is broken.
        PackedDatasetError: A packed dataset is broken.
        DatasetError: The samples cannot take the form, or none is to be used.
    """
    packed = [folder for folder in folders if (folder / INDEX_FILE).is_file()]
    if not packed:
        return EpisodeDataset(
            folders,
            form,
            keep=keep,
            skip_broken=skip_broken,
            cache=cache,
            jobs=jobs,
            scenes=scenes,
            fallback_sentence=fallback_sentence,
        )
    if len(folders) > 1:
        raise DatasetError(f"{packed[0]} is a packed dataset; give it alone, or folders of episodes only")
    return PackedSamples(PackedDataset.open(packed[0]), form, keep or SampleFilter(), fallback_sentence)


class PackedSamples:
    """The samples of a packed dataset that are to be used.

    Args:
        dataset: All samples.
        form: The form that they must have.
        keep: Which of them are used.
        fallback_sentence: Instruction of episodes that have none.

    Raises:
        DatasetError: The samples have another form, or none is to be used.
    """

    def __init__(
        self, dataset: PackedDataset, form: ItemForm, keep: SampleFilter, fallback_sentence: str
    ) -> None:
        sizes = dataset.sizes
        found = (sizes.image_side, sizes.points, sizes.horizon, sizes.preparation)
        expected = (form.image_side, form.points, form.horizon, form.preparation)
        if found != expected:
            raise DatasetError(
                f"{dataset.folder}: expected (image side, points, horizon, preparation) = {expected}, as the network "
                f"wants them, found {found}; pack the dataset for this network, or choose another network"
            )
        self._dataset, self._fallback = dataset, fallback_sentence
        reasons = [
            keep.reason_against_measures(int(steps), float(path))
            for steps, path in zip(dataset.valid_steps, dataset.longest_path, strict=True)
        ]
        self._numbers = [number for number, reason in enumerate(reasons) if reason is None]
        self.left_out: Counter[str] = Counter(filter(None, reasons))
        """Number of samples that are not used, by reason."""
        if not self._numbers:
            raise DatasetError(f"{dataset.folder}: expected samples to learn from, found none to use")
        for reason, count in self.left_out.items():
            logger.info("%d of %d samples are left out: %s", count, len(reasons), reason)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> TraceItem:
        item = self._dataset[self._numbers[index]]
        return item if item.wordings else replace(item, sentence=self._fallback)

    def image_of(self, index: int) -> int:
        """See :class:`~tracegen_model.data.trace_item.TraceDataset`."""
        return self._dataset.image_of(self._numbers[index])

    def scene_of(self, index: int) -> str:
        """See :class:`~tracegen_model.data.trace_item.TraceDataset`."""
        return self._dataset.scene_of(self._numbers[index])
