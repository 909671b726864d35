"""Instructions, latencies, calibration files, colours and drawings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from visualization_msgs.msg import MarkerArray

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.camera_calibration import CalibrationError, read_camera_calibration
from tracegen_ros.instruction import LONGEST, InstructionTextError, clean_instruction
from tracegen_ros.latency import LatencyWindow, RateWindow
from tracegen_ros.messages import encode_header, encode_trace_markers
from tracegen_ros.overlay import draw_traces
from tracegen_ros.step_colours import step_colours
from tracegen_ros.trace_motion import travelled


def test_an_instruction_is_trimmed_and_may_be_empty() -> None:
    assert clean_instruction("  put it there\n") == "put it there"
    assert clean_instruction(" \n") == ""


def test_an_instruction_that_is_too_long_is_refused_with_both_numbers() -> None:
    assert len(clean_instruction("a" * LONGEST)) == LONGEST
    with pytest.raises(InstructionTextError, match="1001 characters, at most 1000"):
        clean_instruction("a" * (LONGEST + 1))


def test_percentiles_are_of_the_last_samples() -> None:
    window = LatencyWindow(window=100)
    for index in range(1000):
        window.add({"stage": 1.0 if index < 900 else (index - 900) / 1000.0})
    values = window.percentiles_ms()
    assert values["stage_p50_ms"] == pytest.approx(49.5)
    assert values["stage_p99_ms"] == pytest.approx(98.01)


def test_the_rate_forgets_what_is_long_ago() -> None:
    rate = RateWindow(window_s=2.0)
    for tick in range(11):
        rate.tick(tick * 0.25)
    assert rate.rate_hz(2.5) == pytest.approx(4.0)
    assert rate.rate_hz(10.0) == 0.0


def calibration_file(folder: Path, **changes: object) -> Path:
    content = {
        "parent_frame": "base",
        "child_frame": "camera",
        "translation": [1.0, 2.0, 3.0],
        "rotation": [0.0, 0.0, 0.0, 1.0],
    } | changes
    path = folder / "calibration.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in content.items() if value is not None))
    return path


def test_a_calibration_file_gives_frames_and_pose(tmp_path: Path) -> None:
    calibration = read_camera_calibration(calibration_file(tmp_path))
    assert (calibration.parent_frame, calibration.child_frame) == ("base", "camera")
    np.testing.assert_array_equal(calibration.camera_in_base[:3, :3], np.eye(3))
    np.testing.assert_array_equal(calibration.camera_in_base[:3, 3], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rotation": None}, "must hold the keys"),
        ({"rotation": [0.0, 0.0, 0.0, 2.0]}, "unit quaternion"),
        ({"translation": [1.0, 2.0]}, "no rigid transform"),
        ({"translation": "here"}, "no rigid transform"),
        ({"parent_frame": "[unclosed"}, "cannot read"),
    ],
)
def test_a_bad_calibration_file_is_refused_with_a_reason(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(CalibrationError, match=words):
        read_camera_calibration(calibration_file(tmp_path, **changes))


def test_a_missing_calibration_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"nowhere\.yaml"):
        read_camera_calibration(tmp_path / "nowhere.yaml")


def moving_and_standing() -> TraceGrid:
    points = np.ones((5, 3, 3), np.float32)
    points[:, 1, 0] += np.linspace(0.0, 0.1, 5)
    points[:, 2] = np.nan
    pixels = np.full((5, 3, 2), 20.0, np.float32)
    pixels[:, 1, 0] = np.linspace(10.0, 50.0, 5)
    return TraceGrid(points, pixels)


def test_how_far_traces_travel_ignores_invalid_ones() -> None:
    np.testing.assert_allclose(travelled(moving_and_standing()), [0.0, 0.1, 0.0], atol=1e-6)


def test_every_step_has_its_own_colour() -> None:
    colours = step_colours(32)
    assert colours.shape == (32, 3)
    assert len(np.unique(colours, axis=0)) == 32
    assert colours[0, 2] > colours[0, 0] and colours[-1, 0] > colours[-1, 2], "from blue to red"


def test_only_moving_traces_are_drawn_on_the_image() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    drawn = draw_traces(image, moving_and_standing())
    assert not image.any(), "the image given stays as it was"
    rows, columns = np.nonzero(drawn.any(axis=-1))
    assert columns.min() >= 7 and columns.max() >= 49
    assert rows.min() >= 17 and rows.max() <= 23
    assert not draw_traces(image, TraceGrid(np.ones((2, 4, 3)), np.ones((2, 4, 2)))).any()


def test_markers_hold_one_coloured_segment_per_valid_step() -> None:
    traces = moving_and_standing()
    emphasised = np.array([False, True, False])
    message = encode_trace_markers(traces, emphasised, emphasised, encode_header(0, "camera"), 0.001, 1.0)
    markers = deserialize_message(message, MarkerArray).markers
    assert [marker.ns for marker in markers] == ["traces", "leading_traces"]
    assert markers[0].action == markers[0].DELETE and not markers[0].points
    assert len(markers[1].points) == len(markers[1].colors) == 8
    assert markers[1].header.frame_id == "camera"
