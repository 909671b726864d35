"""Graphs in half precision: products and convolutions are, the rest is not, and they compute what autocast computes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto

from tracegen_model.cli import main
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import (
    SAMPLER_FILE,
    VELOCITY_FILE,
    CheckpointConfig,
    CheckpointError,
)
from tracegen_model.network.checkpoint_graphs import typed_file, typed_graph, write_typed_graphs
from tracegen_model.network.half_precision import HALF_PRECISIONS, HEAVY, emulated
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.conditioning import Conditioning
from tracegen_model.network.nano.graph_files import CONDITION, CONDITION_ENCODER_FILE

from .conftest import TINY
from .tiny_checkpoints import save_tiny_checkpoint

TIME = 0.4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nano checkpoint, exported in all precisions."""
    folder = tmp_path_factory.mktemp("half")
    save_tiny_checkpoint(folder, TINY, sampler_steps=2)
    assert not main(["export", str(folder), "--precision", *HALF_PRECISIONS])
    return folder


def given() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    words = TINY.text_length + 3 + TINY.free_points
    shapes = {
        "state": (2, TINY.points, TINY.horizon, 3),
        "trace": (1, TINY.patches, TINY.width),
        "tokens": (1, words, TINY.width),
        "modulation": (1, TINY.modulation_width),
    }
    drawn = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    return {**drawn, "time": np.array([TIME], np.float32)}


def velocity_on_cpu(folder: Path, model: onnx.ModelProto) -> np.ndarray:
    path = folder / "emulated.onnx"
    path.write_bytes(emulated(model).SerializeToString())
    found = onnxruntime.InferenceSession(str(path)).run(None, given())[0]
    path.unlink()
    return np.asarray(found)


@pytest.mark.parametrize("precision", HALF_PRECISIONS)
def test_the_error_is_that_of_autocast(folder: Path, precision: str) -> None:
    network = load_checkpoint(folder)[1]
    values = {name: torch.from_numpy(value) for name, value in given().items()}
    condition = Conditioning(*(values[name].expand(2, *values[name].shape[1:]) for name in CONDITION))

    def velocity() -> np.ndarray:
        return network.velocity(values["state"], values["time"].expand(2), condition).float().numpy()

    with torch.no_grad():
        exact = velocity()
        with torch.autocast("cpu", getattr(torch, precision)):
            by_autocast = np.abs(velocity() - exact).max()
    found = velocity_on_cpu(
        folder, typed_graph(folder, CheckpointConfig.load(folder), VELOCITY_FILE, precision)
    )
    assert 0.0 < np.abs(found - exact).max() < 2.0 * by_autocast


@pytest.mark.parametrize("precision", HALF_PRECISIONS)
def test_only_products_and_convolutions_are_halved_and_the_weights_stay_in_their_file(
    folder: Path, precision: str
) -> None:
    half = HALF_PRECISIONS[precision]
    for name in (CONDITION_ENCODER_FILE, VELOCITY_FILE, SAMPLER_FILE):
        exact = onnx.load(folder / name, load_external_data=False)
        graph = onnx.load(folder / typed_file(name, precision), load_external_data=False).graph
        assert {entry.name for entry in graph.input} == {entry.name for entry in exact.graph.input}
        for entry in (*graph.input, *graph.output):
            assert entry.type.tensor_type.elem_type != half
        assert {tensor.name for tensor in graph.initializer} == {t.name for t in exact.graph.initializer}
        assert not any(tensor.data_type == half for tensor in graph.initializer)
        halves = {
            node.output[0] for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == half
        }
        readers = {node.op_type for node in graph.node if halves.intersection(node.input)}
        assert readers <= set(HEAVY)
        heavy = [node for node in graph.node if node.op_type in HEAVY]
        assert sum(node.input[0] in halves for node in heavy) > len(heavy) / 2
        for node in heavy:
            assert len({name in halves for name in node.input if name}) == 1


def test_time_coordinates_and_modulation_stay_exact(folder: Path) -> None:
    graphs = {
        name: onnx.load(folder / typed_file(name, "bfloat16"), load_external_data=False).graph
        for name in (CONDITION_ENCODER_FILE, VELOCITY_FILE)
    }

    def exact(name: str) -> set[str]:
        return {
            node.name.split("/")[-2]
            for node in graphs[name].node
            if node.op_type in HEAVY and not any("/bfloat16" in entry for entry in node.input)
        }

    assert exact(VELOCITY_FILE) == {
        "time.0",
        "time.2",
        "modulate_attention",
        "modulate_feed_forward",
        "norm_out",
    }
    assert exact(CONDITION_ENCODER_FILE) == {"encoder", "points"}


def test_a_sampler_of_any_plan_comes_in_half_precision(folder: Path) -> None:
    config, plan = CheckpointConfig.load(folder), SamplingPlan.of("midpoint", 1, 2.0)
    model = typed_graph(folder, config, SAMPLER_FILE, "float16", plan)
    evaluations = {
        node.name.split("/")[0] for node in model.graph.node if node.name.startswith("evaluation_")
    }
    assert len(evaluations) == plan.evaluations
    inputs = {entry.name: entry.type.tensor_type.elem_type for entry in model.graph.input}
    assert inputs["noise"] == TensorProto.FLOAT


def test_the_next_export_removes_them(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert not main(["export", str(copy)])
    assert sorted(path.name for path in copy.glob("*.onnx")) == sorted(CheckpointConfig.load(copy).graphs)


def test_graphs_that_are_missing_or_altered_are_said_so(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    config = CheckpointConfig.load(copy)
    (copy / VELOCITY_FILE).write_bytes(b"another graph")
    with pytest.raises(CheckpointError, match=r"velocity\.onnx is damaged"):
        write_typed_graphs(copy, config, "bfloat16")
    with pytest.raises(CheckpointError, match="there is bfloat16, float16"):
        write_typed_graphs(copy, config, "int8")
