"""The predictor answers with a trace grid in the source image's terms, and refuses what it cannot use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.network.onnx_export import export_checkpoint
from tracegen_model.runtime import CheckpointError, InstructionError, ObservationError, TracePredictor
from tracegen_model.runtime.preprocessing import resize_depth
from tracegen_model.runtime.start_depth import depth_at_pixels

from .conftest import TINY
from .tiny_checkpoints import save_tiny_checkpoint

CAMERA = CameraIntrinsics(60.0, 60.0, 31.5, 23.5, 64, 48)
COLOUR = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
DEPTH = np.full((48, 64), 0.8, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    save_tiny_checkpoint(folder, TINY, step_length_m=0.0125, sampler_steps=2)
    export_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def predictor(folder: Path) -> TracePredictor:
    return TracePredictor(folder)


def test_traces_start_at_the_measured_grid_points(predictor: TracePredictor) -> None:
    traces = predictor.predict(COLOUR, DEPTH, CAMERA, "move the red block").traces
    assert traces.steps == TINY.horizon
    assert traces.point_count == TINY.points
    # The first pixel of the 32 px image is centred between the first two of 64 columns: (0 + 1/2) 64/32 - 1/2.
    np.testing.assert_allclose(traces.pixels[0, 0], [0.5, 0.25], atol=1e-6)
    np.testing.assert_allclose(traces.points_in_camera[0, :, 2], 0.8)
    np.testing.assert_allclose(CAMERA.project(traces.points_in_camera[3]), traces.pixels[3], atol=1e-3)


def test_equal_inputs_give_equal_traces_and_seeds_differ(predictor: TracePredictor) -> None:
    first, again, other = (
        predictor.predict(COLOUR, DEPTH, CAMERA, "move the red block", seed=seed).traces.pixels
        for seed in (None, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_every_stage_is_timed(predictor: TracePredictor) -> None:
    latency_s = predictor.predict(COLOUR, DEPTH, CAMERA, "go").latency_s
    assert set(latency_s) == {"preprocess", "condition", "start", "sample", "lift"}
    assert all(seconds >= 0.0 for seconds in latency_s.values())


def test_points_without_depth_are_invalid_and_the_rest_is_not(predictor: TracePredictor) -> None:
    depth = DEPTH.copy()
    depth[:, :12] = 0.0
    depth[20, 40] = np.nan
    valid = predictor.predict(COLOUR, depth, CAMERA, "go").traces.valid.reshape(-1, 4, 4)
    assert not valid[:, :, 0].any()
    assert valid[0, :, 1:].all()


@pytest.mark.parametrize(
    ("colour", "depth", "message"),
    [
        (COLOUR[:40], DEPTH, "colour must be"),
        (COLOUR.astype(np.float32), DEPTH, "colour must be"),
        (COLOUR[..., 0], DEPTH, "colour must be"),
        (COLOUR, DEPTH[:, :60], "depth must be"),
        (COLOUR, (DEPTH * 1000).astype(np.uint16), "floats in metres"),
        (COLOUR, np.zeros_like(DEPTH), "no reading at all"),
        (COLOUR, np.full_like(DEPTH, np.nan), "no reading at all"),
    ],
)
def test_unusable_observations_are_refused(
    predictor: TracePredictor, colour: np.ndarray, depth: np.ndarray, message: str
) -> None:
    with pytest.raises(ObservationError, match=message):
        predictor.predict(colour, depth, CAMERA, "go")


@pytest.mark.parametrize("instruction", ["", "  ", "?!", "red " * 300])
def test_unusable_instructions_are_refused(predictor: TracePredictor, instruction: str) -> None:
    with pytest.raises(InstructionError):
        predictor.predict(COLOUR, DEPTH, CAMERA, instruction)


def test_torch_predicts_what_onnx_runtime_predicts(folder: Path, predictor: TracePredictor) -> None:
    expected = predictor.predict(COLOUR, DEPTH, CAMERA, "move the red block")
    found = TracePredictor(folder, engine="torch").predict(COLOUR, DEPTH, CAMERA, "move the red block")
    np.testing.assert_allclose(found.traces.points_in_camera, expected.traces.points_in_camera, atol=1e-5)
    assert found.query_points is not None
    np.testing.assert_allclose(found.query_points, expected.query_points, atol=1e-2)


def test_a_missing_checkpoint_names_the_choices() -> None:
    with pytest.raises(CheckpointError, match="one of the shipped"):
        TracePredictor("no_such_checkpoint")


def test_an_unknown_engine_names_the_choices(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is auto, tensorrt, .*onnxruntime, torch"):
        TracePredictor(folder, engine="abacus")


def copy_of(folder: Path, target: Path) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_a_damaged_graph_is_noticed(folder: Path, tmp_path: Path) -> None:
    copy = copy_of(folder, tmp_path / "copy")
    (copy / "velocity.onnx").write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match=r"velocity\.onnx is damaged"):
        TracePredictor(copy, engine="onnxruntime")
    (copy / "velocity.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"velocity\.onnx is missing"):
        TracePredictor(copy, engine="onnxruntime")


def test_a_graph_of_another_horizon_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = copy_of(folder, tmp_path / "copy")
    values = json.loads((copy / "config.json").read_text())
    values["network"]["horizon"] = 16
    (copy / "config.json").write_text(json.dumps(values))
    with pytest.raises(
        CheckpointError, match=r"should be \('samples', 16, 16, 3\).*found \('samples', 16, 8, 3\)"
    ):
        TracePredictor(copy, engine="onnxruntime")


def test_importing_the_runtime_needs_no_torch() -> None:
    code = "import sys, tracegen_model.runtime; print('torch' in sys.modules, 'onnxruntime' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False", "False"]


def test_depth_is_never_mixed_across_an_edge() -> None:
    depth = np.where(np.arange(64) < 32, 0.5, 2.0) * np.ones((48, 1))
    small = resize_depth(depth.astype(np.float32), 32)
    assert set(np.unique(small)) == {np.float32(0.5), np.float32(2.0)}


def test_a_hole_takes_the_nearest_reading_within_reach() -> None:
    depth = np.zeros((20, 20), np.float32)
    depth[10, 12], depth[10, 6] = 0.7, 0.9
    found = depth_at_pixels(depth, np.array([[10.0, 10.0], [7.4, 10.0], [0.0, 0.0]]), radius=4)
    np.testing.assert_allclose(found, [0.7, 0.9, np.nan])
