"""What the values of a graph depend on, and which nodes some of them need. Needs no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import onnx

STATE = "state"
"""The velocity's input that changes along the flow."""

OF_STATE, OF_TIME, OF_CONDITION = "state", "time", "condition"
"""What a value can depend on."""


def dependencies(graph: onnx.GraphProto, times: Collection[str]) -> dict[str, frozenset[str]]:
    """What each value of ``graph`` depends on; weights and constants on nothing.

    The shape of the state does not change along the flow: it counts as condition.

    Args:
        graph: A graph without subgraphs.
        times: Its inputs that say the time.
    """
    depends: dict[str, frozenset[str]] = {tensor.name: frozenset() for tensor in graph.initializer}
    for entry in graph.input:
        depends[entry.name] = frozenset({OF_TIME if entry.name in times else OF_CONDITION})
    depends |= {STATE: frozenset({OF_STATE}), "": frozenset()}
    for node in graph.node:
        shape_of_state = node.op_type == "Shape" and node.input[0] == STATE
        on = frozenset({OF_CONDITION}) if shape_of_state else of_inputs(node, depends)
        depends |= {name: on for name in node.output if name}
    return depends


def of_inputs(node: onnx.NodeProto, depends: dict[str, frozenset[str]]) -> frozenset[str]:
    """What the inputs of ``node`` together depend on."""
    return frozenset().union(*(depends[name] for name in node.input))


def needed(nodes: Iterable[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """Those of ``nodes``, which are in order of computation, that ``outputs`` come from."""
    asked, found = set(outputs), []
    for node in reversed(list(nodes)):
        if asked.intersection(node.output):
            asked.update(node.input)
            found.append(node)
    return found[::-1]
