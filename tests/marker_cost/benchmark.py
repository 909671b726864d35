"""What a publish of markers costs, beside rclpy's own way.

    scripts/with_own_domain.sh python -m tests.marker_cost.benchmark
    scripts/with_own_domain.sh python -m tests.marker_cost.benchmark --points 400 --steps 32 --rounds 200

Every trace moves, so that every segment is drawn: the most there can be. One process listens, so that the bytes are
really sent. The time is that of the process (what the machine does beside it changes it least), from the trace grid to
the return of ``publish``.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import time

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.serialization import deserialize_message
from visualization_msgs.msg import MarkerArray

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import encode_header, encode_trace_markers
from tracegen_ros.qos import LATEST

TOPIC = "/tracegen/markers"
LINE_WIDTH = 0.001
LIFETIME_S = 2.0


def moving_traces(points: int, steps: int) -> TraceGrid:
    """Traces of random walks, none of them at rest."""
    walk = np.random.default_rng(0).normal(0.0, 0.01, (steps + 1, points, 3)).cumsum(axis=0)
    return TraceGrid(walk.astype(np.float32), np.zeros((steps + 1, points, 2), np.float32))


def listen() -> None:
    """A process that takes the markers, as a viewer does."""
    rclpy.init()
    node = rclpy.create_node("listener")
    node.create_subscription(MarkerArray, TOPIC, lambda _: None, LATEST, raw=True)
    with contextlib.suppress(ExternalShutdownException):
        rclpy.spin(node)


def median_ms(times_s: list[float]) -> str:
    """Median and 99th percentile."""
    return f"p50 {1e3 * np.percentile(times_s, 50):.2f} ms, p99 {1e3 * np.percentile(times_s, 99):.2f} ms"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=400, help="traces")
    parser.add_argument("--steps", type=int, default=32, help="segments of each")
    parser.add_argument("--rounds", type=int, default=200, help="publishes measured")
    chosen = parser.parse_args()

    listener = multiprocessing.get_context("spawn").Process(target=listen, daemon=True)
    listener.start()
    rclpy.init()
    node = rclpy.create_node("markers")
    publisher = node.create_publisher(MarkerArray, TOPIC, LATEST)
    while publisher.get_subscription_count() == 0:
        time.sleep(0.05)
    traces = moving_traces(chosen.points, chosen.steps)
    drawn = np.ones(chosen.points, bool)
    emphasised = np.arange(chosen.points) < chosen.points // 10
    header = encode_header(0, "camera")

    def markers() -> bytes:
        return encode_trace_markers(traces, drawn, emphasised, header, LINE_WIDTH, LIFETIME_S)

    encoding, whole, wall, plainly = [], [], [], []
    for _ in range(chosen.rounds):
        started_s, wall_started_s = time.process_time(), time.perf_counter()
        message = markers()
        encoding.append(time.process_time() - started_s)
        publisher.publish(message)
        whole.append(time.process_time() - started_s)
        wall.append(time.perf_counter() - wall_started_s)
    message = deserialize_message(markers(), MarkerArray)
    for _ in range(max(chosen.rounds // 20, 1)):
        started_s = time.process_time()
        publisher.publish(message)
        plainly.append(time.process_time() - started_s)
    lines = sum(len(marker.points) for marker in message.markers) // 2
    print(f"{chosen.points} traces x {chosen.steps + 1} rows: {lines} lines, {len(markers()) / 1e6:.2f} MB")
    print(f"encode:                       {median_ms(encoding)} of processor time")
    print(
        f"encode and publish:           {median_ms(whole)} of processor time, {median_ms(wall)} on the clock"
    )
    print(f"publish alone, a rclpy object: {median_ms(plainly)} of processor time")
    node.destroy_node()
    rclpy.shutdown()
    listener.terminate()


if __name__ == "__main__":
    main()
