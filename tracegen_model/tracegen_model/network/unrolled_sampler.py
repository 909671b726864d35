"""A whole sampler as one graph: the graph of the velocity, put together by the integrators that everything else uses.

What does not change from one evaluation to the next is in the graph once, and what follows from the time alone (its
embedding, the divisor of a network that predicts the data) is computed while the graph is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tracegen_model.network.graph_dependencies import (
    OF_CONDITION,
    OF_STATE,
    OF_TIME,
    STATE,
    dependencies,
    needed,
)
from tracegen_model.network.graph_weights import read_tensor
from tracegen_model.network.integrators import SamplingPlan

NOISE, TRACES = "noise", "traces"
"""The sampler's input in the place of the velocity's state, and its output."""

Constants = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class GraphValue:
    """A tensor of the graph that is being written; integrators calculate with it as with any other number."""

    name: str
    append: Callable[[str, str, str], GraphValue]
    constant: Callable[[float], str]

    def __add__(self, other: GraphValue) -> GraphValue:
        return self.append("Add", self.name, other.name)

    def __sub__(self, other: GraphValue) -> GraphValue:
        return self.append("Sub", self.name, other.name)

    def __mul__(self, factor: float) -> GraphValue:
        return self.append("Mul", self.name, self.constant(factor))


def compose_sampler(
    velocity: onnx.ModelProto, folder: Path, plan: SamplingPlan, inputs_at: Callable[[float], Constants]
) -> onnx.ModelProto:
    """The graph that takes ``noise`` and the velocity's remaining inputs to ``traces``.

    Weights that the velocity's graph keeps in files stay there: the new graph refers to the same files.

    Args:
        velocity: Graph of the velocity at a ``state``, without subgraphs.
        folder: Where the files are that it refers to.
        plan: How noise becomes traces.
        inputs_at: Values of the velocity's inputs that say the time; they become part of the graph.

    Raises:
        ValueError: The velocity has no input of such a name.
    """
    times = set(inputs_at(plan.times[0]))
    unknown = sorted({STATE, *times} - {entry.name for entry in velocity.graph.input})
    if unknown:
        raise ValueError(f"the velocity's graph has no input {', '.join(unknown)}")
    composer = _Composer(velocity, folder, times, inputs_at)
    return composer.finish(plan.integrate(composer.velocity, composer.value(NOISE)))


class _Composer:
    """Collects the nodes of a sampler.

    Args:
        model: Graph of the velocity.
        folder: Where its weights are.
        times: Names of its inputs that say the time.
        inputs_at: Their values.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        folder: Path,
        times: set[str],
        inputs_at: Callable[[float], Constants],
    ) -> None:
        graph = model.graph
        self._model = onnx.ModelProto.FromString(model.SerializeToString())
        self._times, self._inputs_at = times, inputs_at
        self._result = graph.output[0].name
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        depends = dependencies(graph, times)
        of_node = [(node, depends[node.output[0]]) for node in graph.node]
        self._on_time_alone = [node for node, on in of_node if on <= {OF_TIME}]
        self._on_condition = [node for node, on in of_node if on <= {OF_CONDITION}]
        self._on_time = [node for node, on in of_node if on == {OF_TIME, OF_CONDITION}]
        self._on_state = [node for node, on in of_node if OF_STATE in on]
        known = {name for name, on in depends.items() if on == {OF_TIME}}
        asked = {name for node, on in of_node if on != {OF_TIME} for name in node.input}
        self._tabulated = sorted(known & asked)
        self._tables = self._time_session(folder)
        self._nodes = _copies(self._on_condition, {STATE: NOISE})
        self._constants: dict[str, onnx.TensorProto] = {}
        self._at_times: dict[float, dict[str, str]] = {}
        self._evaluations = 0

    def value(self, name: str) -> GraphValue:
        """The tensor called ``name``."""
        return GraphValue(name, self._append, self._constant)

    def velocity(self, state: GraphValue, time: float) -> GraphValue:
        """The velocity at a state and a time."""
        prefix = f"evaluation_{self._evaluations}/"
        self._evaluations += 1
        renamed = {STATE: state.name, **self._at_time(time)}
        renamed |= {name: prefix + name for node in self._on_state for name in node.output if name}
        self._nodes += _copies(self._on_state, renamed, prefix)
        return self.value(renamed[self._result])

    def finish(self, result: GraphValue) -> onnx.ModelProto:
        """The model whose output is ``result``."""
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [TRACES if name == result.name else name for name in names]
        graph = self._model.graph
        nodes = needed(self._nodes, {TRACES})
        used = {name for node in nodes for name in node.input}
        initializers = [self._weights[name] for name in self._weights if name in used]
        del graph.node[:], graph.value_info[:], graph.initializer[:]
        graph.node.extend(nodes)
        graph.initializer.extend([*initializers, *self._constants.values()])
        inputs = [entry for entry in graph.input if entry.name not in self._times]
        del graph.input[:]
        graph.input.extend(inputs)
        next(entry for entry in graph.input if entry.name == STATE).name = NOISE
        graph.output[0].name = TRACES
        return self._model

    def _append(self, operator: str, left: str, right: str) -> GraphValue:
        name = f"integration_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, [left, right], [name], name=name))
        return self.value(name)

    def _constant(self, value: float) -> str:
        name = f"factor_{value!r}"
        self._constants[name] = numpy_helper.from_array(np.array(value, np.float32), name)
        return name

    def _at_time(self, time: float) -> dict[str, str]:
        """New names of everything that follows from the time alone, or from it and the condition."""
        if time not in self._at_times:
            prefix = f"time_{len(self._at_times)}/"
            tables = self._tables(self._inputs_at(time))
            self._constants |= {
                prefix + name: numpy_helper.from_array(table, prefix + name) for name, table in tables.items()
            }
            nodes = self._on_time
            renamed = {name: prefix + name for name in tables}
            renamed |= {name: prefix + name for node in nodes for name in node.output if name}
            self._nodes += _copies(nodes, renamed, prefix)
            self._at_times[time] = renamed
        return self._at_times[time]

    def _time_session(self, folder: Path) -> Callable[[Constants], dict[str, NDArray]]:
        """Computes what follows from the time alone, as far as the rest of the graph reads it."""
        import onnxruntime

        given = {entry.name: entry for entry in self._model.graph.input if entry.name in self._times}
        made = [name for name in self._tabulated if name not in given]
        nodes = needed(self._on_time_alone, set(made))
        used = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            "what follows from the time alone",
            [entry for name, entry in given.items() if name in used],
            [onnx.ValueInfoProto(name=name) for name in made],
            [
                numpy_helper.from_array(read_tensor(tensor, folder), name)
                for name, tensor in self._weights.items()
                if name in used
            ],
        )
        model = helper.make_model(
            graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version
        )
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

        def tables(constants: Constants) -> dict[str, NDArray]:
            known = dict(constants)
            found = session.run(made, {name: known[name] for name in given if name in used})
            known |= zip(made, found, strict=True)
            return {name: known[name] for name in self._tabulated}

        return tables


def _copies(
    nodes: list[onnx.NodeProto], renamed: Mapping[str, str], prefix: str = ""
) -> list[onnx.NodeProto]:
    copies = []
    for node in nodes:
        copy = onnx.NodeProto.FromString(node.SerializeToString())
        copy.name = prefix + node.name
        for names in (copy.input, copy.output):
            names[:] = [renamed.get(name, name) for name in names]
        copies.append(copy)
    return copies
