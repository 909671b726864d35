"""The tensors of a checkpoint: safetensors, loaded strictly, never a pickle."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from tracegen_model.network.checkpoint_config import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    CheckpointConfig,
    CheckpointError,
    file_digest,
)
from tracegen_model.network.tracegen import TraceGen


def save_checkpoint(
    folder: Path, config: CheckpointConfig, weights: Mapping[str, Tensor]
) -> CheckpointConfig:
    """Write ``weights`` and ``config`` to ``folder``; returns the config with the weights' digest."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / WEIGHTS_FILE, weights)
    config = dataclasses.replace(config, sha256={WEIGHTS_FILE: file_digest(folder / WEIGHTS_FILE)})
    config.save(folder)
    return config


def load_checkpoint(folder: Path) -> tuple[CheckpointConfig, TraceGen]:
    """Config and network (in evaluation mode) of the checkpoint in ``folder``; raises CheckpointError."""
    config = CheckpointConfig.load(folder)
    network = TraceGen(config.network)
    load_strictly(network, load_tensors(config.verify_file(folder, WEIGHTS_FILE)), folder / CONFIG_FILE)
    return config, network.eval()


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write ``tensors`` to ``path`` at once: a reader sees the old file or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    safetensors.torch.save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part
    )
    part.chmod(0o644)
    part.replace(path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; raises CheckpointError when it is damaged."""
    try:
        return dict(safetensors.torch.load_file(path))
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error


def load_strictly(network: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Load ``tensors``; raises CheckpointError that lists every missing, unexpected and mis-shaped one."""
    expected = network.state_dict()
    missing = sorted(set(expected) - set(tensors))
    unexpected = sorted(set(tensors) - set(expected))
    misshaped = [
        f"{name}: expected {tuple(expected[name].shape)}, found {tuple(tensors[name].shape)}"
        for name in sorted(set(expected) & set(tensors))
        if expected[name].shape != tensors[name].shape
    ]
    problems = {"missing": missing, "unexpected": unexpected, "of another shape": misshaped}
    found = [f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names]
    if found:
        raise CheckpointError(
            f"the tensors do not fit the network that {source} describes; " + "; ".join(found)
        )
    network.load_state_dict(dict(tensors))
