"""Writes a checkpoint's ONNX graphs beside its tensors, and checks them against torch."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import torch
from torch import Tensor

from tracegen_model.network.bundle import BUNDLE_FILE, write_bundle
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import (
    ENCODERS_FILE,
    SAMPLER_FILE,
    WEIGHTS_FILE,
    CheckpointConfig,
    file_digest,
)
from tracegen_model.network.checkpoint_graphs import sampler_graph, write_typed_graphs
from tracegen_model.network.graph_dependencies import STATE
from tracegen_model.network.graph_set import GraphSet
from tracegen_model.network.graph_weights import write_graph
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.nano.onnx_export import nano_graphs
from tracegen_model.network.onnx_graphs import check_graph, check_typed_graph
from tracegen_model.network.samplers import repeat_condition
from tracegen_model.network.stored_tensors import StoredTensors
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.network.unrolled_sampler import NOISE, TRACES
from tracegen_model.scratch_folder import scratch_folder

if TYPE_CHECKING:
    from tracegen_model.network.tracegen.encoder_weights import EncoderSource

GRAPH_FILES = ("*.onnx", "*.weights")
"""Patterns of the files that an export makes anew; those of an earlier one are removed."""

SCRATCH_PREFIX = ".export-"
"""Begins the names of folders in the checkpoint that live as long as an export."""


@torch.no_grad()
def export_checkpoint(
    folder: Path,
    encoders: EncoderSource | None = None,
    steps: int | None = None,
    method: str | None = None,
    precisions: Iterable[str] = (),
) -> CheckpointConfig:
    """Write the graphs of the checkpoint in ``folder``; returns the config with all digests.

    The folder changes only after every graph has been checked. All steps of the sampler are checked, which takes as
    long as two predictions.

    Args:
        folder: The checkpoint.
        encoders: Where its pretrained encoders come from; None = where the checkpoint says.
        steps: Steps of the default plan from now on; None = as they are.
        method: Method of the default plan from now on; None = as it is.
        precisions: Half precisions to write the graphs in as well, see ``write_typed_graphs``.

    Raises:
        CheckpointError: The checkpoint is damaged.
        EncoderWeightsError: Pretrained weights cannot be found.
        ExportError: A graph differs from torch by more than the tolerance.
        SamplerError: There are no such steps.
    """
    config, network = load_checkpoint(folder, encoders)
    config = dataclasses.replace(
        config,
        sampler_steps=config.sampler_steps if steps is None else steps,
        sampler_method=config.sampler_method if method is None else method,
    )
    kept = {name: digest for name, digest in config.sha256.items() if name in (WEIGHTS_FILE, ENCODERS_FILE)}
    graph_set = _graph_set(network)
    with scratch_folder(folder, SCRATCH_PREFIX) as work:
        for stored in kept:
            _place_beside(folder / stored, work / stored)
        models, weights, found = _write_graphs(work, config, graph_set, kept)
        graph_set.write_more(work)
        made = {path.name for path in work.iterdir()} - set(kept)
        config = dataclasses.replace(
            config, graphs=weights, sha256=kept | {name: file_digest(work / name) for name in sorted(made)}
        )
        write_bundle(work, config, models, graph_set.meanings, graph_set.description)
        digests = {**config.sha256, BUNDLE_FILE: file_digest(work / BUNDLE_FILE)}
        config = dataclasses.replace(config, sha256=digests)
        for precision in precisions:
            for file in write_typed_graphs(work, config, precision):
                check_typed_graph(work / file, found, found)
                made.add(file)
        for old in {path for pattern in GRAPH_FILES for path in folder.glob(pattern)}:
            if old.name not in made:
                old.unlink()
        for name in (*made, BUNDLE_FILE):
            (work / name).replace(folder / name)
    config.save(folder)
    return config


def _graph_set(network: TraceNetwork) -> GraphSet:
    if isinstance(network, NanoTraceGen):
        return nano_graphs(network)
    # The towers' libraries take seconds to import; the nano network needs none of them.
    from tracegen_model.network.tracegen.onnx_export import tracegen_graphs
    from tracegen_model.network.tracegen.tracegen import TraceGen

    assert isinstance(network, TraceGen)
    return tracegen_graphs(network)


def _write_graphs(
    work: Path, config: CheckpointConfig, graph_set: GraphSet, stored_files: Iterable[str]
) -> tuple[dict[str, onnx.ModelProto], dict[str, tuple[str, ...]], dict[str, Tensor]]:
    """Write and check all graphs; they themselves and the files with their weights by their own files, and the tensors
    that they were checked with by name."""
    stored = StoredTensors(work, stored_files)
    found = dict(graph_set.examples)
    models, weights = {}, {}
    for graph in graph_set.graphs:
        found |= graph(found)
        model = models[graph.file] = graph.trace(found)
        weights[graph.file] = write_graph(model, work / graph.file, stored, _weights_file(graph.file))
        check_graph(work / graph.file, found, found)
    model = models[SAMPLER_FILE] = sampler_graph(work, config.network, config.default_plan)
    weights[SAMPLER_FILE] = write_graph(model, work / SAMPLER_FILE, stored, _weights_file(SAMPLER_FILE))
    found |= {NOISE: found[STATE], TRACES: _sampled(graph_set, config.default_plan, found)}
    check_graph(work / SAMPLER_FILE, found, found)
    return models, weights, found


def _sampled(graph_set: GraphSet, plan: SamplingPlan, found: dict[str, Tensor]) -> Tensor:
    """Not by the graphs' modules again: by the network's own velocity, as every other user of it takes it."""
    noise = found[STATE]
    condition = repeat_condition(graph_set.condition(found), len(noise))

    def velocity(state: Tensor, time: float) -> Tensor:
        return graph_set.network.velocity(state, state.new_full((len(state),), time), condition)

    return plan.integrate(velocity, noise)


def _place_beside(source: Path, path: Path) -> None:
    """The same file under another name: ONNX Runtime looks for weights beside the graph only."""
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)


def _weights_file(graph: str) -> str:
    """Name of the file with the weights of ``graph`` that no other file holds."""
    return graph.removesuffix(".onnx") + ".weights"
