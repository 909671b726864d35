"""Rows come to means with intervals, models are compared window by window, thresholds say what fails."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ik_controller.evaluation.evaluation import Evaluation, Row, Threshold, ThresholdError
from ik_controller.evaluation.trace_errors import WeightedValue

MEASURE = "hand_fde_cm_arc"
TASK_S = 20.0
"""Longer than two horizons: every window is of a task and a stretch of its own."""


def row(model: str, number: int, error: float, instruction: str = "", **more: float) -> Row:
    measures = {MEASURE: WeightedValue.mean_of(np.array([error]))}
    measures |= {name: WeightedValue(value, 1.0) for name, value in more.items()}
    text = instruction or f"go {number}"
    return Row(model, "bag", text, TASK_S * number, measures, np.array([0.0, error]), {"sample": 0.02}, 5, 3)


def rows_of(model: str, shift: float, count: int = 40) -> list[Row]:
    """Windows that differ much from each other, and models that differ little, alike in each window."""
    hard = np.random.default_rng(0).uniform(1.0, 20.0, count)
    noise = np.random.default_rng(len(model)).normal(0.0, 0.2, count)
    return [row(model, number, float(hard[number] + noise[number] + shift)) for number in range(count)]


def test_the_mean_has_an_interval_that_holds_it() -> None:
    evaluation = Evaluation(rows_of("a", 0.0))
    mean = evaluation.mean(evaluation.of("a"), MEASURE)
    assert mean.rows == 40
    assert mean.interval is not None and mean.interval[0] < mean.value < mean.interval[1]
    assert np.isnan(evaluation.mean(evaluation.of("a"), "scene_fde_cm_arc").value)


def test_a_worse_model_is_told_even_where_windows_differ_more_than_models() -> None:
    evaluation = Evaluation(rows_of("good", 0.0) + rows_of("worse", 0.5))
    overlap = [evaluation.mean(evaluation.of(model), MEASURE).interval for model in ("good", "worse")]
    assert overlap[0] is not None and overlap[1] is not None and overlap[0][1] > overlap[1][0]
    found = evaluation.compare("good", "worse", [MEASURE])[0]
    assert found.better == "good" and found.rows == 40
    assert evaluation.compare("worse", "good", [MEASURE])[0].better == "good"
    assert evaluation.ranked(MEASURE) == ["good", "worse"]


def test_equal_models_are_not_ranked_against_each_other() -> None:
    evaluation = Evaluation(rows_of("one", 0.0) + rows_of("other", 0.0))
    assert evaluation.compare("one", "other", [MEASURE])[0].better == ""


def test_a_share_is_better_when_it_is_larger() -> None:
    rows = [row("a", n, 1.0, feasible=1.0) for n in range(9)]
    rows += [row("b", n, 1.0, feasible=float(n % 3 == 0)) for n in range(9)]
    assert Evaluation(rows).ranked("feasible") == ["a", "b"]
    assert Evaluation(rows).compare("a", "b", ["feasible"])[0].better == "a"


def test_thresholds_name_what_fails_and_take_what_was_not_measured_as_failed() -> None:
    evaluation = Evaluation([row("a", n, 2.0) for n in range(4)])
    assert Threshold.parse("hand_fde_cm_arc<2.5").failure(evaluation, "a") == ""
    assert "is 2, expected < 1.5" in Threshold.parse("hand_fde_cm_arc < 1.5").failure(evaluation, "a")
    assert "not measured" in Threshold.parse("feasible>0.9").failure(evaluation, "a")


@pytest.mark.parametrize(
    "text", ["hand_fde_cm_arc", "hand_fde_cm_arc<", "hand_fde_cm_arc<two", "speed<3", "<3"]
)
def test_a_threshold_that_means_nothing_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ThresholdError, match="hand_ade_cm_arc"):
        Threshold.parse(text)


def test_everything_goes_into_json_and_unknown_values_are_left_out() -> None:
    evaluation = Evaluation([row("a", 0, 2.0, "go"), row("a", 1, float("nan"), "back")])
    values = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert values["models"]["a"]["measures"][MEASURE] == {"mean": 2.0, "interval": None, "windows": 1}
    assert values["models"]["a"]["instructions"]["back"] == {}
    assert values["models"]["a"]["latency_ms"]["sample"]["p50"] == pytest.approx(20.0)
