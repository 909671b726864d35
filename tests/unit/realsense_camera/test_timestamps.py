"""From the camera's clock to ROS time, with jitter, drift and clocks that are set."""

from __future__ import annotations

import numpy as np
import pytest

from realsense_camera.rgbd_frame import ClockDomain
from realsense_camera.timestamps import LARGEST_DRIFT, ClockOffset, StampMapping

START_S = 1.7e9
PERIOD_S = 1.0 / 30.0
SHORTEST_DELAY_S = 0.012


def mapped_errors_s(frames: int, drift: float, delays_s: np.ndarray) -> np.ndarray:
    """Stamp minus (true time + shortest delay) of frames from a camera clock that drifts."""
    mapping = StampMapping()
    errors = []
    for index in range(frames):
        true_s = index * PERIOD_S
        arrival_s = true_s + SHORTEST_DELAY_S + delays_s[index]
        stamp_ns = mapping.stamp(
            500.0 + true_s * (1.0 + drift),
            ClockDomain.HARDWARE,
            round((START_S + arrival_s) * 1e9),
            START_S + arrival_s,
        )
        errors.append((stamp_ns - round(START_S * 1e9)) * 1e-9 - true_s - SHORTEST_DELAY_S)
    return np.array(errors)


@pytest.mark.parametrize("drift", [-100e-6, 0.0, 100e-6])
def test_jitter_and_drift_move_stamps_by_less_than_a_millisecond(drift: float) -> None:
    rng = np.random.default_rng(0)
    delays_s = rng.exponential(0.004, 9000)
    delays_s[rng.random(9000) < 0.02] += 0.08
    errors = mapped_errors_s(9000, drift, delays_s)[30:]
    assert np.abs(errors).max() < 1e-3
    assert np.abs(np.diff(errors)).max() < 1e-3


def test_a_busy_minute_moves_stamps_by_no_more_than_the_drift_allowed() -> None:
    delays_s = np.zeros(3600)
    delays_s[600:2400] = 0.15
    errors = mapped_errors_s(3600, 0.0, delays_s)
    assert 0.0 <= errors.max() <= 60.0 * LARGEST_DRIFT + 1e-3
    assert abs(errors[-1]) < 1e-3


def test_stamps_increase_even_when_the_first_frames_came_late() -> None:
    delays_s = np.zeros(60)
    delays_s[:5] = [0.3, 0.25, 0.2, 0.1, 0.02]
    errors = mapped_errors_s(60, 0.0, delays_s)
    stamps = errors + np.arange(60) * PERIOD_S
    assert (np.diff(stamps) > 0.0).all()
    assert np.abs(errors[10:]).max() < 1e-6


@pytest.mark.parametrize("clock", [ClockDomain.SYSTEM, ClockDomain.GLOBAL])
def test_time_of_the_host_is_taken_as_it_is_whenever_the_frame_arrives(clock: ClockDomain) -> None:
    mapping = StampMapping()
    for index, delay_s in enumerate((0.010, 0.060, 0.011)):
        taken_s = 1000.0 + index * PERIOD_S
        arrival_s = taken_s + delay_s
        stamp_ns = mapping.stamp(taken_s, clock, round(arrival_s * 1e9), arrival_s)
        assert stamp_ns == pytest.approx(taken_s * 1e9, abs=1e3)


def test_time_of_the_host_is_carried_over_to_simulated_time() -> None:
    mapping = StampMapping()
    stamp_ns = mapping.stamp(START_S, ClockDomain.GLOBAL, 5_020_000_000, START_S + 0.02)
    assert stamp_ns == pytest.approx(5_000_000_000, abs=1e3)


def test_frames_of_an_old_recording_get_present_stamps() -> None:
    mapping = StampMapping()
    now_s = START_S
    stamps = [
        mapping.stamp(
            1000.0 + i * PERIOD_S, ClockDomain.SYSTEM, round((now_s + i * PERIOD_S) * 1e9), now_s + i
        )
        for i in range(30)
    ]
    assert stamps[0] == round(now_s * 1e9)
    assert np.diff(stamps) == pytest.approx(PERIOD_S * 1e9, abs=1e3)


def test_a_camera_clock_that_starts_anew_does_not_set_stamps_back() -> None:
    mapping = StampMapping()
    last_ns = 0
    for index in range(60):
        arrival_s = index * PERIOD_S + 0.02
        camera_s = 900.0 + index * PERIOD_S if index < 30 else (index - 30) * PERIOD_S
        stamp_ns = mapping.stamp(camera_s, ClockDomain.HARDWARE, round(arrival_s * 1e9), arrival_s)
        assert last_ns < stamp_ns <= round(arrival_s * 1e9)
        assert stamp_ns > arrival_s * 1e9 - 5e6
        last_ns = stamp_ns


def test_a_host_clock_set_forward_is_followed_after_half_a_second() -> None:
    offset = ClockOffset()
    for index in range(30):
        offset.update(index * PERIOD_S, index * PERIOD_S)
    for index in range(30, 60):
        learnt_s = offset.update(index * PERIOD_S, index * PERIOD_S + 3600.0)
    assert learnt_s == pytest.approx(3600.0, abs=1e-6)


def test_ros_time_that_is_set_back_takes_the_stamps_with_it() -> None:
    mapping = StampMapping()
    mapping.stamp(10.0, ClockDomain.HARDWARE, 100_000_000_000, 0.0)
    assert mapping.stamp(10.1, ClockDomain.HARDWARE, 1_000_000_000, 0.0) == 1_000_000_000


def test_no_stamp_lies_in_the_future() -> None:
    mapping = StampMapping()
    for camera_s, arrival_s in ((0.0, 0.0), (0.1, 0.04), (0.2, 0.3)):
        stamp_ns = mapping.stamp(camera_s, ClockDomain.HARDWARE, round(arrival_s * 1e9), arrival_s)
        assert stamp_ns <= round(arrival_s * 1e9)
