"""The engines of a checkpoint: which graphs it has, when each one runs, and where their engines are."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tracegen_model.network.checkpoint_config import VELOCITY_FILE, CheckpointConfig, CheckpointError
from tracegen_model.network.nano.graph_files import CONDITION_ENCODER_FILE
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.graph_files import (
    CONDITION_FILE,
    MODULATION_FILE,
    TEXT_ENCODER_FILE,
    VISION_ENCODER_FILE,
)
from tracegen_model.runtime.engines.tensorrt.build_progress import ProgressListener
from tracegen_model.runtime.engines.tensorrt.engine_builder import (
    TF32,
    BuiltEngine,
    Definition,
    build_engine,
    combination,
    from_onnx,
)
from tracegen_model.runtime.engines.tensorrt.engine_cache import EngineCache, EngineOrder
from tracegen_model.runtime.engines.tensorrt.flavours import Flavour
from tracegen_model.runtime.engines.tensorrt.targets import Gpu, Target
from tracegen_model.runtime.engines.tensorrt.typed_graphs import HALF_PRECISIONS, rules_digest, typed_graph

PRECISIONS = ("float32", TF32, *HALF_PRECISIONS)
"""What engines can compute in. float32 rounds nothing; whether the others pass the gates has to be measured."""

COMBINATION = "combination"
"""Name of the engine that adds up states and velocities."""

MOST_TERMS = 3
"""States and velocities that it adds up at a time: what the widest of the methods needs."""

COMBINATION_VERSION = 1
"""Raised whenever that engine's network changes."""

STATE = "state"
"""The tensor whose first axis is the samples."""


@dataclass(frozen=True)
class NetworkStages:
    """Graphs of a network by when they run. Tensors of the same name are the same tensor.

    Attributes:
        sentence: Once for each sentence, in order.
        frame: Once for each image, in order.
        time: Once for each time of a plan, ahead of everything else.
        velocity: At each time of a plan.
    """

    sentence: tuple[str, ...]
    frame: tuple[str, ...]
    time: tuple[str, ...]
    velocity: str

    @property
    def graphs(self) -> tuple[str, ...]:
        """All of them, the ones that people wait for longest last."""
        return (*self.time, *self.sentence, self.velocity, *self.frame)


NANO = NetworkStages(sentence=(), frame=(CONDITION_ENCODER_FILE,), time=(), velocity=VELOCITY_FILE)
PUBLISHED = NetworkStages(
    sentence=(TEXT_ENCODER_FILE,),
    frame=(VISION_ENCODER_FILE, CONDITION_FILE),
    time=(MODULATION_FILE,),
    velocity=VELOCITY_FILE,
)


def network_stages(config: CheckpointConfig) -> NetworkStages:
    """The graphs of a checkpoint's network."""
    return PUBLISHED if isinstance(config.network, TraceGenConfig) else NANO


def check_precision(precision: str) -> None:
    """Raise CheckpointError naming the choices unless engines can compute in ``precision``."""
    if precision not in PRECISIONS:
        raise CheckpointError(f"no precision {precision!r}; there is {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class CheckpointEngines:
    """What is built of a checkpoint.

    Attributes:
        folder: The checkpoint.
        config: Its config.
        flavour: The library.
        precision: One of ``PRECISIONS``.
        samples: Samples K that are drawn together.
        target: What to build for.
        gpu: The GPU that will run the engines; None = none in this machine.
    """

    folder: Path
    config: CheckpointConfig
    flavour: Flavour
    precision: str
    samples: int
    target: Target
    gpu: Gpu | None = None

    def get(self, cache: EngineCache, listener: ProgressListener) -> dict[str, Path]:
        """Files of the engines, by graph and ``COMBINATION``; those that are not in the cache are built.

        Raises:
            EngineUnavailable: The library is not installed.
            CheckpointError: A graph is missing, damaged, or not one that TensorRT reads.
            EngineError: A build failed.
            OSError: The cache cannot be written.
        """
        adding = combination(MOST_TERMS, self._state_shape)
        build = partial(self._build, COMBINATION, adding, "float32", listener)
        found = {COMBINATION: cache.get(self._order_of_combination(), build)}
        for name in network_stages(self.config).graphs:
            self.config.verify_file(self.folder, name)
            found[name] = cache.get(self._order(name), partial(self._build_graph, name, cache, listener))
        return found

    @property
    def _open_sizes(self) -> Mapping[str, int]:
        return {STATE: self.samples}

    @property
    def _state_shape(self) -> tuple[int, int, int, int]:
        return (self.samples, self.config.network.points, self.config.network.horizon, 3)

    def _order(self, graph: str) -> EngineOrder:
        digests = self.config.sha256
        parts = {"graph": digests[graph], "half precision": rules_digest(self.precision)}
        return EngineOrder(
            flavour=self.flavour.name,
            version=str(self.flavour.library().__version__),
            graph=graph,
            graph_sha256=_digest(parts),
            weights_sha256=_digest({file: digests[file] for file in self.config.graphs.get(graph, ())}),
            precision=self.precision,
            open_sizes=self._open_sizes if graph == VELOCITY_FILE else {},
            target=self.target,
            gpu=self.gpu,
        )

    def _order_of_combination(self) -> EngineOrder:
        return EngineOrder(
            flavour=self.flavour.name,
            version=str(self.flavour.library().__version__),
            graph=COMBINATION,
            graph_sha256=_digest({"version": COMBINATION_VERSION, "shape": self._state_shape}),
            weights_sha256="",
            precision="float32",
            open_sizes={},
            target=self.target,
            gpu=self.gpu,
        )

    def _build_graph(
        self, graph: str, cache: EngineCache, listener: ProgressListener, timing_cache: bytes
    ) -> BuiltEngine:
        # From a copy: TensorRT maps weights into memory, where a file that changes would change the engine or, were it
        # cut short, end the process.
        with cache.scratch_folder() as copy:
            for file in (graph, *self.config.graphs.get(graph, ())):
                _copy(self.folder / file, copy / file)
                self.config.verify_file(copy, file)
            content = typed_graph(copy, self.config, graph, self.precision)
            define = from_onnx(copy / graph, self._open_sizes, content)
            return self._build(graph, define, self.precision, listener, timing_cache)

    def _build(
        self,
        name: str,
        define: Definition,
        precision: str,
        listener: ProgressListener,
        timing_cache: bytes,
    ) -> BuiltEngine:
        return build_engine(self.flavour, name, define, precision, self.target, listener, timing_cache)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{source} is missing; run `tracegen export` or fetch the checkpoint again"
        ) from error


def _digest(values: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
