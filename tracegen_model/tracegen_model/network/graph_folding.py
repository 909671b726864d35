"""Shapes and indices that are the same in every run, computed once and for all. Needs no torch."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper

from tracegen_model.network.graph_dependencies import needed

INTEGERS = (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL)
"""Number types of shapes and indices."""


def fold_indices(model: onnx.ModelProto) -> None:
    """Replace, in place, what follows from constant whole numbers by its value; weights stay as they are."""
    import onnxruntime

    graph = model.graph
    whole = [tensor for tensor in graph.initializer if tensor.data_type in INTEGERS]
    known = {tensor.name for tensor in whole}
    constant: list[onnx.NodeProto] = []
    remaining: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.input and all(name in known for name in node.input):
            constant.append(node)
            known.update(node.output)
        else:
            remaining.append(node)
    made = {name for node in constant for name in node.output}
    asked = sorted(made.intersection(name for node in remaining for name in node.input))
    if not asked:
        return
    nodes = needed(constant, asked)
    read = {name for node in nodes for name in node.input}
    folded = helper.make_graph(
        nodes,
        "indices",
        [],
        [onnx.ValueInfoProto(name=name) for name in asked],
        [tensor for tensor in whole if tensor.name in read],
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        helper.make_model(
            folded, opset_imports=model.opset_import, ir_version=model.ir_version
        ).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    values = [
        numpy_helper.from_array(value, name)
        for name, value in zip(asked, session.run(asked, {}), strict=True)
    ]
    replace_nodes(graph, remaining)
    used = {name for node in remaining for name in node.input} | {entry.name for entry in graph.output}
    # One by one: weights take up to 2 GB, and copying them would take as much again.
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name not in used:
            del graph.initializer[place]
    graph.initializer.extend(values)


def gather_constants(graph: onnx.GraphProto) -> None:
    """Make initializers, in place, of all constant nodes, equal ones once."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    same: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "Constant" or node.attribute[0].name != "value":
            kept.append(node)
            continue
        values = numpy_helper.to_array(node.attribute[0].t)
        key = (node.attribute[0].t.data_type, values.shape, values.tobytes())
        same[node.output[0]] = first.setdefault(key, node.output[0])
        if first[key] == node.output[0]:
            graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
    for node in kept:
        node.input[:] = [same.get(name, name) for name in node.input]
    replace_nodes(graph, kept)


def replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Make copies of ``nodes``, which may be its own, the nodes of ``graph``."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
