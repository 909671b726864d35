"""How a run goes, for people: lines of JSON, TensorBoard and, on request, Weights & Biases."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from tracegen_model.atomic_write import write_atomically
from tracegen_model.training.run_config import RunConfig, TrainingConfigError
from tracegen_model.training.run_folder import LOG_FILE, OVERLAY_FOLDER, TENSORBOARD_FOLDER
from tracegen_model.training.training_state import TrainingProgress

WANDB_ID_FILE = "wandb_id"


class RunLog:
    """The log of a run; going on with a run drops what was logged after the step it goes on from.

    Args:
        folder: The run's folder.
        config: The run's settings.
        step: Optimiser steps done.
    """

    def __init__(self, folder: Path, config: RunConfig, step: int) -> None:
        self._folder = folder
        self._path = folder / LOG_FILE
        self._keep_until(step)
        self._board = SummaryWriter(str(folder / TENSORBOARD_FOLDER), purge_step=step + 1 if step else None)
        self._wandb = None if config.logging.wandb_project is None else _start_wandb(folder, config)

    def values(self, kind: str, progress: TrainingProgress, values: Mapping[str, float]) -> None:
        """Log ``values`` by name; ``kind`` says what they are, such as "losses"."""
        entry = {"kind": kind, **vars(progress), **values}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        for name, value in values.items():
            self._board.add_scalar(f"{kind}/{name}", value, progress.step)
        if self._wandb is not None:
            self._wandb.log({f"{kind}/{name}": value for name, value in values.items()}, step=progress.step)

    def image(self, name: str, progress: TrainingProgress, image: NDArray[np.uint8]) -> None:
        """Log an RGB ``image`` (H, W, 3)."""
        folder = self._folder / OVERLAY_FOLDER
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}_{progress.step:08d}.png"
        path.write_bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())
        self._board.add_image(name, image, progress.step, dataformats="HWC")
        if self._wandb is not None:
            import wandb

            self._wandb.log({name: wandb.Image(image)}, step=progress.step)

    def close(self) -> None:
        """Write what is still in memory."""
        self._board.close()
        if self._wandb is not None:
            self._wandb.finish()

    def _keep_until(self, step: int) -> None:
        if not self._path.exists():
            return
        kept = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # The last line of a run that was killed while it wrote.
            if entry["step"] <= step:
                kept.append(line + "\n")
        write_atomically(self._path, "".join(kept))


def _start_wandb(folder: Path, config: RunConfig) -> Any:
    try:
        import wandb
    except ImportError as error:
        raise TrainingConfigError(
            f"logging.wandb_project={config.logging.wandb_project} needs the package wandb, which is not installed: "
            "install it (pip install wandb), or set logging.wandb_project=null"
        ) from error
    path = folder / WANDB_ID_FILE
    if not path.exists():
        path.write_text(secrets.token_hex(8), encoding="utf-8")
    try:
        return wandb.init(
            project=config.logging.wandb_project,
            name=config.name,
            id=path.read_text(encoding="utf-8"),
            resume="allow",
            dir=str(folder),
            config=config.as_dict(),
        )
    except wandb.Error as error:
        raise TrainingConfigError(
            f"logging.wandb_project={config.logging.wandb_project}: {error}; log in (wandb login), "
            "set WANDB_MODE=offline, or set logging.wandb_project=null"
        ) from error
