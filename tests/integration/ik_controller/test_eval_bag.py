"""``tracegen-eval-bag`` on recordings of the simulator, whose truth is exact."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.bag_evaluation.accuracy import Accuracy, measure_accuracy
from tests.bag_evaluation.bag_of_run import (
    COLOUR,
    DEPTH,
    FOREIGN_MAPPING,
    INSTRUCTION,
    write_bag,
    write_foreign_bag,
)
from tests.bag_evaluation.damaged_bag import TF, copy_bag
from tests.bag_evaluation.simulated_run import SimulatedRun, model_pixels, simulated_run
from tests.bag_evaluation.worse_model import write_worse_model

from ik_controller.nodes.eval_bag import EXIT_KEPT, EXIT_NOT_KEPT, EXIT_UNREADABLE, parser, run
from ik_controller.nodes.evaluated_models import parse_model
from ik_controller.resources import resource_path
from tracegen_model.network.checkpoint_config import CONFIG_FILE
from tracegen_model.runtime import TracePredictor, find_checkpoint

MODEL = "fr3_blocks_nano"
SEEDS = (100_000, 100_002)
LENGTH_S = 7.5
SHORT_S = 4.0
MORE_SEEDS = (100_003, 100_004, 100_005, 100_006)
MORE_S = 2.5
"""Recordings that only tell models apart: a verdict needs several tasks."""

SHIFT_M = np.array([0.0, 0.03, 0.0])
"""How far the camera of one bag is said to stand from where it stands [m]."""

WEIGHT_NOISE = 0.35
"""Makes a model that still predicts motion, but a worse one."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def runs() -> list[SimulatedRun]:
    return [
        simulated_run(seed, timeout_s=LENGTH_S, bodies_at=model_pixels(), bodies_every=10) for seed in SEEDS
    ]


def beginning(recorded: SimulatedRun, seconds: float) -> SimulatedRun:
    end_s = recorded.frames[0].time_s + seconds
    return replace(recorded, frames=[frame for frame in recorded.frames if frame.time_s <= end_s])


def write_model_of_other_step(folder: Path) -> Path:
    """A model whose traces have steps twice as long, and other weights."""
    write_worse_model(find_checkpoint(MODEL), folder, WEIGHT_NOISE)
    config = json.loads((folder / CONFIG_FILE).read_text())
    config["step_length_m"] *= 2.0
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    return folder


