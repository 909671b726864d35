"""Recordings are cut into windows where what follows no longer belongs to the same instruction and motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ik_controller.evaluation.recording import (
    JointTrack,
    RecordedFrame,
    RecordingError,
    WindowConfig,
    windows,
)

PERIOD_S = 0.1
CONFIG = WindowConfig(every_s=1.0, horizon_s=2.0)


def frame(time_s: float, instruction: str = "go") -> RecordedFrame:
    pixels = np.zeros((2, 2, 3), np.uint8)
    return RecordedFrame(time_s, round(time_s * 1e9), pixels, np.ones((2, 2), np.float32), instruction)


def track(end_s: float = 20.0) -> JointTrack:
    times = np.arange(0.0, end_s, 0.05)
    return JointTrack(times, np.outer(times, np.full(7, 0.1)))


def frames(count: int) -> list[RecordedFrame]:
    return [frame(PERIOD_S * number) for number in range(count)]


def spans(found: list) -> list[tuple[float, float]]:
    return [(round(w.start.time_s, 3), round(w.end_s, 3)) for w in found]


def test_a_window_starts_every_second_and_looks_as_far_ahead_as_it_should() -> None:
    found = list(windows("bag", frames(41), track(), CONFIG))
    assert spans(found) == [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0), (3.0, 4.0)]
    assert [round(one.time_s, 3) for one in found[1].frames[:3]] == [1.0, 1.1, 1.2]


def test_a_new_instruction_ends_the_windows_before_it_and_starts_one() -> None:
    recorded = [replace(one, instruction="go" if one.time_s < 1.45 else "back") for one in frames(31)]
    found = list(windows("bag", recorded, track(), CONFIG))
    assert spans(found) == [(0.0, 1.4), (1.0, 1.4), (1.5, 3.0), (2.5, 3.0)]
    assert [window.start.instruction for window in found] == ["go", "go", "back", "back"]


def test_frames_without_an_instruction_or_without_joints_start_no_window() -> None:
    recorded = [replace(one, instruction="" if one.time_s < 0.95 else "go") for one in frames(31)]
    assert spans(list(windows("bag", recorded, track(end_s=1.5), CONFIG)))[0][0] == 1.0
    assert next(iter(windows("bag", frames(31), track(end_s=0.2), CONFIG))).end_s <= 0.2


@pytest.mark.parametrize("jump_s", [5.0, -0.8])
def test_a_gap_and_a_clock_that_was_set_back_end_a_window(jump_s: float) -> None:
    recorded = frames(15) + [frame(1.4 + jump_s + PERIOD_S * number) for number in range(10)]
    found = list(windows("bag", recorded, track(), CONFIG))
    assert found[0].end_s == pytest.approx(1.4)
    assert all((np.diff([one.time_s for one in window.frames]) > 0.0).all() for window in found)


def test_an_arm_that_was_put_elsewhere_ends_a_window() -> None:
    times = np.arange(0.0, 5.0, 0.05)
    joints = JointTrack(times, np.where(times[:, None] < 1.52, 0.0, 1.0) * np.ones(7))
    found = list(windows("bag", frames(31), joints, CONFIG))
    assert found[0].end_s == pytest.approx(1.5)


def test_frames_that_come_faster_than_needed_are_thinned_but_for_the_one_after_the_first() -> None:
    recorded = [frame(0.02 * number) for number in range(60)]
    times = [round(one.time_s, 3) for one in next(iter(windows("bag", recorded, track(), CONFIG))).frames]
    assert times[:3] == [0.0, 0.02, 0.12]
    assert len(times) < 20


def test_a_track_must_have_times_that_increase() -> None:
    with pytest.raises(RecordingError, match="times that increase"):
        JointTrack(np.zeros(3), np.zeros((3, 7)))
