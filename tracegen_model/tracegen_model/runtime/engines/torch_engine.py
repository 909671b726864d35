"""PyTorch: runs any checkpoint as it was trained, eagerly or compiled, on CUDA where there is one. Needs torch."""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.conditioning import SUPERVISED_POINTS
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen, colour_from_bytes
from tracegen_model.network.samplers import repeat_condition
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.runtime.engines.accuracy_record import AccuracyRecord
from tracegen_model.runtime.engines.engine import (
    BEST_PRECISION,
    REMEMBERED_SENTENCES,
    EngineCondition,
    EngineDescription,
    EngineError,
    EngineRequest,
)
from tracegen_model.runtime.engines.torch_kinds import COMPILED, EAGER
from tracegen_model.runtime.engines.warm_up import warm_up

if TYPE_CHECKING:
    from tracegen_model.network.tracegen.tracegen import TraceGen

logger = logging.getLogger(__name__)

LIBRARY = f"PyTorch {torch.__version__}"

DEFAULT_PRECISION = "float32"

PREFERRED_ON_GPU = ("bfloat16", "tf32")
"""Precisions that are taken on a GPU, the fastest first, once they have passed the check."""

GPU_COMPILE_MODE = "reduce-overhead"
"""Compiles for GPUs so that CUDA graphs replay what was recorded, instead of launching kernel by kernel."""

WARM_UP_RUNS = 3
"""CUDA graphs are recorded in the second run, and replayed from the third."""

Velocity = Callable[[Tensor, Tensor, Any], Tensor]
"""dx/dt of a state (K, ...) at times (K,) under a condition of K samples."""


