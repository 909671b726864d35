"""Parts of networks as files of ONNX: written by tracing, and checked against torch by ONNX Runtime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

OPSET = 17
"""ONNX operator set: old enough for the TensorRT releases in use, new enough for LayerNormalization."""

TOLERANCE = 1e-4
"""Largest difference between torch and ONNX Runtime, relative to the outputs' largest magnitude."""


class ExportError(RuntimeError):
    """An exported graph does not compute what torch computes."""


def write_graph(
    graph: nn.Module,
    inputs: Sequence[Tensor],
    path: Path,
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]] | None = None,
) -> None:
    """Write ``graph``, traced with ``inputs``, to ``path``.

    Args:
        graph: In evaluation mode.
        inputs: An example of each input.
        path: The file.
        input_names: Names of the inputs.
        output_names: Names of the outputs.
        dynamic_axes: Names of the axes whose size may vary, by tensor and axis; all others are fixed.
    """
    with warnings.catch_warnings():
        # The exporter that traces is deprecated, but needs no extra package and writes plain, fixed-size graphs.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            tuple(inputs),
            str(path),
            input_names=list(input_names),
            output_names=list(output_names),
            dynamic_axes=None
            if dynamic_axes is None
            else {name: dict(axes) for name, axes in dynamic_axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )


def check_graph(
    path: Path, names: Sequence[str], inputs: Sequence[Tensor], expected: Sequence[Tensor]
) -> None:
    """Raise ExportError unless the graph in ``path`` makes of ``inputs``, called ``names``, what is ``expected``."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
    for output, found, wanted in zip(session.get_outputs(), session.run(None, given), expected, strict=True):
        error = float(np.abs(found - wanted.numpy()).max() / max(1.0, float(wanted.abs().max())))
        logger.info("%s %s: differs from torch by %.1e", path.name, output.name, error)
        if not error <= TOLERANCE:
            raise ExportError(
                f"{path}: {output.name} differs from torch by {error:.1e}, more than {TOLERANCE:.0e}"
            )


def move_weights_out(path: Path, weights: str, output_shapes: Mapping[str, Sequence[int | str]]) -> None:
    """Move the tensors of the graph in ``path`` to the file ``weights`` beside it: a graph holds 2 GB at most.

    Numbers that fit in 1 kB stay in the graph.

    Args:
        path: The graph.
        weights: Name of the new file.
        output_shapes: Sizes, or names, of the outputs' axes, which the exporter loses where one of them may vary.
    """
    import onnx

    model = onnx.load(path)
    for entry in model.graph.output:
        kind = entry.type.tensor_type
        shape = onnx.helper.make_tensor_type_proto(kind.elem_type, output_shapes[entry.name])
        entry.type.CopyFrom(shape)
    onnx.save_model(model, path, save_as_external_data=True, location=weights)
