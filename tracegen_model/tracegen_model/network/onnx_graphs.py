"""Parts of networks as ONNX graphs: traced, and checked against torch."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tracegen_model.network.fusable_gelu import fusable_gelu
from tracegen_model.network.graph_folding import fold_indices, gather_constants
from tracegen_model.network.half_precision import emulated

logger = logging.getLogger(__name__)

OPSET = 17
"""ONNX operator set: old enough for the TensorRT releases in use, new enough for LayerNormalization."""

TOLERANCE = 1e-4
"""Largest difference between torch and ONNX Runtime, relative to the outputs' largest magnitude."""

SMALLEST_COSINE = 0.999
"""Smallest cosine between the outputs of a half-precision graph and those of torch in float32."""

Axes = Mapping[str, Mapping[int, str]]
"""Names of axes whose size may vary, by tensor and axis."""


class ExportError(ValueError):
    """An exported graph does not compute what torch computes."""


@dataclass(frozen=True)
class TracedGraph:
    """A part of a network that becomes a graph.

    Attributes:
        file: The graph's file.
        module: What it computes, in evaluation mode.
        inputs: Names of its inputs.
        outputs: Names of its outputs.
        varying: Axes whose size may vary; all others are fixed.
    """

    file: str
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    varying: Axes = field(default_factory=dict)

    def __call__(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What torch computes, by name, from ``values`` that hold the inputs."""
        found = self.module(*(values[name] for name in self.inputs))
        return dict(zip(self.outputs, [found] if isinstance(found, Tensor) else found, strict=True))

    def trace(self, values: Mapping[str, Tensor]) -> onnx.ModelProto:
        """The graph, traced with the inputs among ``values``, which also hold its outputs.

        Parameters keep their names and layouts, so that they can be found in the checkpoint's tensors: whoever runs the
        graph folds what is constant.
        """
        content = io.BytesIO()
        with warnings.catch_warnings(), fusable_gelu(OPSET):
            # The exporter that traces is deprecated, but needs no extra package and writes plain graphs.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                self.module,
                tuple(values[name] for name in self.inputs),
                content,  # type: ignore[arg-type]  # The tracing exporter writes to streams too.
                input_names=list(self.inputs),
                output_names=list(self.outputs),
                dynamic_axes={name: dict(axes) for name, axes in self.varying.items()},
                opset_version=OPSET,
                dynamo=False,
                do_constant_folding=False,
            )
        model = onnx.ModelProto.FromString(content.getbuffer())
        content.close()
        gather_constants(model.graph)
        fold_indices(model)
        for entry in model.graph.output:
            varying = self.varying.get(entry.name, {})
            shape = [varying.get(axis, size) for axis, size in enumerate(values[entry.name].shape)]
            elements = entry.type.tensor_type.elem_type
            entry.type.CopyFrom(onnx.helper.make_tensor_type_proto(elements, shape))
        return model


def check_graph(path: Path, inputs: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ExportError unless the graph in ``path`` makes of ``inputs`` what is ``expected``."""
    for name, found in _run(path, inputs).items():
        wanted = expected[name].numpy()
        error = float(np.abs(found - wanted).max() / max(1.0, float(np.abs(wanted).max())))
        logger.info("%s %s: differs from torch by %.1e", path.name, name, error)
        if not error <= TOLERANCE:
            raise ExportError(
                f"{path.name}: {name} differs from torch by {error:.1e}, more than {TOLERANCE:.0e}"
            )


def check_typed_graph(path: Path, inputs: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ExportError unless the half-precision graph in ``path`` points where float32 does.

    What is checked is the graph with its half-precision numbers multiplied and added in float32, which any CPU can do.
    """
    emulation = path.with_name(f"emulated-{path.name}")
    emulation.write_bytes(emulated(onnx.load(path, load_external_data=False)).SerializeToString())
    for name, found in _run(emulation, inputs).items():
        wanted = expected[name].numpy()
        cosine = float(np.vdot(found, wanted) / (np.linalg.norm(found) * np.linalg.norm(wanted)))
        logger.info("%s %s: cosine to torch in float32 %.6f", path.name, name, cosine)
        if not cosine >= SMALLEST_COSINE:
            raise ExportError(
                f"{path.name}: the cosine of {name} to torch in float32 is {cosine:.6f}, less than {SMALLEST_COSINE}"
            )
    emulation.unlink()


def _run(path: Path, inputs: Mapping[str, Tensor]) -> dict[str, NDArray]:
    """Outputs of the graph in ``path``, by name, on ONNX Runtime's CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {entry.name: inputs[entry.name].numpy() for entry in session.get_inputs()}
    names = [entry.name for entry in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))