class TorchEngine:
    """Runs the network of a checkpoint's ``model.safetensors``.

    float32 is just that, on a GPU too: TF32 is used where it is asked for only.

    Args:
        request: Which checkpoint, and how; threads and the use of TF32 are the process's.

    Raises:
        CheckpointError: A file is missing or damaged.
        EncoderWeightsError: Pretrained encoders cannot be found.
    """

    name = EAGER

    def __init__(self, request: EngineRequest) -> None:
        self._threads = request.threads
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._precision = self._chosen_precision(request)
        self._network = _in_memory(load_checkpoint(request.folder)[1]).to(self._device).requires_grad_(True)
        self._velocity: Velocity = self._network.velocity
        self._encoder = _encoder(self._network)

    @property
    def description(self) -> EngineDescription:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        return self._describe("eager")

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        with self._running():
            image = torch.from_numpy(colour)[None].to(self._device)
            found, points = self._encoder.encode(
                image, torch.from_numpy(depth)[None].to(self._device), instruction
            )
            return EngineCondition(found, None if points is None else points.float().cpu().numpy())

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        with self._running():
            repeated = repeat_condition(condition.inputs, len(state))

            def velocity(state: Tensor, time: float) -> Tensor:
                return self._velocity(state, state.new_full((len(state),), time), repeated).to(state.dtype)

            found = plan.integrate(velocity, torch.from_numpy(state).to(self._device))
            return np.asarray(found.cpu().numpy())

    def close(self) -> None:
        """Tensors let go of their memory with the last reference to the engine; here, PyTorch gives it back."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _chosen_precision(self, request: EngineRequest) -> str:
        if request.precision != BEST_PRECISION:
            return request.precision
        if self._device.type != "cuda":
            return DEFAULT_PRECISION
        record = AccuracyRecord(request.config)
        return record.best(self.name, LIBRARY, PREFERRED_ON_GPU, DEFAULT_PRECISION)

    def _describe(self, detail: str) -> EngineDescription:
        on_gpu = self._device.type == "cuda"
        device = torch.cuda.get_device_name() if on_gpu else f"CPU, threads: {self._threads}"
        return EngineDescription(self.name, device, self._precision, f"{LIBRARY}, {detail}")

    @contextmanager
    def _running(self) -> Iterator[None]:
        """PyTorch set up as this engine wants it, its failures as EngineError.

        Weights are cast to bfloat16 once within it.
        """
        torch.set_num_threads(self._threads)
        tf32 = self._precision == "tf32"
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        half = self._precision == "bfloat16"
        try:
            with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=half):
                yield
        except RuntimeError as error:
            raise EngineError(f"PyTorch failed: {error}") from error


class CompiledTorchEngine(TorchEngine):
    """The same, compiled when it is loaded: with CUDA graphs on a GPU; on a CPU, all but the encoders.

    Args:
        request: Which checkpoint, and how. Numbers of samples other than its own are compiled when they first come.

    Raises:
        CheckpointError: A file is missing or damaged.
        EncoderWeightsError: Pretrained encoders cannot be found.
        EngineError: The compiler failed.
    """

    name = COMPILED

    def __init__(self, request: EngineRequest) -> None:
        super().__init__(request)
        on_gpu = self._device.type == "cuda"
        mode = GPU_COMPILE_MODE if on_gpu else None
        self._compiled_velocity: Velocity = torch.compile(self._network.velocity, dynamic=False, mode=mode)
        self._velocity = self._step
        if on_gpu:
            self._encoder.compile()
        logger.info("compiling %s with PyTorch, which takes a minute or more", request.config.name)
        began = clock.perf_counter()
        for _ in range(WARM_UP_RUNS if on_gpu else 1):
            warm_up(self, request)
        self._compiled_s = clock.perf_counter() - began

    @property
    def description(self) -> EngineDescription:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        return self._describe(f"compiled in {self._compiled_s:.0f} s")

    def _step(self, state: Tensor, time: Tensor, condition: Any) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        # The next step writes over this one's result where CUDA graphs replay it.
        return self._compiled_velocity(state, time, condition).clone()


class _Encoder(Protocol):
    """Images and sentences to conditions."""

    def encode(self, colour: Tensor, depth: Tensor, instruction: str) -> tuple[Any, Tensor | None]:
        """Condition of (1, side, side, 3) uint8, (1, side, side) and a sentence; query points (3, 3), if there are."""

    def compile(self) -> None:
        """Compile it for a GPU."""


class _NanoEncoder:
    def __init__(self, network: NanoTraceGen) -> None:
        self._network = network
        self._words = lru_cache(REMEMBERED_SENTENCES)(lambda sentence: network.words([sentence]))
        self._find_points = network.find_points

    def encode(self, colour: Tensor, depth: Tensor, instruction: str) -> tuple[Any, Tensor | None]:
        words = self._words(instruction).to(colour.device)
        condition, points = self._find_points(colour_from_bytes(colour), depth, words)
        return condition, points.uvz[0, : len(SUPERVISED_POINTS)]

    def compile(self) -> None:
        self._find_points = torch.compile(self._network.find_points, dynamic=False)


class _PublishedEncoder:
    def __init__(self, network: TraceGen) -> None:
        self._network = network
        self._text_tokens = lru_cache(REMEMBERED_SENTENCES)(lambda sentence: network.t5([sentence]))
        self._image_tokens = network.image_tokens

    def encode(self, colour: Tensor, depth: Tensor, instruction: str) -> tuple[Any, Tensor | None]:
        known = torch.ones(1, dtype=torch.bool, device=colour.device)
        images = ImageBatch(colour.permute(0, 3, 1, 2).float() / 255.0, depth, known)
        text = self._text_tokens(instruction)
        tokens = torch.cat([self._image_tokens(images), text], dim=1)
        return self._network.condition_from_tokens(tokens), None

    def compile(self) -> None:
        self._image_tokens = torch.compile(self._network.image_tokens, dynamic=False)


def _in_memory[Network: TraceNetwork](network: Network) -> Network:
    """``network`` with tensors of its own: those of pretrained towers are views of a file, which may be replaced."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.clone()
    return network


def _encoder(network: TraceNetwork) -> _Encoder:
    if isinstance(network, NanoTraceGen):
        return _NanoEncoder(network)
    from tracegen_model.network.tracegen.tracegen import TraceGen

    assert isinstance(network, TraceGen)
    return _PublishedEncoder(network)
