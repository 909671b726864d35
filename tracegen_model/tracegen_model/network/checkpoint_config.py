"""The readable half of a checkpoint: ``config.json`` says what the tensors beside it are and how to use them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.config import NetworkConfig, NetworkConfigError
from tracegen_model.network.text_tokens import WORD_RULES

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CONDITION_ENCODER_FILE = "condition_encoder.onnx"
SAMPLER_FILE = "sampler.onnx"

FORMAT_VERSION = 1
"""Raised whenever a checkpoint's files change their meaning."""


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or not one that this version reads."""


@dataclass(frozen=True)
class CheckpointConfig:
    """What a checkpoint is and how its network is used.

    Attributes:
        name: Name of the checkpoint.
        preset: Preset that its network was made from.
        network: Sizes and options of the network.
        increment_std: Per-channel scale of the increments (du, dv in fractions of the image, dz in metres): the network
            works on increments divided by it.
        step_length_m: Hand motion that a step of the trace stands for [m of arc length].
        sampler_steps: Euler steps to take unless the user says otherwise.
        word_rules: How words become ids; must be those of this version.
        training: How it was made (data, seed, steps, ...), for people.
        sha256: Digests of the files beside ``config.json``.
    """

    name: str
    preset: str
    network: NetworkConfig
    increment_std: tuple[float, float, float]
    step_length_m: float
    sampler_steps: int
    word_rules: str = WORD_RULES
    training: Mapping[str, Any] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        std = np.asarray(self.increment_std, dtype=float)
        if std.shape != (3,) or not np.isfinite(std).all() or (std <= 0.0).any():
            raise CheckpointError(f"increment_std must be 3 positive numbers, got {self.increment_std}")
        if not self.step_length_m > 0.0:
            raise CheckpointError(f"step_length_m must be positive, got {self.step_length_m}")
        if self.sampler_steps < 1:
            raise CheckpointError(f"sampler_steps must be at least 1, got {self.sampler_steps}")

    @classmethod
    def load(cls, folder: Path) -> CheckpointConfig:
        """Read ``folder``/config.json; raises CheckpointError saying what is wrong with it."""
        path = folder / CONFIG_FILE
        if not path.is_file():
            raise CheckpointError(f"{folder} is not a checkpoint: it has no {CONFIG_FILE}")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(values, dict):
                raise CheckpointError(f"{path}: expected an object, found {type(values).__name__}")
            version = values.pop("format", None)
            if version != FORMAT_VERSION:
                raise CheckpointError(
                    f"{path}: expected format {FORMAT_VERSION}, found {version}; export the checkpoint again"
                )
            values["network"] = NetworkConfig.from_dict(values["network"])
            values["increment_std"] = tuple(values["increment_std"])
            config = cls(**values)
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, NetworkConfigError) as error:
            raise CheckpointError(f"{path} is damaged: {type(error).__name__}: {error}") from error
        if config.word_rules != WORD_RULES:
            raise CheckpointError(
                f"{path}: made for the word rules {config.word_rules!r}, this is {WORD_RULES!r}"
            )
        return config

    def save(self, folder: Path) -> None:
        """Write ``folder``/config.json."""
        values = {"format": FORMAT_VERSION, **dataclasses.asdict(self)}
        (folder / CONFIG_FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    def verify_file(self, folder: Path, name: str) -> Path:
        """Path of a file of the checkpoint in ``folder``; raises CheckpointError when it is missing or altered."""
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; run `tracegen export` or fetch the checkpoint again")
        expected = self.sha256.get(name)
        if expected is not None and file_digest(path) != expected:
            raise CheckpointError(
                f"{path} is damaged: its SHA-256 is not that of {CONFIG_FILE}; fetch the checkpoint again"
            )
        return path

    @property
    def increment_scale(self) -> NDArray[np.float32]:
        """(3,) ``increment_std`` as an array."""
        return np.asarray(self.increment_std, dtype=np.float32)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
