"""The published network's ONNX graphs compute what torch computes, and a bundle says all that running them needs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tokenizers
import torch
from tokenizers import models, pre_tokenizers, processors

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.cli import main
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError, file_digest
from tracegen_model.network.checkpoint_graphs import typed_file, write_typed_graphs
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.tracegen.encoder_weights import HASHED_WORDS, TOKENISER_FILE
from tracegen_model.network.tracegen.graph_files import MODULATION_FILE
from tracegen_model.network.tracegen.tokeniser import T5Tokeniser
from tracegen_model.network.tracegen.tracegen import TraceGen
from tracegen_model.runtime import TracePredictor
from tracegen_model.runtime.engines import Engine, EngineRequest, load_engine

from .conftest import TINY_TRACEGEN
from .tiny_checkpoints import save_tiny_checkpoint

SIDE = TINY_TRACEGEN.image_side
STEPS = 3
TOLERANCE = 1e-4
CAMERA = CameraIntrinsics(60.0, 60.0, 31.5, 23.5, 64, 48)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole checkpoint, exported by the command; its words are hashed."""
    folder = save_tiny_checkpoint(tmp_path_factory.mktemp("tracegen"), TINY_TRACEGEN, sampler_steps=STEPS)
    assert not main(["export", str(folder)])
    return folder


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    colour = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return colour, rng.uniform(0.0, 2.0, (SIDE, SIDE)).astype(np.float32)


def loaded(name: str, folder: Path, config: CheckpointConfig) -> Engine:
    """The engine called ``name``, for three unequal steps."""
    plan = SamplingPlan.of("euler", STEPS, shift=2.0)
    return load_engine(name, EngineRequest(folder, config, plan)).engine


def run(folder: Path, graph: str, **inputs: np.ndarray) -> np.ndarray:
    return np.asarray(onnxruntime.InferenceSession(str(folder / graph)).run(None, inputs)[0])


def test_onnx_runtime_takes_the_steps_that_torch_takes(
    folder: Path, images: tuple[np.ndarray, np.ndarray]
) -> None:
    config = CheckpointConfig.load(folder)
    state = np.random.default_rng(1).standard_normal(
        (2, TINY_TRACEGEN.points, TINY_TRACEGEN.horizon, 3), np.float32
    )
    plan = SamplingPlan("adams_bashforth", (0.0, 0.2, 0.5, 1.0))
    states = []
    for name in ("torch", "onnxruntime"):
        engine = loaded(name, folder, config)
        for sentence in ("push the red block", "lift", "push the red block"):
            condition = engine.condition(*images, sentence)
            states.append(engine.sample(state, condition, plan))
    for expected, found in zip(states[:3], states[3:], strict=True):
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    assert np.abs(states[3] - states[4]).max() > 10.0 * TOLERANCE
    np.testing.assert_array_equal(states[3], states[5])


def test_the_tokeniser_comes_with_the_graphs(tmp_path: Path, images: tuple[np.ndarray, np.ndarray]) -> None:
    vocabulary = {word: index for index, word in enumerate(["<pad>", "</s>", "<unk>", "lift", "push"])}
    pieces = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    pieces.pre_tokenizer = pre_tokenizers.Whitespace()
    pieces.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    pieces.save(str(tmp_path / TOKENISER_FILE))
    digest = T5Tokeniser(tmp_path / TOKENISER_FILE, TINY_TRACEGEN.text_length).digest()
    save_tiny_checkpoint(tmp_path, TINY_TRACEGEN, encoders={"tokeniser": digest}, sampler_steps=STEPS)
    assert not main(["export", str(tmp_path)])
    config = CheckpointConfig.load(tmp_path)
    state = np.zeros((1, TINY_TRACEGEN.points, TINY_TRACEGEN.horizon, 3), np.float32)
    expected, found, other = (
        engine.sample(state, engine.condition(*images, sentence), config.default_plan)
        for engine, sentence in (
            (loaded("torch", tmp_path, config), "lift it"),
            (loaded("onnxruntime", tmp_path, config), "lift it"),
            (loaded("onnxruntime", tmp_path, config), "push it"),
        )
    )
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    assert np.abs(found - other).max() > 10.0 * TOLERANCE
    (tmp_path / TOKENISER_FILE).unlink()
    with pytest.raises(CheckpointError, match=f"{TOKENISER_FILE} is missing"):
        loaded("onnxruntime", tmp_path, config)


