"""Further graphs from those of an exported checkpoint: samplers of other plans, and graphs in half precision.

Needs no torch. The graphs that are returned refer to weights by the names of files in the checkpoint folder: who builds
from the bytes of a graph must say the path of a graph in that folder too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from tracegen_model.atomic_write import write_atomically
from tracegen_model.network.checkpoint_config import (
    SAMPLER_FILE,
    VELOCITY_FILE,
    CheckpointConfig,
    CheckpointError,
)
from tracegen_model.network.half_precision import (
    FLOAT32,
    HALF_PRECISIONS,
    has_half_precision,
    in_half_precision,
)
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.graph_files import MODULATION_FILE
from tracegen_model.network.unrolled_sampler import compose_sampler


def typed_file(graph: str, precision: str) -> str:
    """Name of the file of ``graph`` in ``precision``."""
    return graph if precision == FLOAT32 else graph.removesuffix(".onnx") + f".{precision}.onnx"


def typed_graph(
    folder: Path,
    config: CheckpointConfig,
    graph: str,
    precision: str,
    plan: SamplingPlan | None = None,
) -> onnx.ModelProto:
    """A graph of the checkpoint in ``folder`` with its heavy arithmetic in ``precision``, see ``half_precision``.

    Args:
        folder: An exported checkpoint.
        config: Its config; files are checked against its digests.
        graph: Which graph, by its file.
        precision: float32, or a key of ``HALF_PRECISIONS``.
        plan: How noise becomes traces, for the sampler; None = the checkpoint's default plan.

    Raises:
        CheckpointError: The graph or its weights are missing or altered.
    """
    for name in (graph, *config.graphs.get(graph, ())):
        config.verify_file(folder, name)
    if graph == SAMPLER_FILE and (plan is not None or precision != FLOAT32):
        return sampler_graph(folder, config.network, plan or config.default_plan, precision)
    model = onnx.load(folder / graph, load_external_data=False)
    return model if precision == FLOAT32 else in_half_precision(model, precision)


def write_typed_graphs(folder: Path, config: CheckpointConfig, precision: str) -> tuple[str, ...]:
    """Write the graphs of an exported checkpoint in ``precision`` beside the others; returns their files.

    Graphs without heavy arithmetic have no file: they are the same in all precisions. The files are no part of the
    checkpoint: its config does not list them, and the next export removes them.

    Args:
        folder: The checkpoint.
        config: Its config.
        precision: A key of ``HALF_PRECISIONS``.

    Raises:
        CheckpointError: A graph or its weights are missing or altered; there is no such precision.
    """
    if precision not in HALF_PRECISIONS:
        raise CheckpointError(f"no half precision {precision!r}; there is {', '.join(HALF_PRECISIONS)}")
    if not config.graphs:
        raise CheckpointError(f"{folder} has no graphs that this version runs: tracegen export {folder}")
    files = []
    for graph in config.graphs:
        model = typed_graph(folder, config, graph, precision)
        if not has_half_precision(model):
            continue
        path = folder / typed_file(graph, precision)
        write_atomically(path, model.SerializeToString(deterministic=True))
        files.append(path.name)
    return tuple(files)


def sampler_graph(
    folder: Path, network: NetworkConfig, plan: SamplingPlan, precision: str = FLOAT32
) -> onnx.ModelProto:
    """The sampler of any plan, from the graphs in ``folder``; see :func:`~unrolled_sampler.compose_sampler`.

    Args:
        folder: An exported checkpoint.
        network: Sizes of its network.
        plan: How noise becomes traces.
        precision: Of the heavy arithmetic; the state is float32 in any.
    """
    velocity = onnx.load(folder / VELOCITY_FILE, load_external_data=False)
    if precision != FLOAT32:
        velocity = in_half_precision(velocity, precision)
    return sampler_of(velocity, folder, network, plan)


def sampler_of(
    velocity: onnx.ModelProto, folder: Path, network: NetworkConfig, plan: SamplingPlan
) -> onnx.ModelProto:
    """The sampler that steps along ``velocity``, a variant of the velocity's graph in ``folder``."""
    import onnxruntime

    def time_itself(time: float) -> dict[str, NDArray[np.float32]]:
        return {"time": np.array([time], np.float32)}

    if not isinstance(network, TraceGenConfig):
        return compose_sampler(velocity, folder, plan, time_itself)
    session = onnxruntime.InferenceSession(str(folder / MODULATION_FILE), providers=["CPUExecutionProvider"])

    def modulation(time: float) -> dict[str, NDArray[np.float32]]:
        return {"modulation": np.asarray(session.run(None, time_itself(time))[0])}

    return compose_sampler(velocity, folder, plan, modulation)
