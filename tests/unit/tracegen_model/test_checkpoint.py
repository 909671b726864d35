"""Checkpoints load strictly, and their ONNX graphs compute what torch computes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tracegen_model.network.checkpoint import load_checkpoint, save_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen, colour_from_bytes
from tracegen_model.network.nano.text_tokens import word_ids
from tracegen_model.network.onnx_export import export_checkpoint
from tracegen_model.network.samplers import repeat_condition, sample
from tracegen_model.runtime.engines import EngineRequest, load_engine

from .conftest import TINY

CONFIG = CheckpointConfig(
    name="tiny",
    preset="tiny",
    network=TINY,
    increment_scale=(0.01, 0.02, 0.005),
    step_length_m=0.0125,
    sampler_steps=2,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "tiny", CONFIG, NanoTraceGen(TINY).state_dict())
    return tmp_path / "tiny"


def test_a_checkpoint_loads_as_it_was_saved(folder: Path) -> None:
    config, network = load_checkpoint(folder)
    torch.manual_seed(0)
    for name, tensor in NanoTraceGen(TINY).state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor)
    assert dataclasses.replace(config, sha256={}) == CONFIG


def test_every_tensor_that_does_not_fit_is_listed(folder: Path) -> None:
    weights = NanoTraceGen(TINY).state_dict()
    del weights["transformer.to_traces.bias"]
    weights["surprise"] = torch.zeros(1)
    weights["conditioner.word_tokens.bias"] = torch.zeros(7)
    save_checkpoint(folder, CONFIG, weights)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert "missing: transformer.to_traces.bias" in str(caught.value)
    assert "unexpected: surprise" in str(caught.value)
    assert "conditioner.word_tokens.bias: expected (32,), found (7,)" in str(caught.value)


def test_altered_tensors_are_noticed(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "expected format 3 or 2"),
        ({"architecture": "giant"}, "no architecture 'giant'"),
        ({"increment_scale": [0.1, 0.2]}, "3 positive numbers"),
        ({"surprise": 1}, "surprise"),
        ({"network": {}}, "missing fields"),
    ],
)
def test_a_config_that_cannot_be_used_says_why(folder: Path, change: dict, message: str) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_broken_json_is_a_checkpoint_error(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        CheckpointConfig.load(folder)


def test_onnx_runtime_samples_what_torch_samples(folder: Path) -> None:
    export_checkpoint(folder)
    config, network = load_checkpoint(folder)
    plan = SamplingPlan.of("midpoint", 3, TINY.time_shift)
    engine = load_engine("onnxruntime", EngineRequest(folder, config, plan)).engine
    rng = np.random.default_rng(1)
    colour = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    depth = rng.uniform(0.0, 1.5, (32, 32)).astype(np.float32)
    words = word_ids("move the red block", TINY.text_length, TINY.vocabulary)
    noise = rng.standard_normal((2, TINY.points, TINY.horizon, 3), dtype=np.float32)

    condition = engine.condition(colour, depth, "move the red block")
    found = engine.sample(noise, condition, plan)

    with torch.no_grad():
        given, points = network.find_points(
            colour_from_bytes(torch.from_numpy(colour)[None]),
            torch.from_numpy(depth)[None],
            torch.from_numpy(words)[None],
        )
        expected = sample(network, repeat_condition(given, 2), torch.from_numpy(noise), 3, "midpoint")
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(condition.query_points, points.uvz[0, :3].numpy(), atol=1e-4)
