"""Tasks that engines are compared on: those of the user's data, or drawn scenes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracegen_model.data.dataset import ItemForm
from tracegen_model.data.open_dataset import open_dataset
from tracegen_model.data.synthetic_episodes import SyntheticSizes, write_synthetic_episodes
from tracegen_model.data.trace_item import TraceItem
from tracegen_model.network.presets import NetworkConfig


def agreement_tasks(folders: Sequence[Path], network: NetworkConfig, count: int) -> list[TraceItem]:
    """At most ``count`` tasks, spread evenly over the data.

    Args:
        folders: Folders of episodes, or one packed dataset; none = drawn scenes.
        network: Sizes of the network.
        count: How many.

    Raises:
        EpisodeError: An episode is broken.
        DatasetError: The samples do not fit the network, or there are none.
    """
    form = ItemForm.of(network)
    if folders:
        dataset = open_dataset(folders, form)
        chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
        return [dataset[int(index)] for index in chosen]
    with tempfile.TemporaryDirectory(prefix="agreement-") as folder:
        sizes = SyntheticSizes(grid_side=network.grid_side, horizon=network.horizon)
        write_synthetic_episodes(Path(folder), count, sizes)
        drawn = open_dataset([Path(folder)], form)
        return [drawn[index] for index in range(len(drawn))]
