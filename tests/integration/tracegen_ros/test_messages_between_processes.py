"""What is packed here arrives bit for bit in another process, over real DDS, and comes back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image, PointCloud2
from trajectory_msgs.msg import JointTrajectory

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import (
    encode_colour,
    encode_depth,
    encode_header,
    encode_joint_trajectory,
    encode_trace_grid,
)
from tracegen_ros.qos import LATEST

HEADER = encode_header(12_345_678_901, "camera_color_optical_frame")
RNG = np.random.default_rng(0)
STAMPS_S = count(1)
"""Each message has a stamp of its own: an echo of the one before may come late."""


@pytest.fixture(scope="module", autouse=True)
def echo(processes) -> None:
    processes.python(Path(__file__).with_name("echo.py"))


def colour(encoding: str) -> Image:
    return encode_colour(RNG.integers(0, 256, (480, 640, 3), dtype=np.uint8), HEADER, encoding)


def depth(encoding: str) -> Image:
    return encode_depth(RNG.integers(0, 5000, (480, 640)) / 1000.0, HEADER, encoding)


def traces() -> PointCloud2:
    points = RNG.normal(size=(33, 400, 3)).astype(np.float32)
    points[RNG.random((33, 400)) < 0.1] = np.nan
    return encode_trace_grid(TraceGrid(points, RNG.uniform(0, 640, (33, 400, 2)).astype(np.float32)), HEADER)


def trajectory() -> JointTrajectory:
    names = [f"fr3_joint{index}" for index in range(1, 8)]
    return encode_joint_trajectory(names, np.arange(1, 51) * 0.02, *RNG.normal(size=(3, 50, 7)), HEADER)


@pytest.mark.parametrize(
    ("topic", "kind", "make"),
    [
        ("colour", Image, lambda: colour("rgb8")),
        ("colour", Image, lambda: colour("bgr8")),
        ("depth", Image, lambda: depth("16UC1")),
        ("depth", Image, lambda: depth("32FC1")),
        ("traces", PointCloud2, traces),
        ("trajectory", JointTrajectory, trajectory),
    ],
)
def test_a_message_comes_back_as_it_was_sent(tester, topic: str, kind: type, make: Callable[[], Any]) -> None:
    heard = tester.hear(kind, f"/out/{topic}", LATEST)
    publisher = tester.publisher(kind, f"/in/{topic}", LATEST)
    sent = make()
    sent.header.stamp.sec = next(STAMPS_S)

    def comes_back() -> bool:
        publisher.publish(sent)  # Until the echo knows who listens.
        return any(message.header == sent.header for message in heard)

    tester.wait(comes_back, f"the echo of /in/{topic}")
    assert next(message for message in heard if message.header == sent.header) == sent
