"""Checkpoints by name: those shipped with the package, or any folder."""

from __future__ import annotations

from pathlib import Path

from tracegen_model.network.checkpoint_config import CONFIG_FILE, CheckpointError

SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"
"""Folder of the checkpoints that come with the package."""

LATEST_SAVE = "latest"
"""Name of the newest save in the folder of a training run."""


def shipped_checkpoints() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG_FILE}"))


def find_checkpoint(name_or_folder: str | Path) -> Path:
    """Folder of a checkpoint, given a shipped one's name, a folder, or the folder of a training run.

    Raises:
        CheckpointError: There is none; the message names the choices.
    """
    for folder in (SHIPPED / str(name_or_folder), Path(name_or_folder), Path(name_or_folder) / LATEST_SAVE):
        if str(name_or_folder) and (folder / CONFIG_FILE).is_file():
            return folder
    names = ", ".join(shipped_checkpoints()) or "none"
    raise CheckpointError(
        f"no checkpoint {str(name_or_folder)!r}: give a folder that holds {CONFIG_FILE}, or one of the shipped: {names}"
    )
