"""What showing things costs: markers beside rclpy's own way, the overlay, the coloured cloud.

    scripts/with_own_domain.sh python -m tests.viewer_cost.benchmark
    scripts/with_own_domain.sh python -m tests.viewer_cost.benchmark --points 400 --steps 32 --rounds 200

Every trace moves, so that every segment is drawn: the most there can be. One process listens, so that the bytes are
really sent. Times are of the process (what the machine does beside it changes them least) for one publish, from the
trace grid or the images to the return of ``publish``; the clock's beside them for the markers.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import time
from collections.abc import Callable

import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import (
    encode_colour,
    encode_coloured_cloud,
    encode_compressed_colour,
    encode_header,
    encode_trace_markers,
)
from tracegen_ros.overlay import draw_past, draw_traces
from tracegen_ros.past_motion import PastMotion
from tracegen_ros.qos import LATEST, SENSOR
from tracegen_ros.scene_points import scene_points

TOPICS = {
    "/tracegen/markers": (MarkerArray, LATEST),
    "/tracegen/overlay": (Image, SENSOR),
    "/tracegen/overlay/compressed": (CompressedImage, SENSOR),
    "/tracegen/cloud": (PointCloud2, SENSOR),
}
LINE_WIDTH = 0.001
LIFETIME_S = 2.0
WIDTH, HEIGHT = 640, 480
IMAGE_PERIOD_NS = 133_333_334
SPEED = 3
"""How far the pictures move from image to image [px]."""


def moving_traces(points: int, steps: int) -> TraceGrid:
    """Traces of random walks all over the image, none of them at rest."""
    rng = np.random.default_rng(0)
    walk = rng.normal(0.0, 0.01, (steps + 1, points, 3)).cumsum(axis=0)
    starts = rng.uniform((0.0, 0.0), (WIDTH, HEIGHT), (points, 2))
    pixels = starts + rng.normal(0.0, 5.0, (steps + 1, points, 2)).cumsum(axis=0)
    return TraceGrid(walk.astype(np.float32), pixels.astype(np.float32))


def moving_images(count: int) -> list[np.ndarray]:
    """(HEIGHT, WIDTH, 3) pictures of a texture that moves to the left."""
    rng = np.random.default_rng(1)
    texture = rng.integers(0, 256, (HEIGHT, WIDTH + SPEED * count, 3), dtype=np.uint8)
    texture = cv2.GaussianBlur(texture, (9, 9), 3.0)
    return [texture[:, SPEED * index : SPEED * index + WIDTH].copy() for index in range(count)]


def listen() -> None:
    """A process that takes everything, as a viewer does."""
    rclpy.init()
    node = rclpy.create_node("listener")
    for topic, (kind, qos) in TOPICS.items():
        node.create_subscription(kind, topic, lambda _: None, qos, raw=True)
    with contextlib.suppress(ExternalShutdownException):
        rclpy.spin(node)


def times_ms(times_s: list[float]) -> str:
    """Median and 99th percentile."""
    return f"p50 {1e3 * np.percentile(times_s, 50):6.2f} ms, p99 {1e3 * np.percentile(times_s, 99):6.2f} ms"


def measure(rounds: int, act: Callable[[int], object]) -> tuple[list[float], list[float]]:
    """Processor time and time on the clock [s] of each of ``rounds`` calls of ``act(round)``."""
    processor, clock = [], []
    for index in range(rounds):
        processor_s, clock_s = time.process_time(), time.perf_counter()
        act(index)
        processor.append(time.process_time() - processor_s)
        clock.append(time.perf_counter() - clock_s)
    return processor, clock


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=400, help="traces")
    parser.add_argument("--steps", type=int, default=32, help="segments of each")
    parser.add_argument("--rounds", type=int, default=200, help="publishes measured")
    chosen = parser.parse_args()

    cv2.setNumThreads(1)
    listener = multiprocessing.get_context("spawn").Process(target=listen, daemon=True)
    listener.start()
    rclpy.init()
    node = rclpy.create_node("viewers")
    publishers = {topic: node.create_publisher(kind, topic, qos) for topic, (kind, qos) in TOPICS.items()}
    while any(publisher.get_subscription_count() == 0 for publisher in publishers.values()):
        time.sleep(0.05)
    header = encode_header(0, "camera")
    traces = moving_traces(chosen.points, chosen.steps)
    drawn = np.ones(chosen.points, bool)
    emphasised = np.arange(chosen.points) < chosen.points // 10
    markers = publishers["/tracegen/markers"]

    def encode() -> bytes:
        return encode_trace_markers(traces, drawn, emphasised, header, LINE_WIDTH, LIFETIME_S)

    def report(what: str, times: tuple[list[float], list[float]]) -> None:
        processor, clock = times
        print(f"{what:<46} {times_ms(processor)} of processor, {times_ms(clock)} on the clock")

    message = deserialize_message(encode(), MarkerArray)
    lines = sum(len(marker.points) for marker in message.markers) // 2
    size = len(encode()) / 1e6
    print(
        f"{chosen.points} traces x {chosen.steps + 1} rows: {lines} lines, {size:.2f} MB; {WIDTH}x{HEIGHT} px"
    )
    report("markers: encode", measure(chosen.rounds, lambda _: encode()))
    report("markers: encode and publish", measure(chosen.rounds, lambda _: markers.publish(encode())))
    slowly = max(chosen.rounds // 20, 1)
    report("markers: publish alone, as an rclpy object", measure(slowly, lambda _: markers.publish(message)))

    images = moving_images(chosen.rounds)
    past = PastMotion()
    report(
        "overlay: follow points into one image",
        measure(chosen.rounds, lambda index: past.observe(images[index], index * IMAGE_PERIOD_NS)),
    )
    newest_ns = (chosen.rounds - 1) * IMAGE_PERIOD_NS

    def draw() -> np.ndarray:
        return draw_traces(draw_past(images[-1], past.paths(newest_ns)), traces)

    overlay, compressed = publishers["/tracegen/overlay"], publishers["/tracegen/overlay/compressed"]
    report(
        "overlay: draw and publish",
        measure(slowly, lambda _: overlay.publish(encode_colour(draw(), header))),
    )
    drawing = draw()
    report(
        "overlay: compress and publish",
        measure(slowly, lambda _: compressed.publish(encode_compressed_colour(drawing, header))),
    )
    depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
    intrinsics = CameraIntrinsics(600.0, 600.0, WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT)
    cloud = publishers["/tracegen/cloud"]
    report(
        "cloud: every 2nd pixel, encode and publish",
        measure(
            slowly,
            lambda _: cloud.publish(
                encode_coloured_cloud(*scene_points(drawing, depth, intrinsics, 2), header)
            ),
        ),
    )
    node.destroy_node()
    rclpy.shutdown()
    listener.terminate()


if __name__ == "__main__":
    main()
