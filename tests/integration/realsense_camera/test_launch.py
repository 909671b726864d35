"""``camera:=realsense`` under the launch file: it waits for a camera, and feeds the network with one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pyrealsense2 as rs
import pytest

from tracegen_ros.messages import Level

CAMERA_HEALTH = "realsense_camera: stream"
TRACE_HEALTH = "trace_node: inference"


@contextmanager
def launched(*arguments: str) -> Iterator[subprocess.Popen]:
    """The demo's launch file, while it runs."""
    ros2 = shutil.which("ros2")
    assert ros2 is not None, "ros2 is not on the path; source scripts/env.sh"
    process = subprocess.Popen(
        [ros2, "launch", "tracegen_ros", "fr3_demo.launch.py", "camera:=realsense", *arguments],
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60.0)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(len(rs.context().query_devices()) > 0, reason="a RealSense camera is connected")
def test_without_a_camera_the_launch_says_what_is_missing_and_stays_up(tester) -> None:
    with launched() as process:
        tester.wait_for_health(
            CAMERA_HEALTH, Level.ERROR, "no RealSense camera is connected; plug it into a USB 3 port"
        )
        tester.wait_for_health(
            TRACE_HEALTH, Level.ERROR, "no camera: nothing on /camera/camera/color/image_raw"
        )
        assert process.poll() is None


def test_images_of_the_camera_node_reach_the_network(tester) -> None:
    with launched("camera_source:=software"):
        tester.wait_for_health(CAMERA_HEALTH, Level.OK, "STREAMING")
        tester.wait_for_health(TRACE_HEALTH, Level.OK, "waiting for an instruction")
