"""Percentiles, and ratios that do not mind what else the machine does."""

from __future__ import annotations

import pytest
from tests.inference_speed.timings import Duration, Summary, ratio_of_turns


def test_a_summary_tells_percentiles_of_wall_time_and_the_median_of_processor_time() -> None:
    found = Summary.of([Duration(float(number), 2.0 * number) for number in range(101)])
    assert (found.count, found.p50_s, found.p95_s, found.p99_s) == (101, 50.0, 95.0, 99.0)
    assert found.processor_p50_s == 100.0


def test_nothing_cannot_be_summed_up() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Summary.of([])


def test_a_machine_that_slows_down_in_one_turn_does_not_change_the_ratio() -> None:
    slow = [[10.0], [10.0], [80.0]]
    fast = [[1.0, 1.0], [1.0, 1.0], [8.0, 8.0]]
    assert ratio_of_turns(slow, fast) == pytest.approx(10.0)


def test_parts_add_up() -> None:
    assert Duration(1.0, 2.0) + Duration(3.0, 4.0) == Duration(4.0, 6.0)
