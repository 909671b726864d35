"""A precision is chosen by itself only once its traces have been compared with the network's, and passed."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from fr3_sim.demonstrations import DemonstrationMaker
from tracegen_model.cli import main
from tracegen_model.evaluation.agreement_tasks import agreement_tasks
from tracegen_model.evaluation.engine_agreement import AgreementGate
from tracegen_model.evaluation.evaluation import ASSUMED_CAMERA
from tracegen_model.network.checkpoint_config import VELOCITY_FILE, CheckpointConfig, CheckpointError
from tracegen_model.network.quantisation import quantised_graphs
from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.runtime.engines import Engine, EngineError, EngineRequest, EngineUnavailable, load_engine
from tracegen_model.runtime.engines.accuracy_record import AccuracyRecord, Verdict
from tracegen_model.runtime.engines.cache_folder import CACHE_VARIABLE
from tracegen_model.runtime.engines.checked_engine import CheckedEngine
from tracegen_model.runtime.engines.onnx_session import OnnxDevice, OnnxGraph
from tracegen_model.runtime.engines.quantised_graphs import QuantisedGraphs
from tracegen_model.runtime.engines.verified_files import VerifiedFiles

from .conftest import SENTENCE, Subject, images, noise

SHIPPED = find_checkpoint("fr3_blocks_nano")
TASKS = 3

PASSED = Verdict(True, 0.9999, 0.1, 0.001, 8)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Episodes of two simulated scenes, which the shipped checkpoint was not trained on."""
    # It loads Triton, whose LLVM crashes if Mesa, which draws the scenes, has loaded another one before.
    importlib.import_module("torch._dynamo")
    folder = tmp_path_factory.mktemp("simulated")
    maker = DemonstrationMaker(folder, seed=77)
    for index in range(2):
        maker.make_scene(index)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def load(folder: Path, precision: str, engine: str = "onnxruntime") -> Engine:
    config = CheckpointConfig.load(folder)
    return load_engine(engine, EngineRequest(folder, config, config.default_plan, precision=precision)).engine


def test_the_shipped_checkpoint_passes_in_the_precisions_that_are_offered_by_default(
    cache: Path, simulated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(SHIPPED), "--data", str(simulated), "--tasks", str(TASKS)]
    assert main(["check-engine", *arguments, "--engine", "onnxruntime"]) == 0
    assert load(SHIPPED, "auto").description.precision == "float32"
    assert main(["quantise", *arguments]) == 0
    assert load(SHIPPED, "auto").description.precision == "int8"
    printed = capsys.readouterr().out
    assert printed.count("  passed") == 2
    assert f"{TASKS} tasks" in printed


def test_a_precision_that_failed_is_not_chosen(checkpoints: dict[str, Path], cache: Path) -> None:
    folder = checkpoints["nano"]
    config = CheckpointConfig.load(folder)
    with pytest.raises(EngineUnavailable, match="no int8 graphs of tiny yet; make them: tracegen quantise"):
        load(folder, "int8")
    QuantisedGraphs(config).write(quantised_graphs(folder, config))
    library = load(folder, "int8").description.library
    record = AccuracyRecord(config)
    assert load(folder, "auto").description.precision == "float32"
    record.write("onnxruntime", "int8", library, dataclasses.replace(PASSED, passed=False))
    assert load(folder, "auto").description.precision == "float32"
    record.write("onnxruntime", "int8", "ONNX Runtime 0.1", PASSED)
    assert load(folder, "auto").description.precision == "float32"
    record.write("onnxruntime", "int8", library, PASSED)
    assert load(folder, "auto").description.precision == "int8"
    for path in (cache / "accuracy").iterdir():
        path.write_text("{")
    assert load(folder, "auto").description.precision == "float32"


def test_a_damaged_graph_of_the_cache_is_refused(checkpoints: dict[str, Path], cache: Path) -> None:
    folder = checkpoints["nano"]
    config = CheckpointConfig.load(folder)
    kept = QuantisedGraphs(config)
    kept.write(quantised_graphs(folder, config))
    (kept.folder / VELOCITY_FILE).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"velocity.onnx is damaged.*quantise again"):
        load(folder, "int8")


