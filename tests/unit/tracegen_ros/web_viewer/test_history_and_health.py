"""Looking back, how fresh things are, and what the page says about it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tracegen_ros.web_viewer.drawing import NO_POINTS
from tracegen_ros.web_viewer.earlier_instructions import INSTRUCTIONS_KEPT, EarlierInstructions
from tracegen_ros.web_viewer.health import (
    HealthSample,
    Input,
    RecentHealth,
    health_sample,
    inputs_html,
    state_html,
    state_word,
    states_html,
)
from tracegen_ros.web_viewer.history import History, Moment


def moment(at_s: float) -> Moment:
    return Moment(at_s, None, {}, b"", f"at {at_s:g}", np.zeros((0, 3), np.float32), NO_POINTS)


def test_the_past_is_found_and_what_is_too_old_forgotten() -> None:
    history = History(length_s=10.0, period_s=1.0)
    assert history.freeze().at(1.0) is None
    for second in range(31):
        assert history.due(float(second))
        history.add(moment(float(second)))
    assert not history.due(30.5)
    recording = history.freeze()
    history.add(moment(100.0))
    assert len(recording.moments) == 11
    for ago_s, at_s in ((0.0, 30.0), (0.5, 29.0), (3.0, 27.0), (10.0, 20.0), (99.0, 20.0)):
        assert recording.at(ago_s).at_s == at_s


@pytest.mark.parametrize(
    ("age_s", "publishers", "expected", "fresh", "words"),
    [
        (0.1, 1, True, True, "live"),
        (None, 0, True, False, "nobody publishes"),
        (None, 1, True, False, "nothing yet"),
        (5.0, 1, True, False, "stale for 5.0 s"),
        (50.0, 0, True, False, "gone for 50 s"),
        (50.0, 1, False, False, "at rest"),
    ],
)
def test_inputs_say_whether_they_are_there(
    age_s: float | None, publishers: int, expected: bool, fresh: bool, words: str
) -> None:
    item = Input("camera", age_s, 2.0, publishers, expected)
    assert (item.fresh, item.verdict) == (fresh, words)
    assert f"data-fresh='{str(fresh).lower()}'" in inputs_html([item])


def test_an_input_that_is_not_understood_says_why() -> None:
    item = Input("camera", 0.1, 2.0, 1, error="the colour image has encoding <mono8>")
    assert not item.fresh
    assert "encoding &lt;mono8&gt;" in inputs_html([item])


def test_what_people_type_cannot_become_part_of_the_page() -> None:
    page = state_html("HOLD: <script>", True, "<img src=x onerror=alert(1)>")
    assert "<script" not in page
    assert "<img" not in page


def test_numbers_of_the_nodes_become_a_sample_and_garbage_does_not() -> None:
    sample = health_sample({"staleness_s": "0.062", "total_p50_ms": "22", "rate_hz": "x"}, {})
    assert (sample.image_to_traces_ms, sample.inference_ms) == (62.0, 22.0)
    assert math.isnan(sample.traces_hz)
    assert math.isnan(sample.trace_to_command_ms)


def test_the_plots_cover_their_window_and_no_more() -> None:
    health = RecentHealth(10.0)
    for second in range(30):
        health.add(float(second), HealthSample(traces_hz=float(second)))
    times, rates, missing = health.series(29.0, "traces_hz", "inference_ms")
    assert (times[0], times[-1]) == (-10.0, 0.0)
    assert (rates[0], rates[-1]) == (19.0, 29.0)
    assert not missing.any()


def test_states_are_spells_on_a_strip() -> None:
    health = RecentHealth(10.0)
    assert health.spells(0.0) == []
    for at_s, state in ((0.0, "IDLE"), (1.0, "IDLE"), (15.0, "FOLLOW"), (18.0, "FOLLOW (grasp)")):
        health.add_state(at_s, state)
    assert health.spells(20.0) == [("IDLE", 0.0, 0.5), ("FOLLOW", 0.5, 0.8), ("FOLLOW (grasp)", 0.8, 1.0)]
    assert states_html(health.spells(20.0), 10.0).count("<rect") == 3


def test_the_state_is_the_word_before_the_reason() -> None:
    assert state_word("FOLLOW: towards a grasp") == "FOLLOW"
    assert state_word("FOLLOW (grasp): moving the fingers") == "FOLLOW (grasp)"
    assert state_word("IDLE: waiting for an instruction") == "IDLE"
    assert state_word("something else") == ""


def test_a_fault_says_what_leads_out_of_it() -> None:
    assert "recover:" in state_html("FAULT: the fingers do not move", True, "")
    assert "recover:" not in state_html("STOP: stop service", False, "")


def test_each_earlier_instruction_is_kept_once_and_the_oldest_goes() -> None:
    earlier = EarlierInstructions()
    for number in range(INSTRUCTIONS_KEPT + 3):
        earlier.add(f"task {number}")
    earlier.add("task 4")
    assert len(earlier.newest_first) == INSTRUCTIONS_KEPT
    assert earlier.newest_first[:3] == ("task 4", "task 8", "task 7")
    assert earlier.newest_first.count("task 4") == 1
