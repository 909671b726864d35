"""``trace_node`` in a process of its own, fed by a camera made of messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import String
from tests.integration.tracegen_ros.camera_of_messages import COLOUR, DEPTH, FRAME, HEALTH, Camera

from tracegen_ros.messages import (
    Level,
    decode_stamp,
    decode_trace_grid,
    encode_colour,
    encode_depth,
    encode_header,
)

DROPPED = 4
"""So many frames a test has the node drop."""


@pytest.fixture(scope="module")
def running(tester, processes) -> Camera:
    processes.python(
        Path(__file__).with_name("straight_trace_node.py"),
        *(
            "--ros-args",
            "-p",
            "camera_timeout_s:=0.3",
            "-p",
            "frame_timeout_s:=10.0",
            "-p",
            "deadline_s:=10.0",
            "-p",
            "diagnostics_rate_hz:=20.0",
        ),
    )
    tester.activate("trace_node")
    return Camera(tester)


@pytest.fixture
def camera(running: Camera) -> Iterator[Camera]:
    yield running
    running.instruct("")
    running.tester.wait_for_health(HEALTH, Level.ERROR, "no camera")
    running.traces.clear()


def direction(cloud: PointCloud2) -> float:
    points = decode_trace_grid(cloud).points_in_camera
    return float(np.sign(points[-1, 0, 0] - points[0, 0, 0]))


def test_traces_carry_stamp_and_frame_of_their_image(camera: Camera) -> None:
    camera.instruct("go right")
    stamps_ns: set[int] = set()

    def answered() -> bool:
        stamps_ns.add(camera.publish())
        return bool(camera.traces)

    camera.tester.wait(answered, "traces")
    assert {decode_stamp(cloud.header.stamp) for cloud in camera.traces} <= stamps_ns
    assert camera.traces[0].header.frame_id == FRAME
    assert (camera.traces[0].height, camera.traces[0].width) == (5, 400)


def test_a_frame_that_came_before_its_instruction_is_used(camera: Camera) -> None:
    with camera.running():
        camera.tester.wait_for_health(HEALTH, Level.OK, "waiting for an instruction")
    last = camera.publish()
    camera.instruct("go right")
    camera.tester.wait(lambda: camera.traces, "traces of the frame that lay ready")
    assert decode_stamp(camera.traces[0].header.stamp) <= last


def test_the_next_traces_obey_a_new_instruction(camera: Camera) -> None:
    camera.instruct("go right")
    assert direction(camera.wait_for_traces()) == 1.0
    camera.instruct("go left")
    camera.tester.wait(
        lambda: camera.publish() and direction(camera.traces[-1]) == -1.0, "traces that go left"
    )
    directions = [direction(cloud) for cloud in camera.traces]
    assert directions == sorted(directions, reverse=True), (
        "no trace of the old instruction follows one of the new"
    )


def test_slow_inference_takes_the_newest_frame_and_drops_the_others(camera: Camera, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    camera.instruct(f"behind {gate} go right")
    began = Path(f"{gate}.began")
    camera.tester.wait(lambda: camera.publish() and began.exists(), "an inference that takes long")
    stamps: list[int] = []

    def dropped() -> int:
        return int(camera.tester.wait_for_health(HEALTH, None, "")["frames_dropped"])

    before = dropped()
    while dropped() < before + DROPPED:
        stamps.append(camera.publish())
    # What is on its way arrives.
    before = -1
    while (now := dropped()) > before:
        before = now
    gate.touch()
    camera.tester.wait(
        lambda: camera.traces and decode_stamp(camera.traces[-1].header.stamp) == stamps[-1],
        "the newest frame",
    )
    used = {decode_stamp(cloud.header.stamp) for cloud in camera.traces}
    assert used.intersection(stamps) == {stamps[-1]}, "frames between were dropped"


def test_an_instruction_from_a_publisher_that_is_not_latched_is_heard_too(camera: Camera) -> None:
    publisher = camera.tester.publisher(String, "/task_instruction", 10)
    publisher.publish(String(data="go left"))
    assert direction(camera.wait_for_traces()) == -1.0
    camera.tester.node.destroy_publisher(publisher)


def test_an_empty_instruction_stops_the_traces(camera: Camera) -> None:
    camera.instruct("go right")
    camera.wait_for_traces()
    camera.instruct("")
    with camera.running():
        camera.tester.wait_for_health(HEALTH, Level.OK, "waiting for an instruction")
        since_ns = camera.publish()
        camera.tester.wait_for_health(HEALTH, Level.OK, "waiting for an instruction")
    assert camera.traces_since(since_ns) == []


def test_health_names_model_rate_and_latencies(camera: Camera) -> None:
    camera.instruct("go right")
    camera.wait_for_traces()
    camera.wait_for_traces(camera.publish())
    values = camera.tester.wait_for_health(HEALTH, Level.OK, "predicting")
    assert values["model"] == "fr3_blocks_nano"
    assert values["instruction"] == "go right"
    assert float(values["total_p99_ms"]) >= float(values["total_p50_ms"]) > 0.0
    assert {"sample_p50_ms", "decode_p50_ms", "node_overhead_p99_ms", "staleness_s", "rate_hz"} <= set(values)


@pytest.mark.parametrize(
    ("words", "colour", "depth", "skip"),
    [
        ("wrong encoding: the colour image has encoding 'mono8'", Image(encoding="mono8"), None, ""),
        ("size mismatch: the depth image is 32x24 px", None, encode_depth(DEPTH[::2, ::2], encode_header(0, "")), ""),
        ("size mismatch: the colour image is 32x24 px", encode_colour(COLOUR[::2, ::2], encode_header(0, "")),
         encode_depth(DEPTH[::2, ::2], encode_header(0, "")), ""),
        ("no depth", None, encode_depth(0.0 * DEPTH, encode_header(0, "")), ""),
        ("no depth", None, encode_depth(np.nan * DEPTH, encode_header(0, ""), "32FC1"), ""),
        ("no camera: nothing on /camera/camera/aligned_depth_to_color/image_raw", None, None, "depth"),
    ],
)  # fmt: skip
def test_bad_images_are_named_and_give_no_traces(
    camera: Camera, words: str, colour: Image | None, depth: Image | None, skip: str
) -> None:
    camera.instruct("go right")
    with camera.running(colour, depth, skip):
        camera.tester.wait_for_health(HEALTH, Level.ERROR, words)
    assert camera.traces == []


def test_an_instruction_of_ten_kilobytes_is_refused_and_stops(camera: Camera) -> None:
    camera.instruct("go right")
    camera.wait_for_traces()
    camera.instruct("please " * 1500)
    with camera.running():
        camera.tester.wait_for_health(
            HEALTH, Level.ERROR, "bad instruction: the instruction has 10500 characters"
        )
        since_ns = camera.publish()
        camera.tester.wait_for_health(HEALTH, Level.ERROR, "bad instruction")
    assert camera.traces_since(since_ns) == []


def test_traces_come_back_after_a_fault(camera: Camera) -> None:
    camera.instruct("go right")
    with camera.running(depth=Image(width=1, height=1, encoding="mono8")):
        camera.tester.wait_for_health(HEALTH, Level.ERROR, "wrong encoding")
    assert camera.wait_for_traces().width == 400
