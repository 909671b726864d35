"""A sampler's graph of one step, repeated: all steps in one graph that shares the weights of the one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


def unroll(
    step: Path,
    path: Path,
    state: tuple[str, str],
    constants: Sequence[Mapping[str, NDArray[np.float32]]],
    result: str,
) -> None:
    """Write the graph in ``step``, once for each of ``constants`` and one after the other, to ``path``.

    Weights that ``step`` keeps in a file beside it are not copied: ``path`` must be in the same folder and refers to
    that file too.

    Args:
        step: The graph of one step, without subgraphs.
        path: Where the unrolled graph goes.
        state: The input that takes what the step before made, and the output that makes it.
        constants: For each step, values of inputs that become part of the graph.
        result: Name of the output: the state after the last step.

    Raises:
        ValueError: The folders differ, there is no step, or an input has no such name.
    """
    if step.parent != path.parent or not constants:
        raise ValueError(
            f"expected steps, and both graphs in one folder; got {len(constants)}, {step}, {path}"
        )
    model = onnx.load(step, load_external_data=False)
    graph = model.graph
    state_input, state_output = state
    inputs = {entry.name for entry in graph.input}
    unknown = sorted({state_input, *constants[0]} - inputs)
    if unknown:
        raise ValueError(f"{step} has no input {', '.join(unknown)}; it has {', '.join(sorted(inputs))}")
    given = inputs - {state_input} - set(constants[0])
    fixed = [node for node in graph.node if node.op_type == "Constant"]
    repeated = [node for node in graph.node if node.op_type != "Constant"]
    shared = given | {tensor.name for tensor in graph.initializer} | {node.output[0] for node in fixed} | {""}
    nodes: list[onnx.NodeProto] = []
    current = state_input
    for index, values in enumerate(constants):
        prefix = f"step_{index}/"
        following = result if index == len(constants) - 1 else prefix + state_output
        renamed = {state_input: current, state_output: following}
        for node in repeated:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = prefix + node.name
            for names in (copy.input, copy.output):
                names[:] = [name if name in shared else renamed.get(name, prefix + name) for name in names]
            nodes.append(copy)
        graph.initializer.extend(
            numpy_helper.from_array(value, prefix + name) for name, value in values.items()
        )
        current = following
    every = [*fixed, *nodes]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(every)
    kept = [entry for entry in graph.input if entry.name in given | {state_input}]
    del graph.input[:]
    graph.input.extend(kept)
    next(entry for entry in graph.output if entry.name == state_output).name = result
    onnx.save_model(model, path)
