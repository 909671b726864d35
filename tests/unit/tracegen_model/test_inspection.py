"""An inspection names every broken file, counts what there is, and draws it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracegen_model import cli
from tracegen_model.data.inspection import inspect_folders
from tracegen_model.data.inspection_sheets import draw_samples
from tracegen_model.data.inspection_summary import summarise
from tracegen_model.data.synthetic_episodes import SyntheticSizes, write_synthetic_episodes

from .test_dataset import write_forge_episode


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    write_synthetic_episodes(tmp_path / "drawn", 4, SyntheticSizes(side=64, grid_side=8, horizon=32))
    return tmp_path / "drawn"


def test_a_whole_dataset_is_counted(drawn: Path) -> None:
    summary = summarise([drawn], inspect_folders([drawn], jobs=1))
    assert (summary.episodes, summary.samples, summary.usable) == (4, 4, 4)
    assert summary.problems == []
    assert summary.wordings == {"instruction_1": 4, "instruction_2": 4, "instruction_3": 4}
    assert summary.distinct_sentences == 12
    assert summary.image_sizes == {"64 x 64": 4}
    assert summary.grid_sides == {"8": 4}
    assert summary.valid_steps == {"0-3": 0, "4-8": 0, "9-16": 0, "17-32": 0, "33-64": 4, "65+": 0}
    assert summary.unknown_share == 0.0
    assert 0.0 < summary.moving_share < 0.2
    assert summary.depth_range is not None
    assert 0.8 < summary.depth_range[0] < summary.depth_range[1] < 1.1


def test_other_kinds_of_samples_are_told_apart(tmp_path: Path) -> None:
    def still(arrays: dict) -> None:
        arrays["traj"][:, :7, :2] = arrays["keypoints"][:, None]

    def leap(arrays: dict) -> None:
        arrays["traj"][:, :7, :2] = arrays["keypoints"][:, None]
        arrays["traj"][12, :7, 0] += [
            0.0,
            12.0,
            12.0,
            12.0,
            12.0,
            12.0,
            12.0,
        ]  # 12 of 96 px in one of six steps
        arrays["traj"][12, :7, 2] = 1.0

    write_forge_episode(tmp_path / "a", depth=False, dimensions=2, instructions={"long": "go"})
    write_forge_episode(tmp_path / "b", change=still)
    write_forge_episode(tmp_path / "c", change=leap)
    (tmp_path / "c" / "images" / "clip_9.png").write_bytes((tmp_path / "c/images/clip_0.png").read_bytes())
    (tmp_path / ".hidden").mkdir()
    episodes = inspect_folders([tmp_path], jobs=1)
    summary = summarise([tmp_path], episodes)
    assert (summary.episodes, summary.samples, summary.usable) == (3, 3, 2)
    assert summary.left_out == {"no moving point": 1}
    assert summary.episodes_without_instruction == 2
    assert (summary.without_depth, summary.two_dimensional) == (1, 1)
    assert summary.images_without_sample == 1
    assert summarise([tmp_path], episodes[2:]).saturated_share == {"du": 1 / 6, "dv": 0.0, "dz": 0.0}
    assert "no moving point" in summary.text()


def test_steps_that_are_valid_but_unknown_are_counted(tmp_path: Path) -> None:
    def lose(arrays: dict) -> None:
        arrays["traj"][0, 2:5] = -np.inf
        arrays["traj"][1, 3, 2] = np.nan

    write_forge_episode(tmp_path / "a", change=lose)
    write_forge_episode(tmp_path / "b", dimensions=2)
    summary = summarise([tmp_path], inspect_folders([tmp_path], jobs=1))
    assert summary.unknown_share == pytest.approx(4 / (2 * 25 * 7))
    assert "1.1% of the points' valid steps" in summary.text()


def test_every_broken_file_is_named_and_the_rest_is_counted(drawn: Path) -> None:
    image = drawn / "scene00000_a" / "images" / "scene00000_0.png"
    content = image.read_bytes()
    image.unlink()
    image.write_bytes(content[: len(content) // 2] + b"\0" * 64 + content[-12:])  # ends well, but is none
    (drawn / "scene00001_b" / "samples" / "scene00001_0.npz").write_bytes(b"PK")
    (drawn / "scene00002_x").mkdir()
    summary = summarise([drawn], inspect_folders([drawn], jobs=1))
    assert [Path(problem.path).relative_to(drawn).parts[0] for problem in summary.problems] == [
        "scene00000_a",
        "scene00001_b",
        "scene00002_x",
    ]
    assert summary.samples == 2
    assert summary.text().count("BROKEN") == 3


def test_several_processes_find_the_same(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = inspect_folders([drawn], jobs=1)
    monkeypatch.setattr("tracegen_model.data.inspection.EPISODES_PER_TASK", 2)
    assert inspect_folders([drawn], jobs=2) == alone


def test_samples_are_drawn_with_their_traces(drawn: Path) -> None:
    episodes = inspect_folders([drawn], jobs=1)
    traces, depth = draw_samples(episodes, 2)
    assert traces.shape[1] == 2 * 394 + 10
    assert depth is not None
    assert traces.std() > 10.0
    everything, _ = draw_samples(episodes, 100)
    assert everything.shape[0] > traces.shape[0]
    with pytest.raises(ValueError, match="no sample to draw"):
        draw_samples([], 4)


def test_the_command_reports_and_draws(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "inspect", str(drawn), "--out", str(tmp_path / "out"), "--samples", "3"]) == 0
    assert "4, 4 of them usable" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "report.json").read_text())["samples"] == 4
    for name in ("samples.png", "depth.png"):
        assert np.std(cv2.imread(str(tmp_path / "out" / name))) > 5.0


def test_the_command_fails_when_something_is_broken_unless_told_otherwise(
    drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (drawn / "scene00000_b" / "samples" / "scene00000_0.npz").write_bytes(b"")
    assert cli.main(["data", "inspect", str(drawn), "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["path"].endswith("scene00000_b/samples/scene00000_0.npz")
    assert problem["found"] == "an empty file"
    assert cli.main(["data", "inspect", str(drawn), "--skip-broken"]) == 0
    assert "BROKEN" in capsys.readouterr().out


def test_the_command_synthesises_what_it_then_finds_whole(tmp_path: Path) -> None:
    arguments = ["--episodes", "2", "--side", "48", "--seed", "5"]
    assert cli.main(["data", "synthesise", str(tmp_path / "new"), *arguments]) == 0
    assert cli.main(["data", "inspect", str(tmp_path / "new")]) == 0


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for arguments in (
        ["inspect", str(tmp_path / "nothing")],
        ["inspect", str(tmp_path)],
        ["synthesise", str(tmp_path / "out"), "--episodes", "0"],
        ["synthesise", str(tmp_path / "out"), "--side", "8"],
        ["pack", str(tmp_path), str(tmp_path / "out"), "--preset", "huge"],
    ):
        caplog.clear()
        assert cli.main(["data", *arguments]) == 1
        (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert "\n" not in record.getMessage()
