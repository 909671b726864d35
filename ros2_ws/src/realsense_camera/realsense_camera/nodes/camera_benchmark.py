"""Measures the camera node on one core: rate, lost frames, latencies, and what each step of a frame costs.

    ros2 run realsense_camera camera_benchmark --seconds 60

The node runs in a process of its own that may use one core only, and that core also makes the images: a software camera
at 640x480, 30 Hz. This process listens to all four topics, as a user of the images would.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from realsense_camera.camera_session import CameraSession
from realsense_camera.camera_settings import CameraSettings, FilterSettings, HoleFilling, StreamProfile
from realsense_camera.nodes.camera_node import DIAGNOSTIC_NAME
from realsense_camera.software_camera import SoftwareSource
from tracegen_ros.messages import (
    decode_diagnostics,
    decode_stamp,
    encode_colour,
    encode_depth,
    encode_header,
    seconds_from,
)
from tracegen_ros.nodes.bring_up import bring_up
from tracegen_ros.qos import SENSOR

NODE = "camera/camera"
WARM_UP_S = 2.0
STEP_FRAMES = 100
CLOCK_TICKS_HZ = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Entry point of ``ros2 run realsense_camera camera_benchmark``."""
    parser = argparse.ArgumentParser(
        prog="camera_benchmark", description="Measure the camera node on one core."
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure [s]")
    parser.add_argument("--profile", default="640x480x30", help="size and rate of both streams")
    parser.add_argument("--qos", default="SYSTEM_DEFAULT", help="the node's image_qos")
    options = parser.parse_args(rclpy.utilities.remove_ros_args(sys.argv)[1:])
    profile = StreamProfile.parse(options.profile)
    core = max(os.sched_getaffinity(0))
    print(f"{profile} on core {core}, load of the machine {os.getloadavg()[0]:.1f}")
    _measure_stream(profile, options.qos, options.seconds, core)
    os.sched_setaffinity(0, {core})
    _measure_steps(profile)


def _measure_stream(profile: StreamProfile, qos: str, seconds: float, core: int) -> None:
    node = subprocess.Popen(
        [
            *(sys.executable, "-c", "from realsense_camera.nodes import camera_node; camera_node.main()"),
            *("--ros-args", "-p", "source:=software", "-p", f"colour_profile:={profile}"),
            *("-p", f"depth_profile:={profile}", "-p", f"image_qos:={qos}"),
        ],
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        _listen(node, seconds)
    finally:
        node.terminate()
        node.wait(20.0)


def _listen(node: subprocess.Popen, seconds: float) -> None:
    rclpy.init()
    listener = Node("camera_benchmark")
    executor = SingleThreadedExecutor()
    executor.add_node(listener)
    ages_s: list[float] = []
    depths: list[int] = []
    health: list[DiagnosticArray] = []

    def on_colour(image: Image) -> None:
        now_ns = listener.get_clock().now().nanoseconds
        ages_s.append(seconds_from(now_ns - decode_stamp(image.header.stamp)))

    for kind, topic, callback in (
        (Image, "color/image_raw", on_colour),
        (CameraInfo, "color/camera_info", lambda _: None),
        (Image, "aligned_depth_to_color/image_raw", lambda image: depths.append(image.width)),
        (CameraInfo, "aligned_depth_to_color/camera_info", lambda _: None),
    ):
        listener.create_subscription(kind, f"/camera/camera/{topic}", callback, SENSOR)
    listener.create_subscription(DiagnosticArray, "/diagnostics", health.append, 10)
    bring_up(executor, listener, [NODE], 30.0)
    _spin(executor, WARM_UP_S)
    ages_s.clear()
    depths.clear()
    started_s, cpu_s = time.monotonic(), _cpu_s(node.pid)
    _spin(executor, seconds)
    took_s, cpu_s = time.monotonic() - started_s, _cpu_s(node.pid) - cpu_s
    print(f"heard: {len(ages_s) / took_s:.2f} colour and {len(depths) / took_s:.2f} depth images a second")
    print(f"taken to heard: p50 {_percentile_ms(ages_s, 50):.1f} ms, p99 {_percentile_ms(ages_s, 99):.1f} ms")
    print(f"processor: {100.0 * cpu_s / took_s:.0f} % of one core, the software camera included")
    status = decode_diagnostics(health[-1], DIAGNOSTIC_NAME) if health else None
    if status is not None:
        names = ("rate_hz", "frames", "colour_dropped", "depth_dropped")
        stages = ("frame_to_published", "stamp_to_published", "process", "publish")
        print("node:", ", ".join(f"{name} {status[2][name]}" for name in names))
        for stage in stages:
            print(
                f"    {stage}: p50 {status[2][f'{stage}_p50_ms']} ms, p99 {status[2][f'{stage}_p99_ms']} ms"
            )
    executor.shutdown()
    listener.destroy_node()
    rclpy.shutdown()


def _measure_steps(profile: StreamProfile) -> None:
    """Time of a frame's steps, one after the other in one thread."""
    settings = CameraSettings(colour=profile, depth=profile)
    all_filters = FilterSettings(spatial=True, temporal=True, hole_filling=HoleFilling.NEAREST)
    for name, filters in (
        ("align", FilterSettings()),
        ("decimation 2, align", FilterSettings(decimation=2)),
        ("spatial, align", FilterSettings(spatial=True)),
        ("temporal, align", FilterSettings(temporal=True)),
        ("spatial, temporal, hole filling, align", all_filters),
        ("decimation 2 and all of these", replace(all_filters, decimation=2)),
    ):
        session = CameraSession(SoftwareSource(settings), replace(settings, filters=filters))
        pairs = _pairs(session)
        _print_step(name, [partial(session.process, pair) for pair in pairs])
        frame = session.process(pairs[-1])
        session.close()
    header = encode_header(0, "")
    _print_step("pack colour", [lambda: encode_colour(frame.colour, header)] * STEP_FRAMES)
    _print_step("pack depth", [lambda: encode_depth(frame.depth_m, header)] * STEP_FRAMES)


def _pairs(session: CameraSession) -> list:
    """A few pairs, over and over: the library has only so many buffers."""
    few = [pair for pair in (session.wait(1.0) for _ in range(5)) if pair is not None]
    return [few[index % len(few)] for index in range(STEP_FRAMES)]


def _print_step(name: str, calls: Sequence[Callable[[], object]]) -> None:
    durations_s = []
    for call in calls:
        started_s = time.perf_counter()
        call()
        durations_s.append(time.perf_counter() - started_s)
    print(
        f"{name}: p50 {_percentile_ms(durations_s, 50):.2f} ms, p99 {_percentile_ms(durations_s, 99):.2f} ms"
    )


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        executor.spin_once(timeout_sec=0.05)


def _percentile_ms(durations_s: Sequence[float], percent: float) -> float:
    return float(np.percentile(durations_s, percent)) * 1e3 if len(durations_s) else float("nan")


def _cpu_s(pid: int) -> float:
    """Processor time that a process has used [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / CLOCK_TICKS_HZ


if __name__ == "__main__":
    main()
