"""Recorded and computed answers are brought together by their images, and their differences are exact."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2
from trajectory_msgs.msg import JointTrajectory

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.bags.comparison import PARTNERS_AWAITED, Comparison, command_difference, trace_difference
from tracegen_ros.bags.recorded_parameters import recorded_parameters
from tracegen_ros.bags.replay_report import ReplayReport
from tracegen_ros.messages import encode_header, encode_joint_trajectory, encode_trace_grid

MS = 1_000_000
JOINTS = [f"fr3_joint{index}" for index in range(1, 8)]
FRAME = "camera_color_optical_frame"


def traces(stamp_ms: int, shift_m: float = 0.0, points: int = 4) -> PointCloud2:
    values = np.ones((3, points, 3), np.float32)
    values[-1, 0, 0] += shift_m
    return encode_trace_grid(TraceGrid(values, values[..., :2]), encode_header(stamp_ms * MS, FRAME))


def command(start_ms: int, first_joint: float = 0.0) -> JointTrajectory:
    times_s = np.linspace(0.0, 1.0, 11)
    positions = np.outer(times_s, np.ones(7))
    positions[:, 0] += first_joint
    return encode_joint_trajectory(
        JOINTS, times_s, positions, positions, positions, encode_header(start_ms * MS, "fr3_link0")
    )


def test_equal_messages_differ_by_nothing_and_others_by_something() -> None:
    assert trace_difference(traces(1), traces(1)) == 0.0
    assert trace_difference(traces(1), traces(1, 0.25)) == pytest.approx(0.25)
    assert command_difference(command(1), command(1)) == 0.0
    assert command_difference(command(1), command(1, 0.1)) == pytest.approx(0.1)


def test_commands_are_compared_at_the_same_time_not_at_the_same_point() -> None:
    # All joints move at 1 rad/s: a command that starts 50 ms later lags by 0.05 rad.
    assert command_difference(command(100), command(150)) == pytest.approx(0.05)


def test_what_cannot_be_subtracted_is_no_number() -> None:
    assert trace_difference(traces(1), traces(1, points=5)) is None
    holes = traces(1, float("nan"))
    assert trace_difference(traces(1), holes) is None
    assert trace_difference(holes, traces(1, float("nan"))) == 0.0


@pytest.mark.parametrize("recorded_first", [True, False])
def test_answers_to_the_same_image_are_compared_in_whatever_order_they_come(recorded_first: bool) -> None:
    comparison = Comparison()
    for recorded in (recorded_first, not recorded_first):
        for stamp_ms in (100, 200, 300):
            comparison.add_traces(traces(stamp_ms), recorded=recorded)
            comparison.add_command(command(stamp_ms + 30, 0.0 if recorded else 1e-3), recorded=recorded)
    comparison.finish()
    assert comparison.traces.summary() | {"compared": 3, "equal": 3} == comparison.traces.summary()
    summary = comparison.commands.summary()
    assert (summary["compared"], summary["equal"]) == (3, 0)
    assert summary["largest_difference"] == pytest.approx(1e-3)


def test_a_watchdogs_command_is_no_answer_to_traces() -> None:
    comparison = Comparison()
    comparison.add_traces(traces(100), recorded=True)
    comparison.add_command(command(130), recorded=True)
    comparison.add_command(command(180, 0.5), recorded=True)
    comparison.add_traces(traces(100), recorded=False)
    comparison.add_command(command(130), recorded=False)
    comparison.finish()
    assert comparison.commands.summary() | {"compared": 1, "equal": 1} == comparison.commands.summary()


def test_commands_decided_on_anew_are_counted_apart_from_those_at_recorded_times() -> None:
    report = ReplayReport(at_recorded_times=True)
    comparison = report.comparison
    for stamp_ms in (100, 200, 300, 400, 500):
        for recorded in (True, False):
            comparison.add_traces(traces(stamp_ms), recorded=recorded)
            if stamp_ms == 300 and not recorded:
                comparison.decide_anew()
            late_ms = 10 if stamp_ms >= 300 and not recorded else 0
            comparison.add_command(command(stamp_ms + 30 + late_ms), recorded=recorded)
    comparison.finish()
    numbers = report.as_json({})
    assert numbers["at_recorded_times"]
    counts = {"compared": 2, "equal": 2, "only_recorded": 1, "only_computed": 0}
    assert numbers["commands"] | counts == numbers["commands"], (
        "the one under way at the change had no partner"
    )
    counts = {"compared": 2, "equal": 0, "only_recorded": 0, "only_computed": 1}
    assert numbers["commands_anew"] | counts == numbers["commands_anew"]
    assert numbers["traces"] | {"compared": 5, "equal": 5} == numbers["traces"]
    assert any(line.startswith("commands decided on anew: 0 of 2 equal") for line in report.lines())


@pytest.mark.parametrize("recorded_first", [True, False])
def test_commands_that_start_at_once_are_compared_in_their_order(recorded_first: bool) -> None:
    comparison = Comparison(at_recorded_times=True)
    for recorded in (recorded_first, not recorded_first):
        for first_joint in (0.0, 0.1, 0.2):
            comparison.add_command(command(100, first_joint), recorded=recorded)
    comparison.finish()
    counts = {"compared": 3, "equal": 3, "only_recorded": 0, "only_computed": 0}
    assert comparison.commands.summary() | counts == comparison.commands.summary()


def test_answers_without_a_partner_are_counted_and_not_kept() -> None:
    comparison = Comparison()
    for number in range(3 * PARTNERS_AWAITED):
        comparison.add_traces(traces(number), recorded=False)
    comparison.add_traces(traces(10_000), recorded=True)
    comparison.finish()
    assert comparison.traces.only_computed == 3 * PARTNERS_AWAITED
    assert comparison.traces.only_recorded == 1


def test_the_report_names_task_counts_and_agreement() -> None:
    report = ReplayReport()
    report.begin_task("lift", typed=False)
    report.task.states.append("IDLE: task done")
    for recorded in (True, False):
        report.comparison.add_traces(traces(100, 0.0 if recorded else 2e-3), recorded=recorded)
    report.unanswered.append((7, "no depth"))
    text = "\n".join(report.lines())
    assert "'lift'" in text and "last: IDLE: task done" in text
    assert "0 of 1 equal to the last bit, apart by 2 mm" in text
    assert "1 frames unanswered; the first, of 7 ns: no depth" in text
    assert report.as_json({"bag": "b"})["traces"]["compared"] == 1


def test_only_parameters_that_decide_are_taken_from_a_recorded_run() -> None:
    told = {"/trace_node": {"seed": 7, "colour_topic": "/x"}, "trace_follower": {"command_lead_s": 0.1}}
    assert recorded_parameters({"parameters": told}) == {
        "trace_node": {"seed": 7},
        "trace_follower": {"command_lead_s": 0.1},
    }
    assert recorded_parameters({}) == {"trace_node": {}, "trace_follower": {}}
