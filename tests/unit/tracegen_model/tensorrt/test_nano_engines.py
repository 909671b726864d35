"""The shipped checkpoint's graphs are compiled by TensorRT for RTX, on a machine without a GPU."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tracegen_model.cli import main
from tracegen_model.cli.main import INTERRUPTED
from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
from tracegen_model.runtime import find_checkpoint
from tracegen_model.runtime.engines.engine import EngineUnavailable
from tracegen_model.runtime.engines.tensorrt.build_progress import BuildInterrupted, BuildProgress
from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import COMBINATION, MOST_TERMS
from tracegen_model.runtime.engines.tensorrt.engine_builder import build_engine, combination, from_onnx
from tracegen_model.runtime.engines.tensorrt.flavours import TENSORRT_RTX
from tracegen_model.runtime.engines.tensorrt.targets import target_without_gpu

from .conftest import COMPUTE_CAPABILITIES, build, needs_tensorrt_rtx, report

pytestmark = needs_tensorrt_rtx

SAMPLES = 4
CHECKPOINT = find_checkpoint("fr3_blocks_nano")
NETWORK = CheckpointConfig.load(CHECKPOINT).network
STATE_SHAPE = (SAMPLES, NETWORK.points, NETWORK.horizon, 3)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def built(cache: Path) -> tuple[dict[str, Path], list[BuildProgress]]:
    return build(CHECKPOINT, cache, samples=SAMPLES)


def test_every_graph_becomes_an_engine_for_both_generations_of_cards(
    built: tuple[dict[str, Path], list[BuildProgress]],
) -> None:
    engines, _ = built
    assert set(engines) == {COMBINATION, "velocity.onnx", "condition_encoder.onnx"}
    weights = (CHECKPOINT / "model.safetensors").stat().st_size
    assert sum(path.stat().st_size for path in engines.values()) > weights
    for path in engines.values():
        target = json.loads(path.with_suffix(".json").read_text())["target"]
        assert target == {"compute_capabilities": list(COMPUTE_CAPABILITIES), "gpu": None}


def test_engines_take_and_give_what_the_runtime_binds(
    built: tuple[dict[str, Path], list[BuildProgress]],
) -> None:
    engines, _ = built
    side, patches = NETWORK.image_side, NETWORK.patches
    velocity = {entry.name: entry for entry in report(engines["velocity.onnx"]).bindings}
    assert {name: entry.is_input for name, entry in velocity.items()} == {
        "state": True,
        "time": True,
        "trace": True,
        "tokens": True,
        "modulation": True,
        "velocity": False,
    }
    assert velocity["state"].shape == velocity["velocity"].shape == STATE_SHAPE
    assert velocity["time"].shape == (1,)
    assert velocity["trace"].shape == (1, patches, NETWORK.width)
    assert {entry.type for entry in velocity.values()} == {"Float"}
    encoder = {entry.name: entry for entry in report(engines["condition_encoder.onnx"]).bindings}
    assert (encoder["colour"].type, encoder["colour"].shape) == ("UInt8", (1, side, side, 3))
    assert (encoder["words"].type, encoder["words"].shape) == ("Int64", (1, NETWORK.text_length))
    assert all(encoder[name].shape == velocity[name].shape for name in ("trace", "tokens", "modulation"))
    assert encoder["query_points"].shape == (1, 3, 3)


def test_matrix_products_are_float32_where_nothing_else_is_asked_for(
    built: tuple[dict[str, Path], list[BuildProgress]],
) -> None:
    engines, _ = built
    products = report(engines["velocity.onnx"]).matrix_precisions()
    # In each block, at least: queries, keys and values together, attention, output, two of the feed-forward layers.
    assert products["float32"] >= 5 * NETWORK.blocks
    assert set(products) == {"float32"}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_the_transformers_matrix_products_are_in_half_precision_where_that_is_asked_for(
    precision: str, cache: Path
) -> None:
    found = report(build(CHECKPOINT, cache, precision, SAMPLES)[0]["velocity.onnx"])
    heavy = [
        layer
        for layer in found.layers
        if any("/blocks." in name and name.endswith(("MatMul", "MatMul_1")) for name in layer.operators)
    ]
    # In each block, at least: queries, keys and values together, attention, output, two of the feed-forward layers.
    assert len(heavy) >= 5 * NETWORK.blocks
    assert {layer.precision for layer in heavy} == {precision}
    assert {entry.type for entry in found.bindings} == {"Float"}


def test_sums_of_states_and_velocities_are_one_kernel(
    built: tuple[dict[str, Path], list[BuildProgress]],
) -> None:
    engines, _ = built
    found = report(engines[COMBINATION])
    assert len(found.layers) == 1
    shapes = {entry.name: entry.shape for entry in found.bindings}
    assert shapes == {
        "factors": (MOST_TERMS, 1, 1, 1),
        **{f"term_{index}": STATE_SHAPE for index in range(MOST_TERMS)},
        "sum": STATE_SHAPE,
    }


def test_progress_rises_to_the_end(built: tuple[dict[str, Path], list[BuildProgress]]) -> None:
    _, progress = built
    shares = [entry.done for entry in progress if entry.graph == "velocity.onnx"]
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_nothing_is_built_twice(built: tuple[dict[str, Path], list[BuildProgress]], cache: Path) -> None:
    engines, _ = built
    assert build(CHECKPOINT, cache, samples=SAMPLES) == (engines, [])


def test_a_build_ends_when_its_listener_says_so() -> None:
    class Stop(Exception):
        pass

    def stop(_: BuildProgress) -> None:
        raise Stop

    target = target_without_gpu(TENSORRT_RTX, COMPUTE_CAPABILITIES)
    define = combination(MOST_TERMS, STATE_SHAPE)
    with pytest.raises(BuildInterrupted, match="the build of sums was stopped"):
        build_engine(TENSORRT_RTX, "sums", define, "float32", target, stop)


def test_ctrl_c_ends_a_build_and_leaves_no_engine(tmp_path: Path) -> None:
    arguments = [
        "fr3_blocks_nano",
        "--for",
        "tensorrt-rtx",
        "--compute-capability",
        "8.9",
        "--cache",
        tmp_path,
    ]
    command = [sys.executable, "-m", "tracegen_model.cli", "build-engine", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("velocity.onnx: 10 % built"):
                process.send_signal(signal.SIGINT)
                break
        said = process.stderr.read()
    assert process.returncode == INTERRUPTED
    assert said.splitlines()[-1] == "tracegen build-engine: interrupted"
    assert not list(tmp_path.rglob("velocity*.json"))


def test_a_graph_that_tensorrt_cannot_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "velocity.onnx"
    broken.write_bytes(b"not a graph")
    target = target_without_gpu(TENSORRT_RTX, COMPUTE_CAPABILITIES)
    with pytest.raises(CheckpointError, match=r"velocity.onnx is not a graph that TensorRT reads"):
        build_engine(TENSORRT_RTX, "velocity", from_onnx(broken, {}), "float32", target, lambda _: None)


def test_damaged_weights_are_noticed_before_they_are_built_in(tmp_path: Path) -> None:
    folder = shutil.copytree(CHECKPOINT, tmp_path / "copy")
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged"):
        build(folder, tmp_path / "cache")
    weights.write_bytes(content[:1000])
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged"):
        build(folder, tmp_path / "cache")
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"model.safetensors is missing"):
        build(folder, tmp_path / "cache")
    assert not list(tmp_path.rglob("velocity*.engine"))
    assert not list(tmp_path.rglob(".build-*"))


def test_gpus_that_it_cannot_build_for_are_refused() -> None:
    with pytest.raises(EngineUnavailable, match=r"builds for the compute capabilities 7.5.*; got 9.0"):
        target_without_gpu(TENSORRT_RTX, ["8.9", "9.0"])


def test_the_command_builds_and_cleans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = ["--cache", str(tmp_path)]
    target = ["--for", "tensorrt-rtx", "--compute-capability", "8.9"]
    assert not main(["build-engine", "fr3_blocks_nano", *target, *cache])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [COMBINATION, "velocity.onnx", "condition_encoder.onnx"]
    assert all(Path(line.split()[-1]).is_file() for line in lines)
    assert not main(["build-engine", "--clean", *cache])
    assert "deleted 3 engines" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.engine"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected a checkpoint"),
        (["fr3_blocks_nano", "--precision", "int3"], "no precision 'int3'"),
        (["fr3_blocks_nano", "--samples", "0"], "--samples must be at least 1"),
        (["nowhere", "--for", "tensorrt-rtx", "--compute-capability", "8.9"], "no checkpoint 'nowhere'"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["build-engine", *arguments, "--cache", str(tmp_path)]) == 1
    assert said in caplog.text


def test_numbers_are_rounded_to_tf32_only_where_that_is_asked_for(
    built: tuple[dict[str, Path], list[BuildProgress]], cache: Path
) -> None:
    exact, rounded = built[0], build(CHECKPOINT, cache, "tf32", SAMPLES)[0]
    assert exact[COMBINATION] == rounded[COMBINATION]
    assert exact["velocity.onnx"] != rounded["velocity.onnx"]
    assert exact["velocity.onnx"].read_bytes() != rounded["velocity.onnx"].read_bytes()
