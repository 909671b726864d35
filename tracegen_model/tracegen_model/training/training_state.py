"""What a run needs to go on: weights and optimiser moments as safetensors, and how far it is as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tracegen_model.network.checkpoint import load_tensors, save_tensors
from tracegen_model.network.checkpoint_config import WEIGHTS_FILE, CheckpointError
from tracegen_model.training.sharding import spread_as, whole

TENSORS_FILE = "training_state.safetensors"
PROGRESS_FILE = "training_state.json"

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""Tensors that AdamW keeps for each weight."""

FORMAT_VERSION = 2
"""Raised whenever the files change their meaning."""


@dataclass(frozen=True)
class TrainingProgress:
    """How far a run is.

    Attributes:
        step: Optimiser steps done.
        elapsed_s: Wall-clock time spent training [s].
        samples: Samples seen.
    """

    step: int = 0
    elapsed_s: float = 0.0
    samples: int = 0


@dataclass(frozen=True)
class TrainingState:
    """Everything that changes during a run.

    Attributes:
        weights: Trained weights by name.
        averages: Their averages; they are the weights of the checkpoint in the same folder.
        optimiser: AdamW over the weights.
        scaler: Loss scaling of half precision.
    """

    weights: Mapping[str, Tensor]
    averages: Mapping[str, Tensor]
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments by name, whole; where they are spread over processes, each has to call this."""
        tensors = {f"weight.{name}": whole(weight.detach()) for name, weight in self.weights.items()}
        for name, weight in self.weights.items():
            for moment in MOMENTS:
                if moment in self.optimiser.state[weight]:
                    tensors[f"{moment}.{name}"] = whole(self.optimiser.state[weight][moment])
        return tensors

    def save(
        self, folder: Path, tensors: Mapping[str, Tensor], progress: TrainingProgress, data_digest: str
    ) -> None:
        """Write all but the averages to ``folder``, beside the checkpoint that has them.

        Args:
            folder: Where to.
            tensors: From :meth:`tensors`.
            progress: How far the run is.
            data_digest: Digest of what it learns from, see :meth:`load`.
        """
        save_tensors(folder / TENSORS_FILE, tensors)
        values = {
            "format": FORMAT_VERSION,
            "progress": vars(progress),
            "data": data_digest,
            "scaler": self.scaler.state_dict(),
        }
        (folder / PROGRESS_FILE).write_text(json.dumps(values), encoding="utf-8")

    @torch.no_grad()
    def load(self, folder: Path, data_digest: str) -> TrainingProgress:
        """Take everything over from ``folder``.

        Raises:
            CheckpointError: It is damaged, belongs to another network, or its run learnt from other data.
        """
        values = _read_json(folder / PROGRESS_FILE)
        if values["data"] != data_digest:
            raise CheckpointError(
                f"{folder}: the data are not those that this run was started with (episodes came, went or changed); "
                "start a new run, with checkpoints.init_from for its weights"
            )
        stored = load_tensors(folder / TENSORS_FILE)
        self._copy(self.weights, {name: f"weight.{name}" for name in self.weights}, stored, folder)
        self._copy(
            self.averages,
            {name: name for name in self.averages},
            load_tensors(folder / WEIGHTS_FILE),
            folder,
        )
        for name, weight in self.weights.items():
            moments = {moment: stored.get(f"{moment}.{name}") for moment in MOMENTS}
            self.optimiser.state[weight] = {
                # AdamW counts on the CPU.
                moment: tensor if moment == "step" else spread_as(tensor, weight)
                for moment, tensor in moments.items()
                if tensor is not None
            }
        self.scaler.load_state_dict(values["scaler"])
        return TrainingProgress(**values["progress"])

    @staticmethod
    def _copy(
        into: Mapping[str, Tensor], keys: Mapping[str, str], stored: Mapping[str, Tensor], folder: Path
    ) -> None:
        for name, key in keys.items():
            if key not in stored or stored[key].shape != into[name].shape:
                found = tuple(stored[key].shape) if key in stored else "nothing"
                raise CheckpointError(
                    f"{folder} belongs to another network: {name}: expected {tuple(into[name].shape)}, found {found}"
                )
            into[name].copy_(spread_as(stored[key], into[name]))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is missing or damaged: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT_VERSION:
        raise CheckpointError(f"{path}: expected format {FORMAT_VERSION}; this run cannot be resumed")
    return values
