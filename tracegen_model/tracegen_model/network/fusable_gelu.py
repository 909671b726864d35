"""GELU written so that ONNX Runtime recognises it: with tanh and the cube as a power, it becomes one operator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.onnx import symbolic_helper
from torch.onnx.symbolic_opset9 import gelu as as_torch_writes_it
from torch.onnx.utils import register_custom_op_symbolic, unregister_custom_op_symbolic

CUBE_WEIGHT = 0.044715
"""Of x³ in the approximation of GELU by tanh (Hendrycks and Gimpel 2016)."""


@contextmanager
def fusable_gelu(opset: int) -> Iterator[None]:
    """While it is open, exports with operator set ``opset`` write GELU in this way."""
    register_custom_op_symbolic("aten::gelu", _gelu, opset)
    try:
        yield
    finally:
        unregister_custom_op_symbolic("aten::gelu", opset)


@symbolic_helper.parse_args("v", "s")
def _gelu(graph: Any, x: Any, approximate: str) -> Any:
    if approximate != "tanh":
        return as_torch_writes_it(graph, x, approximate)

    def constant(value: float) -> Any:
        return graph.op("Constant", value_t=torch.tensor(value, dtype=torch.float32))

    cube = graph.op("Pow", x, constant(3.0))
    inner = graph.op("Add", x, graph.op("Mul", cube, constant(CUBE_WEIGHT)))
    tanh = graph.op("Tanh", graph.op("Mul", inner, constant(math.sqrt(2.0 / math.pi))))
    return graph.op("Mul", graph.op("Mul", x, constant(0.5)), graph.op("Add", tanh, constant(1.0)))
