"""Windows that share truth count as one stretch, and equal models are rarely told apart."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ik_controller.evaluation.evaluation import Comparison, Evaluation, Row
from ik_controller.evaluation.stretches import Moment, stretches
from ik_controller.evaluation.sure_means import holm, student_p_value, student_quantile
from ik_controller.evaluation.trace_errors import WeightedValue

HORIZON_S = 8.0
MEASURES = ("hand_ade_cm_arc", "hand_fde_cm_arc", "scene_fde_cm_arc", "start_direction_deg")
REPEATS = 300


def numbers(starts_s: NDArray[np.float64], task_s: float, bag: str = "bag") -> list[int]:
    """Stretches of windows at ``starts_s``; tasks take ``task_s`` each."""
    moments = [Moment(bag, float(start), f"task {start // task_s:.0f}") for start in starts_s]
    found = stretches(moments, HORIZON_S)
    return [found[moment.bag, moment.time_s] for moment in moments]


def test_a_stretch_is_a_task_or_as_many_as_take_two_horizons() -> None:
    starts = np.arange(0.0, 60.0)
    assert numbers(starts, 20.0) == [int(start // 20.0) for start in starts]
    assert numbers(starts, 10.0) == [int(start // 20.0) for start in starts]
    assert numbers(starts, 1000.0) == [0] * 60


def test_what_remains_of_a_recording_belongs_to_the_stretch_before() -> None:
    assert numbers(np.arange(0.0, 45.0), 20.0) == [0] * 20 + [1] * 25
    assert numbers(np.arange(0.0, 3.0), 1.0) == [0, 0, 0]


def test_recordings_are_never_one_stretch_whatever_their_order() -> None:
    moments = [Moment(bag, start, "go") for start in (5.0, 0.0) for bag in "ba"]
    assert stretches(moments, HORIZON_S) == {("a", 0.0): 0, ("a", 5.0): 0, ("b", 0.0): 1, ("b", 5.0): 1}


def test_student_and_holm_are_those_of_the_tables() -> None:
    assert [round(student_quantile(freedom), 3) for freedom in (1, 4, 30)] == [12.706, 2.776, 2.042]
    assert student_p_value(3.0, 5) == pytest.approx(0.030099, abs=1e-6)
    assert holm([0.04, 0.01, None, 0.02]) == [True, True, False, True]
    assert holm([0.04, 0.03]) == [False, False]


def compared(rng: np.random.Generator, windows: int, task_s: int, shift: float = 0.0) -> list[Comparison]:
    """Two models, a window each second, whose errors differ by what happens in the 8 s that each window sees."""
    reach = np.ones(int(HORIZON_S)) / HORIZON_S
    by_measure = [
        np.convolve(rng.exponential(1.0, windows + len(reach) - 1) - 1.0, reach, "valid") + shift
        for _ in MEASURES
    ]
    rows = []
    for number in range(windows):
        for model, sign in (("one", 0.0), ("other", 1.0)):
            measures = {
                name: WeightedValue(10.0 + sign * float(values[number]), 1.0)
                for name, values in zip(MEASURES, by_measure, strict=True)
            }
            text = f"task {number // task_s}"
            rows.append(Row(model, "bag", text, float(number), measures, np.zeros(1), {}, 5, 5))
    return Evaluation(rows, HORIZON_S).compare("one", "other", MEASURES)


@pytest.mark.parametrize(("windows", "task_s"), [(100, 20), (150, 10), (160, 4)])
def test_equal_models_are_rarely_told_apart_by_windows_that_overlap(windows: int, task_s: int) -> None:
    rng = np.random.default_rng(windows)
    wrong = [any(one.better for one in compared(rng, windows, task_s)) for _ in range(REPEATS)]
    assert 0.005 < np.mean(wrong) < 0.1


def test_different_models_are_told_apart_by_windows_that_overlap() -> None:
    rng = np.random.default_rng(0)
    told = [
        all(one.better == "one" for one in compared(rng, 150, 10, shift=1.0)) for _ in range(REPEATS // 10)
    ]
    assert np.mean(told) > 0.9


@pytest.mark.parametrize("windows", [12, 25])
def test_a_short_recording_tells_nothing(windows: int) -> None:
    for one in compared(np.random.default_rng(0), windows, 4, shift=9.0):
        assert one.too_few and one.interval is None and one.better == "" and one.difference > 5.0
