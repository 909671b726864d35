"""The readable half of a checkpoint: ``config.json`` says what the tensors beside it are and how to use them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from tracegen_model.atomic_write import write_atomically
from tracegen_model.network.config_error import NetworkConfigError
from tracegen_model.network.integrators import METHODS, SamplingPlan
from tracegen_model.network.presets import NetworkConfig, architecture_of, network_config_from_dict

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
ENCODERS_FILE = "encoders.safetensors"
VELOCITY_FILE = "velocity.onnx"
SAMPLER_FILE = "sampler.onnx"

FORMAT_VERSION = 3
"""Raised whenever a checkpoint's files change their meaning."""

OLDER_GRAPHS = 2
"""The format whose tensors are today's, but whose graphs are not: it is read, and has to be exported again."""

GRAPH_SUFFIXES = (".onnx", ".weights")
"""Endings of the names of exported files."""


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or not one that this version reads."""


@dataclass(frozen=True)
class CheckpointConfig:
    """What a checkpoint is and how its network is used.

    Attributes:
        name: Name of the checkpoint.
        preset: Preset that its network was made from.
        network: Sizes and options of the network.
        increment_scale: Per-channel scale of the increments (du, dv in fractions of the image, dz in the depth's unit):
            the network works on increments divided by it.
        sampler_steps: Steps to take unless the user says otherwise.
        sampler_method: Method to step with unless the user says otherwise, a key of ``integrators.METHODS``.
        clip_increments: Scaled increments were clamped to plus or minus this in training; None = not clamped.
        step_length_m: Hand motion that a step of the trace stands for [m of arc length]; None where that is not known.
        condition_dropout: Share of training samples whose sentence was replaced by the empty one; guidance needs it.
        encoders: Digests of the pretrained encoders that the weights were trained beside, by tower.
        training: How it was made (data, seed, steps, ...), for people.
        graphs: Files with the weights of each exported graph, by the graph's file.
        sha256: Digests of the files beside ``config.json``.
    """

    name: str
    preset: str
    network: NetworkConfig
    increment_scale: tuple[float, float, float]
    sampler_steps: int
    clip_increments: float | None = None
    step_length_m: float | None = None
    condition_dropout: float = 0.0
    encoders: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    sampler_method: str = "euler"
    graphs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scale = np.asarray(self.increment_scale, dtype=float)
        if scale.shape != (3,) or not np.isfinite(scale).all() or (scale <= 0.0).any():
            raise CheckpointError(f"increment_scale must be 3 positive numbers, got {self.increment_scale}")
        for name in ("clip_increments", "step_length_m"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise CheckpointError(f"{name} must be positive or null, got {value}")
        if not 0.0 <= self.condition_dropout < 1.0:
            raise CheckpointError(f"condition_dropout must lie in [0, 1), got {self.condition_dropout}")
        if self.sampler_steps < 1:
            raise CheckpointError(f"sampler_steps must be at least 1, got {self.sampler_steps}")
        if self.sampler_method not in METHODS:
            raise CheckpointError(f"sampler_method must be {', '.join(METHODS)}, got {self.sampler_method!r}")

    @property
    def architecture(self) -> str:
        """Name of the network's architecture."""
        return architecture_of(self.network)

    @property
    def default_plan(self) -> SamplingPlan:
        """How noise becomes traces unless the user says otherwise."""
        return SamplingPlan.of(self.sampler_method, self.sampler_steps, self.network.time_shift)

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
            if version not in (OLDER_GRAPHS, FORMAT_VERSION):
                raise CheckpointError(
                    f"{path}: expected format {FORMAT_VERSION} or {OLDER_GRAPHS}, found {version}; take the version "
                    "of tracegen-model that wrote it, or train again"
                )
            if version == OLDER_GRAPHS:
                digests = values.get("sha256", {}).items()
                values["sha256"] = {n: digest for n, digest in digests if not n.endswith(GRAPH_SUFFIXES)}
            values["network"] = network_config_from_dict(values.pop("architecture"), values["network"])
            values["increment_scale"] = tuple(values["increment_scale"])
            return cls(**values)
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, NetworkConfigError) as error:
            raise CheckpointError(f"{path} is damaged: {type(error).__name__}: {error}") from error

    def save(self, folder: Path) -> None:
        """Write ``folder``/config.json."""
        values = {
            "format": FORMAT_VERSION,
            "architecture": self.architecture,
            **dataclasses.asdict(self),
        }
        write_atomically(folder / CONFIG_FILE, json.dumps(values, indent=2) + "\n")

    def verify_file(self, folder: Path, name: str) -> Path:
        """Path of a file of the checkpoint in ``folder``.

        Raises:
            CheckpointError: It is missing or altered, or it is a graph that an older version exported.
        """
        with self._open(folder, name) as file:
            if name in self.sha256:
                self._require_digest(folder, name, hashlib.file_digest(file, "sha256").hexdigest())
        return folder / name

    def read_file(self, folder: Path, name: str) -> bytes:
        """Content of a file of the checkpoint in ``folder``, checked after it has been read.

        Raises:
            CheckpointError: It is missing or altered, or it is a graph that an older version exported.
        """
        with self._open(folder, name) as file:
            content = file.read()
        if name in self.sha256:
            self._require_digest(folder, name, hashlib.sha256(content).hexdigest())
        return content

    @contextmanager
    def _open(self, folder: Path, name: str) -> Iterator[BufferedReader]:
        path = folder / name
        if name.endswith(GRAPH_SUFFIXES) and name not in self.sha256:
            raise CheckpointError(
                f"{folder} has no {name} that this version runs; export it again: tracegen export {folder}"
            )
        try:
            with path.open("rb") as file:
                yield file
        except FileNotFoundError as error:
            raise CheckpointError(
                f"{path} is missing; run `tracegen export` or fetch the checkpoint again"
            ) from error
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error

    def _require_digest(self, folder: Path, name: str, found: str) -> None:
        if found != self.sha256[name]:
            raise CheckpointError(
                f"{folder / name} is damaged: its SHA-256 is not that of {CONFIG_FILE}; fetch the checkpoint again"
            )


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
