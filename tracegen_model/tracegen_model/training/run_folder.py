"""The folder of a run, and saves that a kill at any moment leaves whole.

    config.yaml     the run's settings
    log.jsonl       losses and validations, one JSON object a line
    tensorboard/    the same as curves, and overlays as images
    overlays/       the overlays as PNG files
    saves/step_N/   a checkpoint with averaged weights, and what the run needs to go on from there
    latest          link to the latest complete save

A save is written under another name, flushed to the disk and renamed; only then does ``latest`` point to it, and only
then are older ones removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tracegen_model.atomic_write import flush_to_disk
from tracegen_model.network.checkpoint_config import CheckpointError
from tracegen_model.runtime.checkpoints import LATEST_SAVE as LATEST

__all__ = [
    "CONFIG_FILE",
    "LATEST",
    "LOG_FILE",
    "OVERLAY_FOLDER",
    "SAVES_FOLDER",
    "TENSORBOARD_FOLDER",
    "RunFolder",
]

CONFIG_FILE = "config.yaml"
LOG_FILE = "log.jsonl"
TENSORBOARD_FOLDER = "tensorboard"
OVERLAY_FOLDER = "overlays"
SAVES_FOLDER = "saves"

SAVE_PREFIX = "step_"
UNFINISHED_PREFIX = "unfinished_"
"""What the names of saves start with that are being written or removed."""


class RunFolder:
    """The folder of a run.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def has_saves(self) -> bool:
        """Whether there is something to resume."""
        return (self.path / LATEST).exists()

    def begin(self) -> None:
        """Make the folder of a new run; raises CheckpointError when there is a run in it already."""
        if self.has_saves or (self.path / LOG_FILE).exists():
            raise CheckpointError(
                f"{self.path} holds a run already: go on with `tracegen train --resume {self.path}`, "
                "or give another output"
            )
        (self.path / SAVES_FOLDER).mkdir(parents=True, exist_ok=True)

    def abandon(self) -> None:
        """Remove the folder of a run that did not get as far as writing anything into it."""
        for folder in (self.path / SAVES_FOLDER, self.path):
            with suppress(OSError):  # Folders that hold something stay.
                folder.rmdir()

    def settings_file(self) -> Path:
        """The settings of the run in the folder; raises CheckpointError when there is no run."""
        path = self.path / CONFIG_FILE
        if not path.is_file():
            raise CheckpointError(
                f"{self.path} holds no run to resume: it has no {CONFIG_FILE}; give the folder that the run wrote to"
            )
        return path

    def resume(self) -> Path:
        """The latest complete save, later ones removed; raises CheckpointError when there is none."""
        link = self.path / LATEST
        if not link.exists():
            raise CheckpointError(f"{self.path} holds no run to resume: it has no {LATEST}")
        latest = link.resolve()
        for save in (self.path / SAVES_FOLDER).glob(f"{SAVE_PREFIX}*"):
            if save.name > latest.name:
                save.rename(save.with_name(UNFINISHED_PREFIX + save.name))
        self._remove_unfinished()
        return latest

    def save(self, step: int, write: Callable[[Path], None], keep: int) -> Path:
        """Make the save of ``step``, point ``latest`` to it and remove all but the last ``keep``.

        Args:
            step: Optimiser steps done.
            write: Writes the files into the folder it is given.
            keep: Saves that are kept.
        """
        saves = self.path / SAVES_FOLDER
        saves.mkdir(parents=True, exist_ok=True)
        self._remove_unfinished()
        finished = saves / f"{SAVE_PREFIX}{step:08d}"
        if not finished.exists():
            unfinished = saves / f"{UNFINISHED_PREFIX}{finished.name}"
            unfinished.mkdir()
            write(unfinished)
            for path in (*unfinished.rglob("*"), unfinished):
                flush_to_disk(path)
            unfinished.rename(finished)
            flush_to_disk(saves)
        link = self.path / f"{UNFINISHED_PREFIX}{LATEST}"
        link.unlink(missing_ok=True)
        link.symlink_to(Path(SAVES_FOLDER) / finished.name, target_is_directory=True)
        link.replace(self.path / LATEST)
        flush_to_disk(self.path)
        for old in sorted(saves.glob(f"{SAVE_PREFIX}*"))[:-keep]:
            if old != finished:
                old.rename(saves / f"{UNFINISHED_PREFIX}{old.name}")
        self._remove_unfinished()
        return finished

    def _remove_unfinished(self) -> None:
        for path in (self.path / SAVES_FOLDER).glob(f"{UNFINISHED_PREFIX}*"):
            shutil.rmtree(path)
