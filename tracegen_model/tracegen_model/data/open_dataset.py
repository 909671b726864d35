"""Folders of either kind, opened: episodes as TraceForge writes them, or arrays that were packed from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tracegen_model.data.dataset import DatasetError, EpisodeDataset, ItemForm
from tracegen_model.data.packed_dataset import INDEX_FILE, PackedDataset


def open_dataset(folders: Sequence[Path], form: ItemForm, **options: Any) -> EpisodeDataset | PackedDataset:
    """The samples of ``folders`` in the form that a network wants.

    Args:
        folders: Folders of episodes, or a single packed dataset.
        form: What samples are to become.
        **options: Further arguments of :class:`EpisodeDataset`; a packed dataset is taken as it was packed.

    Raises:
        EpisodeError: An episode is broken.
        PackedDatasetError: A packed dataset is broken.
        DatasetError: The samples cannot take the form.
    """
    packed = [folder for folder in folders if (folder / INDEX_FILE).is_file()]
    if not packed:
        return EpisodeDataset(folders, form, **options)
    if len(folders) > 1:
        raise DatasetError(f"{packed[0]} is a packed dataset; give it alone, or folders of episodes only")
    dataset = PackedDataset.open(packed[0])
    sizes = dataset.sizes
    found = (sizes.image_side, sizes.points, sizes.horizon, sizes.preparation)
    expected = (form.image_side, form.points, form.horizon, form.preparation)
    if found != expected:
        raise DatasetError(
            f"{packed[0]}: expected (image side, points, horizon, preparation) = {expected}, as the network wants "
            f"them, found {found}; pack the dataset for this network, or choose another network"
        )
    return dataset
