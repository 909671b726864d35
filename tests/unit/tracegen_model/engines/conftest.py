"""Every engine and precision that this machine has, on tiny checkpoints of both networks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.onnx_export import export_checkpoint
from tracegen_model.network.quantisation import quantised_graphs
from tracegen_model.runtime.engines import ENGINES, Engine, EngineRequest, load_engine
from tracegen_model.runtime.engines.cache_folder import CACHE_VARIABLE
from tracegen_model.runtime.engines.quantised_graphs import QuantisedGraphs

from ..conftest import TINY, TINY_TRACEGEN
from ..tiny_checkpoints import save_tiny_checkpoint

STEPS = 3
SAMPLES = 3
SENTENCE, OTHER_SENTENCE = "push the red block", "lift"

COMPILED_ON_CPU = [("torch-compiled", "float32", "nano")]
"""All that is compiled where there is no GPU: each takes seconds, and none is offered there unless asked for."""


@dataclass(frozen=True)
class Subject:
    """An engine in a precision, and the checkpoint that it runs."""

    engine: str
    precision: str
    architecture: str
    folder: Path

    @property
    def config(self) -> CheckpointConfig:
        return CheckpointConfig.load(self.folder)

    @property
    def exact(self) -> bool:
        """Whether its traces are those of float32 but for the last digits."""
        return self.precision == "float32"

    def load(self, folder: Path | None = None, samples: int = SAMPLES) -> Engine:
        plan = self.config.default_plan
        request = EngineRequest(folder or self.folder, self.config, plan, 1, self.precision, samples)
        return load_engine(self.engine, request).engine


def combinations() -> Iterator[tuple[str, str, str]]:
    for name, kind in ENGINES.items():
        for precision in kind.precisions:
            for architecture in ("nano", "tracegen"):
                yield name, precision, architecture


def why_not_here(engine: str, precision: str, architecture: str) -> str | None:
    """Why a combination is not tested on this machine."""
    kind = ENGINES[engine]
    reason = kind.why_unavailable() or kind.why_no_precision(precision)
    if reason is None and engine == "torch-compiled" and not torch.cuda.is_available():
        reason = None if (engine, precision, architecture) in COMPILED_ON_CPU else "takes long to compile"
    return reason


def of_every_engine(keep: Callable[[str, str, str], bool] = lambda *_: True) -> list[object]:
    """Parameters of a test that runs on every engine, or on those to ``keep``."""
    marked: list[object] = []
    for combination in combinations():
        if keep(*combination):
            reason = why_not_here(*combination)
            marks = [] if reason is None else [pytest.mark.skip(reason=f"{combination[0]} {reason}")]
            marked.append(pytest.param(combination, marks=marks, id="-".join(combination)))
    return marked


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Exported and quantised checkpoints by architecture; the engines' cache is a folder of its own."""
    patch = pytest.MonkeyPatch()
    patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("engine_cache")))
    folders = {
        name: save_tiny_checkpoint(tmp_path_factory.mktemp(name), sizes, sampler_steps=STEPS)
        for name, sizes in (("nano", TINY), ("tracegen", TINY_TRACEGEN))
    }
    for folder in folders.values():
        exported = export_checkpoint(folder)
        QuantisedGraphs(exported).write(quantised_graphs(folder, exported))
    yield folders
    patch.undo()


@pytest.fixture(scope="session")
def loaded(checkpoints: dict[str, Path]) -> Callable[[Subject], Engine]:
    """Engines that are loaded once for all tests that leave them as they are."""
    return cache(Subject.load)


@pytest.fixture
def subject(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Subject:
    engine, precision, architecture = request.param
    return Subject(engine, precision, architecture, checkpoints[architecture])


@pytest.fixture
def engine(subject: Subject, loaded: Callable[[Subject], Engine]) -> Engine:
    return loaded(subject)


@pytest.fixture
def reference(subject: Subject, loaded: Callable[[Subject], Engine]) -> Engine:
    """PyTorch in float32 on the same checkpoint."""
    return loaded(Subject("torch", "float32", subject.architecture, subject.folder))


def images(subject: Subject, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    side = subject.config.network.image_side
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return colour, rng.uniform(0.5, 1.5, (side, side)).astype(np.float32)


def noise(subject: Subject, samples: int = SAMPLES, seed: int = 1) -> np.ndarray:
    network = subject.config.network
    shape = (samples, network.points, network.horizon, 3)
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def resident_bytes() -> int:
    """Memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
