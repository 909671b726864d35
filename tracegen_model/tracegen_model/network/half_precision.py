"""Graphs whose heavy arithmetic is done in half precision, for builders that take types as they are written.

Products of matrices and convolutions read and write half precision; all else stays float32: norms, softmax, what is
added up, inputs and outputs. Weights stay the float32 ones of the file, with a cast behind them that builders fold.

Two kinds of product are left alone, being cheap and delicate: what depends on the flow's time but not on the state
(embedded times, modulation), and products with constants that nobody trained (coordinates, weights of interpolation).

Needs no torch.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from tracegen_model.network.graph_dependencies import OF_STATE, OF_TIME, dependencies, of_inputs

FLOAT32 = "float32"

HALF_PRECISIONS: dict[str, int] = {"bfloat16": TensorProto.BFLOAT16, "float16": TensorProto.FLOAT16}
"""ONNX's number types by the names of precisions."""

HEAVY = ("MatMul", "Gemm", "Conv")
"""Operators that are done in half precision."""

TIME_INPUTS = ("time", "modulation")
"""Inputs that say the time. The nano network's ``modulation`` says words and points: the same holds for it."""


MOVING = ("Cast", "Expand", "Gather", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
"""Operators that make no new numbers."""


def in_half_precision(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """A copy of ``model`` with its heavy arithmetic in ``precision``, a key of ``HALF_PRECISIONS``.

    Args:
        model: A graph whose trained weights are in files, and its untrained constants in itself.
        precision: Of the products and convolutions.
    """
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    graph = copy.graph
    depends = dependencies(graph, TIME_INPUTS)
    untrained = _untrained(graph)
    nodes: list[onnx.NodeProto] = []
    halves: dict[str, str] = {}
    for node in graph.node:
        on = of_inputs(node, depends)
        delicate = untrained.intersection(node.input) or (OF_TIME in on and OF_STATE not in on)
        if node.op_type in HEAVY and not delicate:
            nodes += _halved(node, precision, halves)
        else:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return copy


def has_half_precision(model: onnx.ModelProto) -> bool:
    """Whether anything in ``model`` is done in half precision."""
    half_types = HALF_PRECISIONS.values()
    return any(node.op_type == "Cast" and node.attribute[0].i in half_types for node in model.graph.node)


def emulated(model: onnx.ModelProto) -> onnx.ModelProto:
    """What a graph from :func:`in_half_precision` computes, for libraries that lack half precision on their device.

    Its products read and round to the same numbers, but multiply and add in float32, as tensor cores do.
    """
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    half_types = set(HALF_PRECISIONS.values())
    halves = {
        node.output[0]: node.attribute[0].i
        for node in copy.graph.node
        if node.op_type == "Cast" and node.attribute[0].i in half_types
    }
    nodes: list[onnx.NodeProto] = []
    for node in copy.graph.node:
        inner = onnx.NodeProto.FromString(node.SerializeToString())
        if node.op_type in HEAVY and node.input[0] in halves:
            result = node.output[0]
            inner.input[:] = [f"{name}/of/{result}" if name else "" for name in node.input]
            inner.output[:] = [f"{result}/float32"]
            nodes += [_cast(name, f"{name}/of/{result}", TensorProto.FLOAT) for name in node.input if name]
            nodes += [inner, _cast(inner.output[0], result, halves[node.input[0]])]
        else:
            nodes.append(inner)
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _halved(node: onnx.NodeProto, precision: str, halves: dict[str, str]) -> list[onnx.NodeProto]:
    """``node`` between casts; ``halves`` has the tensors that are cast already, by their float32 names."""
    nodes = []
    for name in node.input:
        if name and name not in halves:
            halves[name] = f"{name}/{precision}"
            nodes.append(_cast(name, halves[name], HALF_PRECISIONS[precision]))
    inner = onnx.NodeProto.FromString(node.SerializeToString())
    inner.input[:] = [halves.get(name, name) for name in node.input]
    inner.output[:] = [f"{node.output[0]}/{precision}/result"]
    return [*nodes, inner, _cast(inner.output[0], node.output[0], TensorProto.FLOAT)]


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}/cast", to=to)


def _untrained(graph: onnx.GraphProto) -> set[str]:
    """Constants that nobody trained, and what merely moves their numbers."""
    found = {tensor.name for tensor in graph.initializer if tensor.data_location != TensorProto.EXTERNAL}
    for node in graph.node:
        if node.op_type in MOVING and node.input[0] in found:
            found.update(node.output)
    return found
