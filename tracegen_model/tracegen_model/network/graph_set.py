"""What a network's export consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from tracegen_model.network.onnx_graphs import TracedGraph
from tracegen_model.network.trace_network import TraceNetwork

EXAMPLE_SAMPLES = 2
"""Samples that velocity and sampler are traced and checked with; any other number works too."""


@dataclass(frozen=True)
class GraphSet:
    """The graphs of a network, but for the sampler, which is put together from the velocity.

    Attributes:
        network: The network.
        graphs: What is traced, in the order in which the graphs feed each other; the velocity is the last one.
        examples: Inputs to trace and check with, by name, as far as no graph before makes them.
        condition: Condition of one sample as the network's own ``velocity`` takes it, from all tensors by name.
        meanings: What each tensor is.
        description: Entries of the bundle that only this network has.
        write_more: Writes further files that running the graphs needs; returns their names.
    """

    network: TraceNetwork
    graphs: tuple[TracedGraph, ...]
    examples: Mapping[str, Tensor]
    condition: Callable[[Mapping[str, Tensor]], Any]
    meanings: Mapping[str, str]
    description: Mapping[str, Any] = field(default_factory=dict)
    write_more: Callable[[Path], tuple[str, ...]] = lambda folder: ()
