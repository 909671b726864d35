"""A checkpoint runs with the encoders that it was trained beside, and says so when they are others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
from tracegen_model.network.networks import build_network
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.runtime import TracePredictor

from .conftest import TINY_TRACEGEN
from .tiny_checkpoints import save_tiny_checkpoint

CAMERA = CameraIntrinsics(60.0, 60.0, 31.5, 23.5, 64, 48)


def saved(folder: Path, with_encoders: bool) -> Path:
    return save_tiny_checkpoint(folder, TINY_TRACEGEN, with_encoders=with_encoders, sampler_steps=2)


def test_a_checkpoint_that_holds_its_encoders_needs_no_others(tmp_path: Path) -> None:
    folder = saved(tmp_path / "whole", with_encoders=True)
    network = load_checkpoint(folder)[1]
    torch.manual_seed(0)
    expected = build_network(TINY_TRACEGEN, EncoderSource(random=True, seed=3)).state_dict()
    assert set(network.state_dict()) == set(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in network.state_dict().items())


def test_towers_that_a_checkpoint_holds_are_used_when_only_a_tokeniser_is_named(tmp_path: Path) -> None:
    folder = saved(tmp_path / "whole", with_encoders=True)
    network = load_checkpoint(folder, EncoderSource(t5=str(tmp_path / "nowhere"), download=False))[1]
    assert network.encoder_digests() == dict(CheckpointConfig.load(folder).encoders)


def test_a_checkpoint_without_encoders_takes_the_ones_it_is_given(tmp_path: Path) -> None:
    folder = saved(tmp_path / "part", with_encoders=False)
    network = load_checkpoint(folder, EncoderSource(random=True, seed=3))[1]
    assert network.encoder_digests() == dict(CheckpointConfig.load(folder).encoders)


def test_other_random_encoders_are_used_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = saved(tmp_path / "part", with_encoders=False)
    load_checkpoint(folder, EncoderSource(random=True, seed=4))
    assert "trained beside another dinov3, siglip, t5" in caplog.text


def test_other_pretrained_encoders_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "whole", with_encoders=True)
    config = CheckpointConfig.load(folder)
    dataclasses.replace(config, encoders={**config.encoders, "siglip": "0" * 64}).save(folder)
    with pytest.raises(CheckpointError, match="trained beside another siglip"):
        load_checkpoint(folder)


def test_the_published_network_predicts_on_torch(tmp_path: Path) -> None:
    folder = saved(tmp_path / "whole", with_encoders=True)
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    depth = np.ones((48, 64), np.float32)
    predictor = TracePredictor(folder, engine="torch")
    first, again = (predictor.predict(colour, depth, CAMERA, "move the red block") for _ in range(2))
    other = predictor.predict(colour, depth, CAMERA, "leave it alone")
    points = first.traces.points_in_camera
    assert points.shape == (TINY_TRACEGEN.horizon + 1, TINY_TRACEGEN.points, 3)
    assert np.isfinite(points).all()
    np.testing.assert_array_equal(points, again.traces.points_in_camera)
    assert not np.allclose(points, other.traces.points_in_camera)
    assert first.query_points is None


def test_onnx_runtime_says_that_graphs_must_be_exported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no velocity\.onnx that this version runs; export it again"):
        TracePredictor(saved(tmp_path / "whole", with_encoders=True), engine="onnxruntime")
