"""Weights of graphs: found in the checkpoint's tensors by what they hold, and beside the graph where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import safetensors.numpy
from onnx import helper, numpy_helper

from tracegen_model.network.graph_weights import (
    ALIGNMENT,
    INSIDE_LIMIT,
    read_tensor,
    weights_files,
    write_graph,
)
from tracegen_model.network.stored_tensors import StoredTensors

RNG = np.random.default_rng(0)
STORED = RNG.standard_normal((40, 30), np.float32)
LARGE = RNG.standard_normal(INSIDE_LIMIT // 4 + 5, np.float32)
LARGER = RNG.standard_normal(INSIDE_LIMIT, np.float32)
SMALL = RNG.standard_normal(7, np.float32)


def sum_graph(**weights: np.ndarray) -> onnx.ModelProto:
    """Adds up all numbers of all weights."""
    nodes = [helper.make_node("ReduceSum", [name], [f"sum of {name}"], keepdims=0) for name in weights]
    nodes.append(helper.make_node("Sum", [node.output[0] for node in nodes], ["sum"]))
    output = helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, [])
    tensors = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "sum", [], [output], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_graph_refers_to_what_is_stored_and_keeps_the_rest_beside_it(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"layer.weight": STORED}, tmp_path / "model.safetensors")
    stored = StoredTensors(tmp_path, ["model.safetensors"])
    weights = {"module.layer.weight": STORED, "codes": LARGE, "more codes": LARGER, "scale": SMALL}
    model = sum_graph(**weights)
    files = write_graph(model, tmp_path / "graph.onnx", stored, "graph.weights")
    assert files == weights_files(model) == ("graph.weights", "model.safetensors")
    assert (tmp_path / "graph.onnx").stat().st_size < STORED.nbytes
    assert (tmp_path / "graph.weights").stat().st_size < LARGE.nbytes + LARGER.nbytes + ALIGNMENT
    session = onnxruntime.InferenceSession(str(tmp_path / "graph.onnx"))
    expected = sum(values.sum(dtype=float) for values in weights.values())
    np.testing.assert_allclose(session.run(None, {})[0], expected, rtol=1e-3)
    read = {tensor.name: read_tensor(tensor, tmp_path) for tensor in model.graph.initializer}
    for name, values in weights.items():
        np.testing.assert_array_equal(read[name], values)


def test_a_graph_whose_weights_are_all_stored_has_no_file_of_its_own(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"layer.weight": STORED}, tmp_path / "model.safetensors")
    stored = StoredTensors(tmp_path, ["model.safetensors"])
    model = sum_graph(weight=STORED, scale=SMALL)
    assert write_graph(model, tmp_path / "graph.onnx", stored, "graph.weights") == ("model.safetensors",)
    assert not (tmp_path / "graph.weights").exists()


def test_of_equal_tensors_the_one_of_the_same_name_is_taken(tmp_path: Path) -> None:
    equal = {f"blocks.{index}.norm.weight": np.ones(16, np.float32) for index in range(12)}
    safetensors.numpy.save_file({**equal, "norm.weight": np.ones(16, np.float32)}, tmp_path / "a.safetensors")
    stored = StoredTensors(tmp_path, ["a.safetensors"])
    for name in equal:
        found = stored.find(f"network.transformer.{name}", equal[name])
        assert found is not None
        assert found.name == name


def test_only_equal_tensors_are_taken(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"weight": STORED}, tmp_path / "a.safetensors")
    stored = StoredTensors(tmp_path, ["a.safetensors"])
    nearly = STORED.copy()
    nearly[3, 4] = np.nextafter(nearly[3, 4], np.inf, dtype=np.float32)
    for other in (nearly, STORED.T, STORED.reshape(-1), STORED.astype(np.float16)):
        assert stored.find("weight", other) is None
    assert stored.find("weight", STORED) is not None
