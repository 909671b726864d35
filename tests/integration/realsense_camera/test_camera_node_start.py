"""The camera node where something is missing from the start: it says what, stays up, and goes on when it is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyrealsense2 as rs
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import String

from tracegen_ros.messages import Level, decode_depth
from tracegen_ros.qos import SENSOR

MODULE = "realsense_camera.nodes.camera_node"
NODE = "camera/camera"
HEALTH = "realsense_camera: stream"
QUICK = {"diagnostics_rate_hz": 20.0, "retry_s": 0.1}


@pytest.mark.skipif(len(rs.context().query_devices()) > 0, reason="a RealSense camera is connected")
def test_without_a_camera_the_node_waits_for_one(tester, processes) -> None:
    node = processes.node(MODULE, **QUICK)
    tester.activate(NODE)
    tester.wait_for_health(HEALTH, Level.ERROR, "UNPLUGGED: no RealSense camera is connected")
    assert node.poll() is None
    processes.end(node)
    assert node.returncode == 0


def test_a_wrong_profile_is_named_and_the_node_waits_for_a_camera_that_has_it(tester, processes) -> None:
    node = processes.python(
        "tests.integration.realsense_camera.controlled_camera_node",
        *("--ros-args", "-p", "diagnostics_rate_hz:=20.0", "-p", "retry_s:=0.1"),
    )
    tester.activate(NODE)
    tester.wait_for_health(
        HEALTH,
        Level.ERROR,
        "WRONG_PROFILE: Software camera software offers no colour stream 640x480x30; it offers 160x120x30",
    )
    commands = tester.publisher(String, "/camera_command", 10)
    commands.publish(String(data="offer_vga"))
    tester.wait_for_health(HEALTH, Level.OK, "STREAMING")
    processes.end(node)
    assert node.returncode == 0


def test_a_missing_libusb_is_named_and_the_node_goes_on_once_it_is_installed(
    tester, processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "libusb-1.0.so.0"
    broken.write_text("no library")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}:{os.environ.get('LD_LIBRARY_PATH', '')}")
    node = processes.node(MODULE, source="software", **QUICK)
    tester.activate(NODE)
    tester.wait_for_health(HEALTH, Level.ERROR, "install it with 'sudo apt-get install libusb-1.0-0'")
    broken.unlink()
    depths = tester.hear(Image, "/camera/camera/aligned_depth_to_color/image_raw", SENSOR)
    tester.wait(lambda: depths, "depth of the synthetic scene")
    assert decode_depth(depths[-1])[50, 320] == pytest.approx(0.9)
    processes.end(node)
    assert node.returncode == 0


def test_a_missing_recording_is_named(tester, processes, tmp_path: Path) -> None:
    node = processes.node(MODULE, source=tmp_path / "none.db3", **QUICK)
    tester.activate(NODE)
    tester.wait_for_health(HEALTH, Level.ERROR, "NO_RECORDING: there is no recording")
    processes.end(node)
    assert node.returncode == 0


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("source:=webcam", "must be live, software or the path of a .db3 recording"),
        ("colour_profile:=vga", "a stream profile is written WIDTHxHEIGHTxRATE"),
        ("depth_profile:=640x480x15", "must have one rate"),
        ("hole_filling:=all", "must be one of none, left, farthest, nearest"),
        ("decimation:=9", "must lie in [1, 8]"),
    ],
)
def test_a_bad_parameter_ends_the_node_at_once_with_the_reason(parameter: str, words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", f"import {MODULE} as node; node.main()", "--ros-args", "-p", parameter],
        capture_output=True,
        text=True,
        timeout=120.0,
    )
    assert ended.returncode == 2
    assert words in ended.stderr
