"""Rows of the curve are kept, compared task by task, and never mixed up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.steps_versus_quality.offline import MEASURES
from tests.steps_versus_quality.report import write_report
from tests.steps_versus_quality.results import OfflineRow, OtherSettings, Results, RowKey, Success

SETTINGS = {"data": "held_out", "tasks": 4, "draws": 2, "seed": 0}
EULER_4 = RowKey("nano", "0123abcd", "euler", 4)
EULER_100 = RowKey("nano", "0123abcd", "euler", 100)
HEUN_2 = RowKey("nano", "0123abcd", "heun", 2)
STUDENT = RowKey("student", "4567cdef", "euler", 1)


def row(values: list[float]) -> OfflineRow:
    return OfflineRow(dict.fromkeys(MEASURES, np.array(values)), ["a", "b", "c", "d"])


def write_success(results: Results, key: RowKey, outcomes: list[bool | None]) -> None:
    """Write what the closed loop's benchmark does; an outcome of None came to no verdict."""
    folder = results.success_folder(key)
    folder.mkdir(parents=True)
    episodes = [
        {"seed": seed, "success": bool(outcome), "failure": "" if outcome is not None else "stalled"}
        for seed, outcome in enumerate(outcomes)
    ]
    (folder / "results.json").write_text(json.dumps({"episodes": episodes}), encoding="utf-8")


def test_a_row_is_found_again_with_its_gaps(tmp_path: Path) -> None:
    Results(tmp_path, SETTINGS).keep_offline(EULER_4, row([1.0, float("nan"), 3.0, 4.0]))
    found = Results(tmp_path, SETTINGS).offline(EULER_4)
    assert found is not None
    np.testing.assert_array_equal(found.values["spread_cm"], [1.0, np.nan, 3.0, 4.0])
    assert found.estimate("spread_cm").mean == pytest.approx(8 / 3)


def test_a_row_of_other_weights_is_another_row(tmp_path: Path) -> None:
    results = Results(tmp_path, SETTINGS)
    results.keep_offline(EULER_4, row([1.0, 2.0, 3.0, 4.0]))
    assert results.offline(RowKey("nano", "ffffffff", "euler", 4)) is None


def test_a_row_of_other_tasks_is_refused(tmp_path: Path) -> None:
    Results(tmp_path, SETTINGS).keep_offline(EULER_4, row([1.0, 2.0, 3.0, 4.0]))
    with pytest.raises(OtherSettings, match="--output"):
        Results(tmp_path, SETTINGS | {"tasks": 5}).offline(EULER_4)


def test_a_difference_is_taken_task_by_task() -> None:
    first, second = row([1.0, 10.0, 100.0, 1000.0]), row([1.5, 10.5, 100.5, 1000.5])
    difference = second.difference("hand_cm_8", first)
    assert difference.mean == pytest.approx(0.5)
    assert difference.interval == pytest.approx((0.5, 0.5))


def test_successes_are_compared_seed_by_seed() -> None:
    first, second = Success({1: True, 2: True, 3: False}), Success({1: True, 2: False, 3: True, 4: True})
    assert first.differing(second) == (1, 1)
    assert first.share == pytest.approx(2 / 3)


def test_an_episode_without_a_verdict_is_no_failure_of_the_sampler(tmp_path: Path) -> None:
    results = Results(tmp_path, SETTINGS)
    write_success(results, EULER_4, [True, None, False])
    found = results.success(EULER_4)
    assert found is not None
    assert (found.by_seed, found.lost) == ({0: True, 2: False}, 1)
    write_success(results, HEUN_2, [None])
    assert results.success(HEUN_2) is None


def test_the_report_says_what_was_not_measured(tmp_path: Path) -> None:
    results = Results(tmp_path, SETTINGS)
    results.keep_offline(EULER_4, row([1.0, 2.0, 3.0, 4.0]))
    results.keep_offline(EULER_100, row([2.0, 3.0, 4.0, 5.0]))
    results.keep_offline(STUDENT, row([2.0, 3.0, 4.0, 6.0]))
    write_success(results, EULER_4, [True, True, False])
    write_report(results, [[EULER_4, HEUN_2, EULER_100], [STUDENT]], SETTINGS)

    table = (tmp_path / "steps_versus_quality.md").read_text(encoding="utf-8").splitlines()
    by_method = {line.split(" | ")[1:3][0] + line.split(" | ")[2]: line for line in table[2:]}
    assert len(by_method) == 3
    assert "2 / 3 [21, 94] %" in by_method["euler4"]
    assert "-1.00 [-1.00, -1.00]" in by_method["euler4"]
    assert "reference" in by_method["euler100"]
    assert by_method["euler100"].endswith("| – |")

    content = json.loads((tmp_path / "steps_versus_quality.json").read_text(encoding="utf-8"))
    assert [entry["steps"] for entry in content["rows"]] == [4, 100, 1]
    assert content["reference"] == {"method": "euler", "steps": 100}
    assert "success" not in content["rows"][1]
    picture = (tmp_path / "steps_versus_quality.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
