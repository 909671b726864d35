"""Graphs whose weights are kept in files beside them: those of the checkpoint's own tensors wherever it holds them.

Needs no torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from tracegen_model.network.stored_tensors import StoredTensor, StoredTensors

INSIDE_LIMIT = 64 * 1024
"""Tensors that no file holds stay inside the graph up to this size, the nano network's position codes for example
[bytes]."""

ALIGNMENT = 64
"""Where tensors start in weights files: at multiples of a cache line [bytes]."""


def write_graph(model: onnx.ModelProto, path: Path, stored: StoredTensors, weights: str) -> tuple[str, ...]:
    """Write ``model`` to ``path``, its weights by reference; returns the names of the files that hold them.

    Args:
        model: The graph; it changes. Tensors that refer to files already go on doing so.
        path: Where it goes.
        stored: Files beside ``path`` with tensors that it may refer to.
        weights: Name of a new file beside ``path`` for what is neither stored nor small.
    """
    end = 0
    with (path.parent / weights).open("wb") as rest:
        for tensor in model.graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                continue
            values = numpy_helper.to_array(tensor)
            place = stored.find(tensor.name, values) if values.size > 1 else None
            if place is None and values.nbytes > INSIDE_LIMIT:
                start = -(-end // ALIGNMENT) * ALIGNMENT
                rest.write(bytes(start - end) + values.tobytes())
                end = start + values.nbytes
                place = StoredTensor(weights, start, values.nbytes, tensor.name)
            if place is not None:
                _refer(tensor, place)
    if not end:
        (path.parent / weights).unlink()
    path.write_bytes(model.SerializeToString(deterministic=True))
    return weights_files(model)


def weights_files(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the files that ``model`` refers to."""
    places = (entry for tensor in model.graph.initializer for entry in tensor.external_data)
    return tuple(sorted({entry.value for entry in places if entry.key == "location"}))


def _refer(tensor: onnx.TensorProto, place: StoredTensor) -> None:
    for name in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
        tensor.ClearField(name)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", place.file), ("offset", place.offset), ("length", place.length)):
        tensor.external_data.add(key=key, value=str(value))


def read_tensor(tensor: onnx.TensorProto, folder: Path) -> NDArray:
    """Values of an initializer of a graph in ``folder``, from the graph or the file that it refers to."""
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return numpy_helper.to_array(tensor)
    place = {entry.key: entry.value for entry in tensor.external_data}
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    count, offset = int(np.prod(tensor.dims)), int(place.get("offset", 0))
    return np.fromfile(folder / place["location"], dtype, count, offset=offset).reshape(tensor.dims)