def test_the_predictor_gives_the_same_traces_on_both_engines(folder: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    depth = np.full((48, 64), 0.8, np.float32)
    expected, found = (
        TracePredictor(folder, engine=engine).predict(colour, depth, CAMERA, "go").traces.points_in_camera
        for engine in ("torch", "onnxruntime")
    )
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_many_samples_share_one_condition_and_the_sampler_takes_the_steps_of_the_default_plan(
    folder: Path,
) -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((4, TINY_TRACEGEN.points, TINY_TRACEGEN.horizon, 3), np.float32)
    condition = rng.standard_normal((1, TINY_TRACEGEN.condition_length, TINY_TRACEGEN.width), np.float32)
    plan = CheckpointConfig.load(folder).default_plan
    assert plan.steps == STEPS

    def velocity(state: np.ndarray, time: float) -> np.ndarray:
        modulation = run(folder, "modulation.onnx", time=np.array([time], np.float32))
        return run(folder, "velocity.onnx", state=state, modulation=modulation, condition=condition)

    together = run(folder, "sampler.onnx", noise=noise, condition=condition)
    np.testing.assert_allclose(together, plan.integrate(velocity, noise), atol=1e-5)
    alone = [run(folder, "sampler.onnx", noise=sample[None], condition=condition)[0] for sample in noise]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_an_image_without_depth_is_known_as_such(folder: Path, images: tuple[np.ndarray, np.ndarray]) -> None:
    colour, depth = images
    network = load_checkpoint(folder)[1]
    assert isinstance(network, TraceGen)
    for known in (True, False):
        batch = ImageBatch(
            torch.from_numpy(colour).permute(2, 0, 1)[None] / 255.0,
            torch.from_numpy(depth)[None],
            torch.tensor([known]),
        )
        with torch.no_grad():
            expected = network.image_tokens(batch).numpy()
        given = {"colour": colour[None], "depth": depth[None], "depth_known": np.array([known])}
        np.testing.assert_allclose(run(folder, "vision_encoder.onnx", **given), expected, atol=TOLERANCE)


def test_the_bundle_names_every_tensor_and_every_file(folder: Path) -> None:
    bundle = json.loads((folder / "bundle.json").read_text())
    graphs = {path.name for path in folder.glob("*.onnx")}
    assert set(bundle["graphs"]) == graphs
    for name, tensors in bundle["graphs"].items():
        session = onnxruntime.InferenceSession(str(folder / name))
        for kind, entries in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            assert {entry.name: list(entry.shape) for entry in entries} == {
                tensor: described["shape"] for tensor, described in tensors[kind].items()
            }
            assert all(described["meaning"] for described in tensors[kind].values())
    assert bundle["tokeniser"]["source"] == HASHED_WORDS
    assert {path.name for path in folder.iterdir()} - {"config.json", "bundle.json"} == set(bundle["sha256"])
    assert all(file_digest(folder / name) == digest for name, digest in bundle["sha256"].items())
    assert bundle["sha256"].items() < CheckpointConfig.load(folder).sha256.items()


def stored(graph: onnx.GraphProto) -> set[tuple[str, str]]:
    """Files and offsets of the weights of ``graph``."""
    places = ({entry.key: entry.value for entry in tensor.external_data} for tensor in graph.initializer)
    return {(place["location"], place["offset"]) for place in places if place}


def test_graphs_hold_what_they_need_once_and_nothing_else(folder: Path) -> None:
    config = CheckpointConfig.load(folder)
    graphs = {name: onnx.load(folder / name, load_external_data=False).graph for name in config.graphs}
    for graph in graphs.values():
        used = {entry for node in graph.node for entry in node.input}
        assert {tensor.name for tensor in graph.initializer} <= used
        assert not [tensor.name for tensor in graph.initializer if "head" in tensor.name]
    operators = {name: [node.op_type for node in graph.node] for name, graph in graphs.items()}
    # Patches of DINOv3, of SigLIP for colour and depth together, and what makes a colour image of the depth.
    assert operators["vision_encoder.onnx"].count("Conv") == 3
    assert not {"Sin", "Cos"}.intersection(operators["sampler.onnx"], operators["velocity.onnx"])
    assert stored(graphs["velocity.onnx"]) == {
        place for place in stored(graphs["sampler.onnx"]) if place[0] != "sampler.weights"
    }
    assert not any(
        places & stored(graphs["modulation.onnx"])
        for places in (stored(graphs["sampler.onnx"]), stored(graphs["condition.onnx"]))
    )
    files = {file for files in config.graphs.values() for file in files}
    assert {"model.safetensors", "encoders.safetensors"} <= files
    assert sum((folder / file).stat().st_size for file in files if file.endswith(".weights")) == 0


def test_half_precision_leaves_the_modulation_alone(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    config = CheckpointConfig.load(copy)
    assert set(write_typed_graphs(copy, config, "bfloat16")) == {
        typed_file(name, "bfloat16") for name in config.graphs if name != MODULATION_FILE
    }


@pytest.mark.parametrize("name", ["text_encoder.onnx", "encoders.safetensors"])
def test_damaged_files_are_noticed(folder: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / name).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=f"{name} is damaged"):
        TracePredictor(copy, engine="onnxruntime")


def test_predicting_needs_no_torch(folder: Path) -> None:
    code = f"""
import sys, numpy as np
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.runtime import TracePredictor
camera = CameraIntrinsics(60.0, 60.0, 31.5, 23.5, 64, 48)
predictor = TracePredictor({str(folder)!r})
predictor.predict(np.zeros((48, 64, 3), np.uint8), np.ones((48, 64), np.float32), camera, "go")
print("torch" in sys.modules)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False"]
