"""From a network, in ONNX or laid out here, to an engine in TensorRT's own format."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracegen_model.network.checkpoint_config import CheckpointError
from tracegen_model.runtime.engines.engine import EngineError
from tracegen_model.runtime.engines.tensorrt.build_progress import (
    BuildInterrupted,
    BuildProgress,
    ProgressListener,
    progress_monitor,
)
from tracegen_model.runtime.engines.tensorrt.flavours import Flavour, allow_capture, network_flags
from tracegen_model.runtime.engines.tensorrt.library_log import library_log
from tracegen_model.runtime.engines.tensorrt.targets import Target, set_target

TF32 = "tf32"
"""Precision in which float32 inputs of matrix products are rounded to 10 bits of mantissa."""

VARYING_SIZE = -1
"""What TensorRT says of an axis whose size a graph leaves open."""


Definition = Callable[[Any, Any, Any], Any]
"""Fills an empty network, given the library, its logger and the network; returns what must live until it is built."""


@dataclass(frozen=True)
class BuiltEngine:
    """What a build makes.

    Attributes:
        serialized: The engine; TensorRT owns the memory.
        information: The builder's list of its layers and bindings.
        timing_cache: How fast kernels were found to be, for the next build; empty where the library keeps none.
    """

    serialized: Any
    information: str
    timing_cache: bytes


def build_engine(
    flavour: Flavour,
    name: str,
    define: Definition,
    precision: str,
    target: Target,
    listener: ProgressListener,
    timing_cache: bytes = b"",
) -> BuiltEngine:
    """Build the engine of one network; its tensors have the types that the definition gives them.

    Args:
        flavour: The library.
        name: Of the network, for people.
        define: Makes the network, such as ``from_onnx(...)``.
        precision: What the network was written in, or ``TF32``: with float32, nothing is rounded behind its back.
        target: GPUs to build for.
        listener: Is told how far the build is.
        timing_cache: What an earlier build returned.

    Raises:
        EngineUnavailable: The library is not installed.
        CheckpointError: TensorRT cannot read the graph.
        EngineError: The build failed; out of memory, for example.
        BuildInterrupted: The listener raised an error.
    """
    library = flavour.library()
    log = library_log(library, builds_without_gpu=flavour.compiles_when_loaded)
    builder = library.Builder(log)
    network = builder.create_network(network_flags(library))
    owner = define(library, log, network)
    settings = builder.create_builder_config()
    settings.profiling_verbosity = library.ProfilingVerbosity.DETAILED
    if precision == TF32:
        settings.set_flag(library.BuilderFlag.TF32)
    else:
        settings.clear_flag(library.BuilderFlag.TF32)
    allow_capture(library, settings)
    set_target(library, settings, target)
    timings = None if flavour.compiles_when_loaded else settings.create_timing_cache(timing_cache)
    if timings is not None:
        settings.set_timing_cache(timings, ignore_mismatch=False)
    monitor = progress_monitor(library, name, listener)
    settings.progress_monitor = monitor
    serialized = _interruptible(lambda: builder.build_serialized_network(network, settings), monitor)
    del owner
    if monitor.failure is not None:
        raise BuildInterrupted(f"the build of {name} was stopped") from monitor.failure
    if serialized is None:
        raise EngineError(f"{flavour.title} could not build {name}: {_reasons(log)}")
    listener(BuildProgress(name, "done", 1.0))
    return BuiltEngine(
        serialized, log.engine_information, b"" if timings is None else bytes(timings.serialize())
    )


def _interruptible(build: Callable[[], Any], monitor: Any) -> Any:
    """What ``build`` returns. It runs beside this thread, so that Ctrl-C arrives here and not amid TensorRT's C++."""
    with ThreadPoolExecutor(1, "tensorrt-build") as pool:
        running = pool.submit(build)
        try:
            return running.result()
        except KeyboardInterrupt as interrupt:
            monitor.failure = interrupt  # The builder asks after each step; the pool waits for it to end.
            raise


def from_onnx(graph: Path, open_sizes: Mapping[str, int], content: bytes | None = None) -> Definition:
    """The network of a graph.

    Args:
        graph: File in ONNX; weights outside it are found beside it.
        open_sizes: Size of the first axis of inputs whose graph leaves it open; 1 for those that are not named.
        content: The graph, instead of what is in the file.
    """

    def define(library: Any, log: Any, network: Any) -> Any:
        if not graph.is_file():
            raise CheckpointError(f"{graph} is missing; run `tracegen export`")
        parser = library.OnnxParser(network, log)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = (
                parser.parse_from_file(str(graph)) if content is None else parser.parse(content, str(graph))
            )
        if not parsed:
            reasons = "; ".join(parser.get_error(index).desc() for index in range(parser.num_errors))
            raise CheckpointError(f"{graph} is not a graph that TensorRT reads: {reasons or _reasons(log)}")
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            shape = tuple(tensor.shape)
            if VARYING_SIZE in shape[1:]:
                raise CheckpointError(
                    f"{graph}: expected only the first axis of {tensor.name} to vary, found {shape}"
                )
            if shape and shape[0] == VARYING_SIZE:
                tensor.shape = (open_sizes.get(tensor.name, 1), *shape[1:])
        return parser  # It owns the weights.

    return define


def combination(terms: int, shape: tuple[int, ...]) -> Definition:
    """The sum of ``term_0`` ... of ``shape``, each times its entry of ``factors`` (terms, 1, 1, ...), as ``sum``."""

    def define(library: Any, log: Any, network: Any) -> Any:
        ones = (1,) * len(shape)
        factors = network.add_input("factors", library.float32, (terms, *ones[1:]))
        total: Any = None
        for index in range(terms):
            term = network.add_input(f"term_{index}", library.float32, shape)
            factor = network.add_slice(factors, (index, *(0,) * len(ones[1:])), ones, ones).get_output(0)
            product = network.add_elementwise(term, factor, library.ElementWiseOperation.PROD).get_output(0)
            if total is None:
                total = product
            else:
                total = network.add_elementwise(total, product, library.ElementWiseOperation.SUM).get_output(
                    0
                )
        total.name = "sum"
        network.mark_output(total)
        return None

    return define


def _reasons(log: Any) -> str:
    return "; ".join(log.errors) or "it does not say why"
