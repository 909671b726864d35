"""The base network's graphs are compiled by TensorRT for RTX, on a machine without a GPU.

The transformer is the published one, 73 million parameters. Its towers have their full width and image, and the first
blocks of their full depth: with all of them, tracing and compiling take 8 GB of memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tracegen_model.network.checkpoint_config import CheckpointConfig, file_digest
from tracegen_model.network.graph_weights import write_graph
from tracegen_model.network.stored_tensors import StoredTensors
from tracegen_model.network.tracegen.config import Dinov3Config, SiglipConfig, T5Config, TraceGenConfig
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.onnx_export import tracegen_graphs
from tracegen_model.network.tracegen.tracegen import TraceGen

from .conftest import build, needs_tensorrt_rtx, report

pytestmark = [needs_tensorrt_rtx, pytest.mark.timeout(600)]

TOWER_BLOCKS = 2
NETWORK = TraceGenConfig(
    dinov3=Dinov3Config(depth=TOWER_BLOCKS),
    siglip=SiglipConfig(depth=TOWER_BLOCKS),
    t5=T5Config(depth=TOWER_BLOCKS),
)
SAMPLES = 2
PRECISION = "bfloat16"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The graphs of a network with random weights."""
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    graph_set = tracegen_graphs(TraceGen(NETWORK, EncoderSource(random=True, seed=0)))
    values = {name: value[:1] for name, value in graph_set.examples.items()}
    weights = {}
    with torch.no_grad():
        for graph in graph_set.graphs:
            values |= graph(values)
            stored = StoredTensors(folder, ())
            weights[graph.file] = write_graph(
                graph.trace(values), folder / graph.file, stored, f"{graph.file}.weights"
            )
    config = CheckpointConfig(
        name="base",
        preset="base",
        network=NETWORK,
        increment_scale=(0.05, 0.05, 0.04),
        sampler_steps=8,
        graphs=weights,
        sha256={path.name: file_digest(path) for path in folder.iterdir()},
    )
    config.save(folder)
    yield folder
    for path in folder.iterdir():  # Gigabytes; pytest keeps the folders of three runs.
        path.unlink()


@pytest.fixture(scope="module")
def engines(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    cache = tmp_path_factory.mktemp("engines")
    yield build(folder, cache, PRECISION, SAMPLES)[0]
    for path in cache.rglob("*.engine"):
        path.unlink()


def test_the_transformer_is_the_published_one() -> None:
    published = TraceGenConfig()
    towers = {"dinov3": published.dinov3, "siglip": published.siglip, "t5": published.t5}
    assert dataclasses.replace(NETWORK, **towers) == published


def test_every_graph_becomes_an_engine(engines: dict[str, Path]) -> None:
    assert set(engines) == {
        "combination",
        "vision_encoder.onnx",
        "text_encoder.onnx",
        "condition.onnx",
        "modulation.onnx",
        "velocity.onnx",
    }


def test_matrix_products_are_in_half_precision_and_only_modulation_is_not(engines: dict[str, Path]) -> None:
    # In each block, at least: queries, keys and values together, attention, output, two of the feed-forward layers.
    counts = {name: report(path).matrix_precisions() for name, path in engines.items()}
    assert counts["velocity.onnx"][PRECISION] >= 5 * NETWORK.blocks
    assert counts["vision_encoder.onnx"][PRECISION] >= 5 * 2 * TOWER_BLOCKS
    assert counts["text_encoder.onnx"][PRECISION] >= 5 * TOWER_BLOCKS
    assert set(counts["velocity.onnx"]) == set(counts["text_encoder.onnx"]) == {PRECISION}
    assert set(counts["condition.onnx"]) == {PRECISION}
    assert set(counts["modulation.onnx"]) == {"float32"}


def test_half_of_the_transformers_weights_are_gone(engines: dict[str, Path], folder: Path) -> None:
    stored = (folder / "velocity.onnx.weights").stat().st_size
    assert 0.45 * stored < engines["velocity.onnx"].stat().st_size < 0.6 * stored


def test_one_graph_gives_what_the_next_one_takes(engines: dict[str, Path]) -> None:
    bindings = {
        (name, entry.name): (entry.type, entry.shape)
        for name, path in engines.items()
        for entry in report(path).bindings
    }
    for made, taken, tensor in (
        ("vision_encoder.onnx", "condition.onnx", "image_tokens"),
        ("text_encoder.onnx", "condition.onnx", "text_tokens"),
        ("condition.onnx", "velocity.onnx", "condition"),
        ("modulation.onnx", "velocity.onnx", "modulation"),
    ):
        assert bindings[made, tensor] == bindings[taken, tensor]
        assert bindings[made, tensor][0] == "Float"
    state = ("Float", (SAMPLES, NETWORK.points, NETWORK.horizon, 3))
    assert bindings["velocity.onnx", "state"] == bindings["velocity.onnx", "velocity"] == state
    assert bindings["vision_encoder.onnx", "colour"] == ("UInt8", (1, 384, 384, 3))
    assert bindings["vision_encoder.onnx", "depth_known"] == ("Bool", (1,))
    assert bindings["text_encoder.onnx", "token_ids"] == ("Int64", (1, NETWORK.text_length))