def shifted(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = pose.copy()
    moved[:3, 3] += SHIFT_M
    return moved


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("eval")


@pytest.fixture(scope="module")
def bags(runs: list[SimulatedRun], folder: Path) -> list[Path]:
    return [write_bag(one, folder / f"bag{number}") for number, one in enumerate(runs)]


@pytest.fixture(scope="module")
def more_bags(folder: Path) -> list[Path]:
    return [write_bag(simulated_run(seed, timeout_s=MORE_S), folder / f"more{seed}") for seed in MORE_SEEDS]


@pytest.fixture(scope="module")
def accuracy(runs: list[SimulatedRun]) -> Accuracy:
    return measure_accuracy(runs)


def test_points_on_the_hand_are_known_to_a_tenth_of_a_millimetre(accuracy: Accuracy) -> None:
    assert accuracy.hand_m.size > 1000
    assert accuracy.hand_m.max() < 1e-4
    assert accuracy.hand_purity > 0.97


def test_points_of_the_scene_are_known_to_the_stated_error(accuracy: Accuracy) -> None:
    assert accuracy.still_m.size > 10_000
    assert accuracy.still_known > 0.85
    assert (accuracy.still_m > 0.02).mean() < 1e-4
    assert accuracy.moving_m.size > 50
    assert np.median(accuracy.moving_m) < 0.012
    assert np.percentile(accuracy.moving_m, 95) < 0.025


def test_a_worse_model_is_ranked_below_and_fails_its_thresholds(
    bags: list[Path], more_bags: list[Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bags = [*bags, *more_bags]
    worse = write_worse_model(find_checkpoint(MODEL), folder / "worse", WEIGHT_NOISE)
    out = folder / "ranked"
    limit = "hand_ade_cm_arc<2.4"
    options = ["--every", "1.5", "--seeds", "2", "--out", str(out), "--require", limit]
    code = run([*map(str, bags), "--model", MODEL, "--model", str(worse), *options])
    said = capsys.readouterr().out
    found = results(out)
    verdicts = {one["measure"]: one for one in found["comparisons"]}
    for measure in ("hand_ade_cm_arc", "hand_fde_cm_arc"):
        assert verdicts[measure]["better"] == MODEL, verdicts[measure]
        assert verdicts[measure]["interval"][0] > 0.0 and verdicts[measure]["stretches"] == len(bags)
    assert code == EXIT_NOT_KEPT
    assert [words.split(":")[0] for words in found["failures"]] == ["worse"]
    assert "worse is worse than fr3_blocks_nano" in said and "FAILED: worse: hand_ade_cm_arc" in said
    good = found["models"][MODEL]
    assert good["measures"]["feasible"]["mean"] > 0.9
    assert good["measures"]["replan_step_mrad"]["mean"] < 1e-3
    assert good["measures"]["hand_spread_cm"]["mean"] > 0.0
    assert set(good["latency_ms"]) == {"preprocess", "condition", "start", "sample", "lift"}
    assert len(good["instructions"]) == len(bags)
    assert not any(bag["calibration"]["suspicious"] for bag in found["bags"])
    page = (out / "report.html").read_text()
    assert "Worst windows of worse" in page and len(page) > 100_000


def test_a_shifted_calibration_is_flagged_with_its_size_and_only_where_it_is(
    runs: list[SimulatedRun], bags: list[Path], folder: Path
) -> None:
    short = beginning(runs[0], SHORT_S)
    bad = write_bag(short, folder / "shifted", shifted(short.camera.in_base))
    out = folder / "flagged"
    options = ["--seeds", "1", "--out", str(out)]
    assert run([str(bad), *options, "--strict"]) == EXIT_NOT_KEPT
    calibration = results(out)["bags"][0]["calibration"]
    assert calibration["suspicious"]
    assert calibration["offset_mm"] == pytest.approx(1000 * np.linalg.norm(SHIFT_M), abs=8.0)
    assert "calibration off" in (out / "report.html").read_text()


def test_recorded_traces_and_a_foreign_bag_with_its_mapping_file_give_the_same_result(
    runs: list[SimulatedRun], folder: Path
) -> None:
    short = beginning(runs[0], SHORT_S)
    predictor = TracePredictor(MODEL)
    model = {"model": MODEL, "weights": predictor.status.digest}
    own = write_bag(short, folder / "own", predictor=predictor, provenance={"model": model})
    foreign = write_foreign_bag(short, folder / "foreign")
    names = [f"joint{number}" for number in range(1, 8)] + ["finger_joint1", "finger_joint2"]
    mapping = folder / "mapping.yaml"
    mapping.write_text(
        FOREIGN_MAPPING.format(
            joints=", ".join(f"panda_{name}: fr3_{name}" for name in names),
            instruction=short.frames[0].instruction,
        )
    )
    (folder / "calibration.yaml").write_text(resource_path("calibration/sim_camera.yaml").read_text())
    options = ["--seeds", "1", "--every", "1.5"]
    assert run([str(own), *options, "--out", str(folder / "a")]) == EXIT_KEPT
    assert run([str(foreign), *options, "--map", str(mapping), "--out", str(folder / "b")]) == EXIT_KEPT
    first, second = (results(folder / name)["models"][MODEL]["measures"] for name in "ab")
    recorded = results(folder / "a")["models"]["recorded"]["measures"]
    # Traces know their own model's step, whichever model they are judged beside.
    other = write_model_of_other_step(folder / "other_step")
    beside = ["--model", str(other), *options, "--out", str(folder / "c")]
    assert run([str(own), *beside]) == EXIT_KEPT
    assert results(folder / "c")["models"]["recorded"]["measures"] == recorded
    assert recorded == first, "what was predicted when the bag was recorded is the same network's"
    assert first["hand_fde_cm_arc"]["windows"] >= 2
    for name, measure in first.items():
        assert second[name]["mean"] == pytest.approx(measure["mean"], rel=1e-2, abs=1e-3), name


def test_recorded_traces_of_an_unknown_model_are_not_measured_with_the_step_of_another(
    runs: list[SimulatedRun], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = beginning(runs[0], SHORT_S)
    bag = write_bag(short, folder / "unknown", predictor=TracePredictor(MODEL))
    assert run([str(bag), "--seeds", "1", "--every", "1.5", "--out", str(folder / "d")]) == EXIT_KEPT
    found = results(folder / "d")
    measures = found["models"]["recorded"]["measures"]
    assert "feasible" in measures and not any("_arc" in name or "direction" in name for name in measures)
    why = "the bag does not say which model they are of"
    assert why in found["bags"][0]["facts"]["recorded traces"] and why in capsys.readouterr().out


def test_damaged_messages_are_left_out_and_named_and_fail_only_where_they_must(
    runs: list[SimulatedRun], folder: Path
) -> None:
    whole = write_bag(beginning(runs[0], SHORT_S), folder / "whole")
    codes, found = {}, {}
    for damaged in (False, True):
        bag = copy_bag(whole, folder / f"damaged_{damaged}", damaged=damaged)
        out = folder / f"out_{damaged}"
        codes[damaged] = run([str(bag), "--seeds", "1", "--every", "1.5", "--strict", "--out", str(out)])
        found[damaged] = results(out)
    assert codes == {False: EXIT_KEPT, True: EXIT_NOT_KEPT}
    assert found[False]["bags"][0]["problems"] == []
    assert found[True]["models"][MODEL]["windows"] == found[False]["models"][MODEL]["windows"]
    for topic in (COLOUR, DEPTH, TF, INSTRUCTION):
        assert any(f"1 message on {topic} left out" in words for words in found[True]["failures"]), topic


def test_a_tilde_is_the_home_folder(bags: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    read = parser().parse_args(["~/bag0", "--out=~/report", "--map=~/mapping.yaml", "--cotracker=~/w.pth"])
    assert [read.bags, read.out, read.map] == [[bags[0]], folder / "report", folder / "mapping.yaml"]
    assert read.cotracker == folder / "w.pth"
    assert parse_model("~/worse,steps=2") == (str(folder / "worse"), {"steps": 2})


def test_bad_input_ends_with_one_line_that_says_what_to_do(
    runs: list[SimulatedRun], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = write_bag(beginning(runs[0], 0.5), folder / "half_a_second", instruction="")
    cases = {
        "there is no bag at": [str(folder / "nothing")],
        "hand_ade_cm_arc": [str(own), "--require", "speed<3"],
        "fr3_blocks_nano": [str(own), "--model", "no_such_model"],
        "options steps": [str(own), "--model", "fr3_blocks_nano,pace=3"],
        "no instruction": [str(own)],
        "cannot read the mapping file": [str(own), "--map", str(folder / "no.yaml")],
        "scaled_offline": [str(own), "--cotracker", str(folder / "no.pth")],
        "at least 1": [str(own), "--seeds", "0"],
    }
    for words, arguments in cases.items():
        assert run(arguments) == EXIT_UNREADABLE
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1, said
