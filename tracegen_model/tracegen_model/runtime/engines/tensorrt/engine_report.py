"""What a builder made of a graph: layers, the types they compute in, and the engine's inputs and outputs.

An engine is loaded, and so can be inspected, only where a GPU is; what its builder says of it can be read anywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

MATRIX_PRODUCTS = ("MatMul", "Gemm", "Conv")
"""ONNX operators that take nearly all of the time."""

PRECISIONS = {"Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "FP8": "float8"}
"""Names of types that TensorRT and this project give them."""


@dataclass(frozen=True)
class Layer:
    """A layer of an engine: one or a few kernels.

    Attributes:
        name: Made by the builder.
        kind: gemm, kgen, runtime_fusion...
        inputs: Types of its inputs and constants, in TensorRT's words.
        outputs: Types of its outputs.
        operators: Names of the graph's nodes that became it.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operators: tuple[str, ...]

    @property
    def multiplies_matrices(self) -> bool:
        """Whether nodes that multiply matrices, or convolve, are in it."""
        return any(operator.rpartition("/")[2].startswith(MATRIX_PRODUCTS) for operator in self.operators)

    @property
    def precision(self) -> str:
        """What its inputs come in: the narrowest floating-point type among them; "" where there is none."""
        found = [PRECISIONS[name] for name in self.inputs if name in PRECISIONS]
        return min(found, key=lambda name: int(re.sub(r"\D", "", name)), default="")


@dataclass(frozen=True)
class Binding:
    """An input or output of an engine.

    Attributes:
        name: As in the graph.
        is_input: Whether it is one.
        type: In TensorRT's words.
        shape: Fixed sizes.
    """

    name: str
    is_input: bool
    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class EngineReport:
    """Layers and bindings of an engine, in the engine's order."""

    layers: tuple[Layer, ...]
    bindings: tuple[Binding, ...]

    @classmethod
    def parse(cls, text: str) -> EngineReport:
        """From the builder's own words; what is not understood is left out."""
        lines = text.splitlines()
        return cls(
            tuple(_layer(line) for line in lines if ", LayerType: " in line),
            tuple(_binding(line.strip()) for line in lines if ", IOMode: " in line),
        )

    def matrix_precisions(self) -> Counter[str]:
        """Number of layers that multiply matrices, by precision."""
        return Counter(layer.precision for layer in self.layers if layer.multiplies_matrices)


def _layer(line: str) -> Layer:
    head, _, rest = line.partition(", LayerType: ")
    kind, _, rest = rest.partition(",")
    given, _, made = rest.partition("Outputs: [")
    made, _, metadata = made.partition("}], ")
    return Layer(
        name=head.removeprefix("Name: "),
        kind=kind,
        inputs=tuple(re.findall(r"Datatype: (\w+)", given)),
        outputs=tuple(re.findall(r"Datatype: (\w+)", made)),
        operators=tuple(re.findall(r"\[ONNX Layer: ([^\]]*)\]", metadata)),
    )


def _binding(line: str) -> Binding:
    found = re.match(r"Name: (.*), IOMode: (\w+), DataType: (\w+), Dimensions: \[([-\d,]*)\]", line)
    if found is None:
        raise ValueError(f"expected an input or output of an engine, got {line!r}")
    shape = tuple(int(size) for size in found[4].split(",") if size)
    return Binding(found[1], found[2] == "Input", found[3], shape)