def test_products_of_tokens_with_weights_are_in_int8_and_the_last_one_is_not(
    checkpoints: dict[str, Path],
) -> None:
    for folder in checkpoints.values():
        graph = quantised_graphs(folder, CheckpointConfig.load(folder))[VELOCITY_FILE]
        nodes = onnx.load_from_string(graph).graph.node
        products = [node.op_type for node in nodes if node.op_type in ("MatMulInteger", "MatMul")]
        assert products.count("MatMulInteger") > 4
        assert products[-1] == "MatMul"


class Distorted:
    """An engine whose traces are wrong by a share of themselves, or in another way."""

    def __init__(self, engine: Engine, distort: Callable[[Any], Any]) -> None:
        self._engine, self._distort = engine, distort
        self.description, self.condition, self.close = engine.description, engine.condition, engine.close

    def sample(self, *arguments: Any) -> Any:
        return self._distort(self._engine.sample(*arguments))


@pytest.mark.parametrize(
    ("distort", "passes"),
    [
        (lambda traces: traces * 1.005, True),
        (lambda traces: traces * 1.1, False),
        (lambda traces: traces + 0.2 * traces.std() * (-1.0) ** np.arange(traces.shape[2])[:, None], False),
    ],
    ids=["half a per cent longer", "a tenth longer", "shivering"],
)
def test_the_gate_tells_small_differences_from_large_ones(
    simulated: Path, distort: Callable[[Any], Any], passes: bool
) -> None:
    config = CheckpointConfig.load(SHIPPED)
    engine = load(SHIPPED, "float32")
    tasks = agreement_tasks([simulated], config.network, TASKS)
    gate = AgreementGate(engine, config, config.default_plan, tasks, ASSUMED_CAMERA.intrinsics)
    assert gate.verdict(Distorted(engine, distort)).passed == passes


def test_drawn_scenes_stand_in_where_there_are_no_data() -> None:
    config = CheckpointConfig.load(SHIPPED)
    tasks = agreement_tasks([], config.network, 2)
    assert len(tasks) == 2
    assert all(task.moving.any() for task in tasks)


def test_traces_that_are_no_numbers_are_never_handed_on(checkpoints: dict[str, Path]) -> None:
    subject = Subject("onnxruntime", "float32", "nano", checkpoints["nano"])
    broken = CheckedEngine(Distorted(subject.load(), lambda traces: traces * np.nan), subject.config.network)
    condition = broken.condition(*images(subject), SENTENCE)
    with pytest.raises(EngineError, match="no finite numbers; use a wider precision"):
        broken.sample(noise(subject), condition, subject.config.default_plan)


def test_what_onnx_runtime_throws_while_it_runs_is_an_engine_error(checkpoints: dict[str, Path]) -> None:
    folder = checkpoints["nano"]
    files = VerifiedFiles(folder, CheckpointConfig.load(folder))
    content, weights = files.graph("condition_encoder.onnx")
    graph = OnnxGraph(folder, content, weights, {}, OnnxDevice("CPUExecutionProvider"))
    given = {
        "colour": np.zeros((1, 3, 3, 3), np.uint8),
        "depth": np.zeros((1, 3, 3), np.float32),
        "words": np.zeros((1, 12), np.int64),
    }
    with pytest.raises(EngineError, match="ONNX Runtime failed to run"):
        graph.run(given)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_device_that_onnx_runtime_lacks_is_no_silent_cpu(checkpoints: dict[str, Path]) -> None:
    folder = checkpoints["nano"]
    content, weights = VerifiedFiles(folder, CheckpointConfig.load(folder)).graph(VELOCITY_FILE)
    with pytest.raises(EngineUnavailable, match="NoSuchExecutionProvider"):
        OnnxGraph(folder, content, weights, {}, OnnxDevice("NoSuchExecutionProvider"))
