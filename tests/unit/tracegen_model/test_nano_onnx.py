"""The nano network's graphs: they need nothing but their bundle, keep weights once, and compute nothing twice."""

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
import torch

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.cli import main
from tracegen_model.network import onnx_export
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import (
    CONFIG_FILE,
    SAMPLER_FILE,
    VELOCITY_FILE,
    WEIGHTS_FILE,
    CheckpointConfig,
    CheckpointError,
)
from tracegen_model.network.checkpoint_graphs import sampler_graph
from tracegen_model.network.graph_weights import INSIDE_LIMIT, weights_files
from tracegen_model.network.integrators import METHODS, SamplingPlan
from tracegen_model.network.nano.conditioning import Conditioning
from tracegen_model.network.nano.graph_files import CONDITION, CONDITION_ENCODER_FILE
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.onnx_graphs import ExportError
from tracegen_model.network.samplers import repeat_condition
from tracegen_model.runtime import TracePredictor
from tracegen_model.runtime.engines import EngineRequest, load_engine

from .conftest import TINY
from .tiny_checkpoints import save_tiny_checkpoint

STEPS = 3
TOLERANCE = 1e-5
CAMERA = CameraIntrinsics(60.0, 60.0, 31.5, 23.5, 64, 48)
SENTENCE = "Move the red block, don't wait!"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, exported by the command."""
    folder = save_tiny_checkpoint(tmp_path_factory.mktemp("nano"), TINY, noise=0.05, sampler_steps=STEPS)
    assert not main(["export", str(folder)])
    return folder


@pytest.fixture(scope="module")
def condition(folder: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    side = TINY.image_side
    session = onnxruntime.InferenceSession(str(folder / CONDITION_ENCODER_FILE))
    given = {
        "colour": rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8),
        "depth": rng.uniform(0.5, 1.5, (1, side, side)).astype(np.float32),
        "words": rng.integers(0, TINY.vocabulary, (1, TINY.text_length)),
    }
    return dict(zip(CONDITION, session.run(list(CONDITION), given), strict=True))


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(4).standard_normal((samples, TINY.points, TINY.horizon, 3), np.float32)


def run(folder: Path, model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Only output of a graph that refers to files in ``folder``."""
    contents = {name: (folder / name).read_bytes() for name in weights_files(model)}
    options = onnxruntime.SessionOptions()
    options.add_external_initializers_from_files_in_memory(
        list(contents), list(contents.values()), [len(content) for content in contents.values()]
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return np.asarray(session.run(None, inputs)[0])


def load(folder: Path, graph: str) -> onnx.ModelProto:
    return onnx.load(folder / graph, load_external_data=False)


WITHOUT_THE_PACKAGE = """
import json, re, sys, zlib
from pathlib import Path
import numpy as np, onnxruntime
folder, arrays = Path(sys.argv[1]), np.load(sys.argv[2])
bundle = json.loads((folder / "bundle.json").read_text())
colour, depth, sentence = arrays["colour"], arrays["depth"], str(arrays["sentence"])
height, width = depth.shape
side = bundle["preprocessing"]["side_px"]

def area_weights(size):
    edges = np.linspace(0, size, side + 1)
    cells = np.arange(size)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    overlap = overlap.clip(min=0.0)
    return overlap / overlap.sum(1, keepdims=True)

small = np.einsum("rh,hwc,sw->rsc", area_weights(height), colour.astype(float), area_weights(width))
known = np.where(np.isfinite(depth), depth, 0.0).astype(np.float32)
rows = np.floor((np.arange(side) + 0.5) * height / side).astype(int)
columns = np.floor((np.arange(side) + 0.5) * width / side).astype(int)
small_depth = known[np.ix_(rows, columns)]
for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
    beside = known[np.ix_((rows + down).clip(0, height - 1), (columns + right).clip(0, width - 1))]
    small_depth = np.where(small_depth == 0.0, beside, small_depth)

words = bundle["words"]
assert words["rules"].startswith("lower case; runs of letters, digits and apostrophes; id = 1 + crc32(utf-8) mod")
ids = [1 + zlib.crc32(w.encode()) % (words["vocabulary"] - 1) for w in re.findall(r"[\\w']+", sentence.lower())]
ids = (ids + [words["padding_id"]] * words["length"])[: words["length"]]

def run(name, given):
    session = onnxruntime.InferenceSession(str(folder / name))
    outputs = list(bundle["graphs"][name]["outputs"])
    wanted = {entry: given[entry] for entry in bundle["graphs"][name]["inputs"]}
    return dict(zip(outputs, session.run(outputs, wanted)))

given = {
    "colour": np.rint(small).astype(np.uint8)[None],
    "depth": small_depth[None],
    "words": np.array([ids], np.int64),
    "noise": arrays["noise"],
}
given |= run("condition_encoder.onnx", given)
scale = np.array(bundle["statistics"]["increment_scale"])
moved = np.cumsum(run("sampler.onnx", given)["traces"][0] * scale, axis=1)
grid = bundle["query_grid"]["side"]
line = np.arange(grid) * (side - 1) / (grid - 1)
across, down = np.meshgrid(line, line)
start = (np.stack([across.ravel(), down.ravel()], -1) + 0.5) / side * [width, height] - 0.5
pixels = start[:, None] + moved[..., :2] * [width, height]
assert not any(name.split(".")[0] in ("tracegen_model", "torch", "cv2") for name in sys.modules)
np.savez(sys.argv[3], pixels=pixels, rise=moved[..., 2])
"""


def test_the_bundle_alone_suffices_to_get_the_predictors_traces(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    colour = rng.integers(0, 256, (CAMERA.height, CAMERA.width, 3), dtype=np.uint8)
    depth = rng.uniform(0.7, 0.9, (CAMERA.height, CAMERA.width)).astype(np.float32)
    depth[10:20, 30:40], depth[5, 5] = 0.0, np.nan
    predictor = TracePredictor(folder, engine="onnxruntime", seed=5)
    expected = predictor.predict(colour, depth, CAMERA, SENTENCE).traces
    drawn = np.random.default_rng(5).standard_normal((1, TINY.points, TINY.horizon, 3), np.float32)
    np.savez(tmp_path / "given.npz", colour=colour, depth=depth, sentence=SENTENCE, noise=drawn)
    files = [str(tmp_path / name) for name in ("given.npz", "found.npz")]
    subprocess.run([sys.executable, "-c", WITHOUT_THE_PACKAGE, str(folder), *files], check=True)
    found = np.load(files[1])
    valid = expected.valid[1:].T
    assert valid.sum() > valid.size / 2
    # Not to the last bit: OpenCV rounds the means of the colours in fixed-point arithmetic.
    np.testing.assert_allclose(
        found["pixels"][valid], expected.pixels[1:].transpose(1, 0, 2)[valid], atol=0.02
    )
    depths = expected.points_in_camera[..., 2]
    np.testing.assert_allclose(found["rise"][valid], (depths[1:] - depths[0]).T[valid], atol=1e-4)
    assert np.abs(expected.pixels[-1] - expected.pixels[0])[expected.valid[-1]].max() > 1.0


def test_weights_are_stored_once(folder: Path) -> None:
    config = CheckpointConfig.load(folder)
    assert set(config.graphs) == {path.name for path in folder.glob("*.onnx")}
    assert not list(folder.glob("*.weights"))
    trained = {tensor.numel() for tensor in load_checkpoint(folder)[1].parameters() if tensor.numel() > 256}
    for graph, files in config.graphs.items():
        assert list(files) == [WEIGHTS_FILE]
        inside = [
            tensor
            for tensor in load(folder, graph).graph.initializer
            if tensor.data_location != onnx.TensorProto.EXTERNAL
        ]
        assert sum(tensor.ByteSize() for tensor in inside) < INSIDE_LIMIT
        assert not trained.intersection(
            int(np.prod(tensor.dims)) for tensor in inside if len(tensor.dims) > 1
        )
    sizes = [load(folder, graph).ByteSize() for graph in (VELOCITY_FILE, SAMPLER_FILE)]
    assert sizes[1] < STEPS * sizes[0]


def test_the_sampler_repeats_only_what_follows_from_the_state(folder: Path) -> None:
    graph = load(folder, SAMPLER_FILE).graph
    assert not {"Sin", "Cos"}.intersection(node.op_type for node in graph.node)
    assert not any("transformer.time." in tensor.name for tensor in graph.initializer)
    of_noise = {"noise"}
    repeated: dict[str, set[str]] = {}
    for node in graph.node:
        follows = bool(of_noise.intersection(node.input)) and (node.op_type, node.input[0]) != (
            "Shape",
            "noise",
        )
        evaluation = node.name.split("/")[0]
        assert follows == evaluation.startswith(("evaluation_", "integration_"))
        if follows:
            of_noise.update(node.output)
            repeated.setdefault(evaluation.split("_")[0], set()).add(evaluation)
        if evaluation.startswith("evaluation_"):
            # One condition for all samples: it is spread over them once, not at every step.
            assert node.op_type not in ("Expand", "Tile")
    assert len(repeated["evaluation"]) == STEPS


def test_many_samples_are_as_many_single_ones(folder: Path, condition: dict[str, np.ndarray]) -> None:
    session = onnxruntime.InferenceSession(str(folder / SAMPLER_FILE))
    many = noise(4)
    together = session.run(None, {"noise": many, **condition})[0]
    alone = [session.run(None, {"noise": sample[None], **condition})[0][0] for sample in many]
    np.testing.assert_allclose(together, alone, atol=TOLERANCE)
    assert np.abs(together[0] - together[1]).max() > 0.1


PLANS = [SamplingPlan.of(method, STEPS, TINY.time_shift) for method in METHODS]


@pytest.mark.parametrize(
    "plan", [*PLANS, SamplingPlan("euler", (0.3, 0.6, 1.0))], ids=[*METHODS, "warm start"]
)
def test_any_plan_becomes_one_graph_that_samples_what_torch_samples(
    folder: Path, condition: dict[str, np.ndarray], plan: SamplingPlan
) -> None:
    network = load_checkpoint(folder)[1]
    start = noise(2)
    found = run(folder, sampler_graph(folder, TINY, plan), {"noise": start, **condition})
    made = repeat_condition(Conditioning(*(torch.from_numpy(condition[name]) for name in CONDITION)), 2)

    def velocity(state: torch.Tensor, time: float) -> torch.Tensor:
        return network.velocity(state, state.new_full((2,), time), made)

    with torch.no_grad():
        expected = plan.integrate(velocity, torch.from_numpy(start)).numpy()
    np.testing.assert_allclose(found, expected, atol=10.0 * TOLERANCE)


def test_a_time_that_is_met_twice_is_computed_once(folder: Path) -> None:
    model = sampler_graph(folder, TINY, SamplingPlan.of("heun", STEPS, 2.0))
    times = {node.name.split("/")[0] for node in model.graph.node if node.name.startswith("time_")}
    evaluations = {
        node.name.split("/")[0] for node in model.graph.node if node.name.startswith("evaluation_")
    }
    assert (len(times), len(evaluations)) == (STEPS, 2 * STEPS - 1)


def test_the_command_changes_the_default_plan(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert not main(["export", str(copy), "--steps", "2", "--method", "heun"])
    config = CheckpointConfig.load(copy)
    assert config.default_plan == SamplingPlan.of("heun", 2, TINY.time_shift)
    bundle = json.loads((copy / "bundle.json").read_text())
    assert bundle["sampler"] == {"method": "heun", "steps": 2, "times": list(config.default_plan.times)}
    names = [node.name for node in load(copy, SAMPLER_FILE).graph.node]
    assert max(int(name.split("/")[0].split("_")[1]) for name in names if name.startswith("evaluation_")) == 2


def test_impossible_steps_are_refused_and_nothing_changes(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert main(["export", str(copy), "--steps", "0"]) == 1
    assert "sampler_steps must be at least 1, got 0" in caplog.text
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_without_torch_the_command_says_what_is_missing(folder: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from tracegen_model.cli import main; "
        f"sys.exit(main(['export', {str(folder)!r}]))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert (
        ended.stderr.strip() == "tracegen export: exporting needs torch: pip install 'tracegen-model[train]'"
    )


def test_a_graph_that_differs_from_torch_never_gets_into_the_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    right = NanoTraceGen.velocity

    def wrong(self: NanoTraceGen, *given: torch.Tensor) -> torch.Tensor:
        return right(self, *given) * (1.01 if torch.jit.is_tracing() else 1.0)

    monkeypatch.setattr(NanoTraceGen, "velocity", wrong)
    with pytest.raises(ExportError, match=r"velocity\.onnx: velocity differs from torch by"):
        onnx_export.export_checkpoint(copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_graphs_of_the_older_format_must_be_exported_again(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    values = json.loads((copy / CONFIG_FILE).read_text())
    values["format"] = 2
    for name in ("graphs", "sampler_method"):
        del values[name]
    (copy / CONFIG_FILE).write_text(json.dumps(values))
    (copy / VELOCITY_FILE).unlink()
    (copy / "sampler_3_steps.onnx").write_bytes(b"an older graph")

    def load_onnx_runtime() -> None:
        config = CheckpointConfig.load(copy)
        load_engine("onnxruntime", EngineRequest(copy, config, config.default_plan))

    with pytest.raises(CheckpointError, match=f"export it again: tracegen export {copy}"):
        load_onnx_runtime()
    assert not main(["export", str(copy)])
    load_onnx_runtime()
    assert not (copy / "sampler_3_steps.onnx").exists()


def test_altered_weights_are_noticed_by_the_graphs_that_refer_to_them(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    content = bytearray((copy / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (copy / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{WEIGHTS_FILE} is damaged"):
        TracePredictor(copy, engine="onnxruntime")
