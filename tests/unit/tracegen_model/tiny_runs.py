"""Training runs of tiny networks that take a moment, for the tests of training."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from tracegen_model.network.checkpoint import load_tensors
from tracegen_model.network.checkpoint_config import WEIGHTS_FILE
from tracegen_model.network.presets import NetworkConfig, architecture_of
from tracegen_model.training.overrides import run_config_from_dict
from tracegen_model.training.run_config import RunConfig
from tracegen_model.training.run_folder import LATEST, LOG_FILE
from tracegen_model.training.start_run import run
from tracegen_model.training.training_state import TENSORS_FILE

PRESET_OF = {"nano": "nano", "tracegen": "base"}


def tiny_settings(network: NetworkConfig, episodes: Path, output: Path, /, **changes: Any) -> dict[str, Any]:
    """Settings of a run of a few steps; ``changes`` by dotted key with ``__`` for the dot."""
    settings: dict[str, Any] = {
        "name": "tiny",
        "preset": PRESET_OF[architecture_of(network)],
        "output": str(output),
        "seed": 3,
        "network": dataclasses.asdict(network),
        "encoders": {"random": architecture_of(network) == "tracegen"},
        "data": {"folders": [str(episodes)], "split_by": "stem", "validation_share": 0.25},
        "augmentation": {"brightness": 0.1, "shift": 1, "words": {"share": 0.5}},
        "objective": {"condition_dropout": 0.2},
        "optimisation": {"steps": 6, "batch": 6, "learning_rate": 1e-3, "warm_up_steps": 2},
        "validation": {"samples": 4, "sampler_steps": 2, "overlays": 0, "every_minutes": None},
        "logging": {"every_steps": 1, "progress_bar": False},
        "hardware": {"device": "cpu", "threads": 1},
    }
    for name, value in changes.items():
        group = settings
        *groups, last = name.split("__")
        for part in groups:
            group = group.setdefault(part, {})
        group[last] = value
    return settings


def tiny_config(network: NetworkConfig, episodes: Path, output: Path, /, **changes: Any) -> RunConfig:
    """See :func:`tiny_settings`."""
    return run_config_from_dict(tiny_settings(network, episodes, output, **changes))


def write_config(path: Path, settings: dict[str, Any]) -> Path:
    """A config file for the command line."""
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def train(
    network: NetworkConfig, episodes: Path, output: Path, /, resume: bool = False, **changes: Any
) -> dict[str, Tensor]:
    """Run, and give everything that the last save holds."""
    run(tiny_config(network, episodes, output, **changes), resume)
    return saved_tensors(output)


def saved_tensors(output: Path) -> dict[str, Tensor]:
    """Weights, moments and averages of the latest save."""
    latest = output / LATEST
    averages = {f"average.{name}": tensor for name, tensor in load_tensors(latest / WEIGHTS_FILE).items()}
    return {**load_tensors(latest / TENSORS_FILE), **averages}


def logged(output: Path, kind: str = "losses") -> list[dict[str, Any]]:
    """Entries of the log."""
    lines = (output / LOG_FILE).read_text(encoding="utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def logged_losses(output: Path) -> dict[int, float]:
    """Loss of each logged step."""
    return {entry["step"]: entry["loss"] for entry in logged(output)}


def largest_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Largest difference of two sets of tensors of the same names; 0 = equal to the bit."""
    assert one.keys() == other.keys()
    return max(
        (
            float((one[name] - other[name]).abs().max())
            for name in one
            if not torch.equal(one[name], other[name])
        ),
        default=0.0,
    )
