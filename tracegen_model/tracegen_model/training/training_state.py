"""A run that can be taken up again: weights, averaged weights and optimiser moments, as safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tracegen_model.network.checkpoint import load_strictly, load_tensors, save_tensors
from tracegen_model.network.checkpoint_config import CheckpointError

TENSORS_FILE = "training_state.safetensors"
PROGRESS_FILE = "training_state.json"

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Tensors that AdamW keeps for each parameter."""


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


def save_training_state(
    folder: Path,
    progress: TrainingProgress,
    network: nn.Module,
    average: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write everything that a run needs to go on to ``folder``."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.items()}
    for name, parameter in network.named_parameters():
        for moment in MOMENTS:
            if moment in optimiser.state[parameter]:
                tensors[f"{moment}.{name}"] = optimiser.state[parameter][moment]
    save_tensors(folder / TENSORS_FILE, tensors)
    part = folder / (PROGRESS_FILE + ".part")
    part.write_text(json.dumps(vars(progress)), encoding="utf-8")
    part.replace(folder / PROGRESS_FILE)


def load_training_state(
    folder: Path, network: nn.Module, average: dict[str, Tensor], optimiser: torch.optim.Optimizer
) -> TrainingProgress:
    """Fill ``network``, ``average`` and ``optimiser`` from ``folder``; raises CheckpointError when they do not fit."""
    if not (folder / PROGRESS_FILE).is_file():
        raise CheckpointError(f"{folder} holds no run to resume: no {PROGRESS_FILE}")
    progress = TrainingProgress(**json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8")))
    groups: dict[str, dict[str, Tensor]] = {name: {} for name in ("network", "average", *MOMENTS)}
    for key, tensor in load_tensors(folder / TENSORS_FILE).items():
        group, name = key.split(".", 1)
        groups[group][name] = tensor
    load_strictly(network, groups["network"], folder / TENSORS_FILE)
    for name, tensor in average.items():
        if name not in groups["average"]:
            raise CheckpointError(f"{folder / TENSORS_FILE} has no averaged weights {name}")
        tensor.copy_(groups["average"][name])
    for name, parameter in network.named_parameters():
        moments = {moment: groups[moment].get(name) for moment in MOMENTS}
        if all(tensor is not None for tensor in moments.values()):
            optimiser.state[parameter] = {
                "step": torch.tensor(float(progress.step)),
                **{
                    moment: tensor.to(parameter.device)
                    for moment, tensor in moments.items()
                    if tensor is not None
                },
            }
    return progress
