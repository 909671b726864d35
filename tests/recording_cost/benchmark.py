"""What recording costs: the recorder's processor time beside a camera and an arm, and its memory over half an hour.

    scripts/with_own_domain.sh python -m tests.recording_cost.benchmark cost --seconds 20
    scripts/with_own_domain.sh python -m tests.recording_cost.benchmark cost --noise 4 --parameter compression:=lz4
    scripts/with_own_domain.sh python -m tests.recording_cost.benchmark memory --minutes 30

``cost`` publishes colour and depth images of 640x480 at 15 Hz, joint states and clock at 100 Hz, to the recorder as it
is started by ``ros2 run``; times are of its process, which what runs beside it changes least. ``memory`` feeds the
recorder's core the same amounts as fast as it can write them.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import rclpy
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header

from fr3_sim.simulation import Simulation
from tracegen_ros.bags.bag_recorder import BagRecorder, RecorderLimits
from tracegen_ros.bags.bag_writer import BagWriter, WrittenTopic
from tracegen_ros.bags.message_definition import message_definition
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.messages import encode_colour, encode_depth, encode_header
from tracegen_ros.qos import SENSOR

IMAGE_RATE_HZ = 15
STATE_RATE_HZ = 100
FRAMES = 4
MEBIBYTE = 2**20
DISCOVERY_S = 4.0
"""The recorder has found all topics by then [s]."""

NANOSECONDS = 1_000_000_000
LARGEST_QUEUE_BYTES = 64 * MEBIBYTE


def frames(noise: int) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Images of the simulated scene; each pixel is off by up to ``noise`` grey levels, and millimetres."""
    rng = np.random.default_rng(0)
    simulation = Simulation()
    simulation.reset(0)
    pictures = []
    for _ in range(FRAMES):
        simulation.advance(1.0 / IMAGE_RATE_HZ)
        frame = simulation.render()
        colour = frame.colour + rng.integers(-noise, noise + 1, frame.colour.shape)
        depth_m = frame.depth_m + 1e-3 * rng.integers(-noise, noise + 1, frame.depth_m.shape)
        pictures.append((colour.clip(0, 255).astype(np.uint8), depth_m.clip(0.0).astype(np.float32)))
    simulation.close()
    return pictures


def joint_state(header: Header) -> JointState:
    """As the simulator publishes it: seven joints and two fingers."""
    zeros = [0.0] * 9
    names = [f"fr3_joint{number}" for number in range(9)]
    return JointState(header=header, name=names, position=zeros, velocity=zeros, effort=zeros)


def publish(seconds: float, noise: int, recorder: psutil.Process) -> float:
    """Publish what a camera and an arm do in ``seconds``; returns the processor time of ``recorder`` meanwhile [s]."""
    topics = TopicMap()
    pictures = [
        (encode_colour(colour, Header()), encode_depth(depth_m, Header()))
        for colour, depth_m in frames(noise)
    ]
    node = rclpy.create_node("camera_and_arm")
    images = [node.create_publisher(Image, name, SENSOR) for name in (topics.colour, topics.depth)]
    infos = [
        node.create_publisher(CameraInfo, name, SENSOR) for name in (topics.colour_info, topics.depth_info)
    ]
    joints = node.create_publisher(JointState, topics.joint_states, 50)
    clock = node.create_publisher(Clock, topics.clock, 10)
    time.sleep(DISCOVERY_S)
    before, began_s, shown = recorder.cpu_times(), time.monotonic(), 0
    for tick in range(round(seconds * STATE_RATE_HZ)):
        header = encode_header(time.time_ns(), "camera_color_optical_frame")
        joints.publish(joint_state(header))
        clock.publish(Clock(clock=header.stamp))
        if tick * IMAGE_RATE_HZ >= shown * STATE_RATE_HZ:
            for publisher, image in zip(images, pictures[shown % FRAMES], strict=True):
                image.header = header
                publisher.publish(image)
            for publisher in infos:
                publisher.publish(CameraInfo(header=header))
            shown += 1
        time.sleep(max(0.0, began_s + (tick + 1) / STATE_RATE_HZ - time.monotonic()))
    after = recorder.cpu_times()
    node.destroy_node()
    return after.user + after.system - before.user - before.system


def measure_cost(seconds: float, noise: int, parameters: list[str], folder: Path) -> None:
    """Print the recorder's share of a core while ``publish`` runs."""
    settings = [word for setting in parameters for word in ("-p", setting)]
    code = "import tracegen_ros.nodes.record_node as node; node.main()"
    recorder = subprocess.Popen([sys.executable, "-c", code, str(folder / "bag"), "--ros-args", *settings])
    process = psutil.Process(recorder.pid)
    rclpy.init()
    try:
        used_s = publish(seconds, noise, process)
        print(
            f"{used_s:.2f} s of processor time in {seconds:g} s, {100 * used_s / seconds:.1f} % of a core, "
            f"{process.memory_info().rss / MEBIBYTE:.0f} MiB of memory"
        )
    finally:
        rclpy.shutdown()
        recorder.send_signal(signal.SIGINT)
        recorder.wait()


def measure_memory(minutes: float, folder: Path) -> None:
    """Print the memory of a process that records ``minutes`` as fast as it can, ten times on the way."""
    kinds = {"/colour": "sensor_msgs/msg/Image", "/depth": "sensor_msgs/msg/Image"}
    kinds["/joint_states"] = "sensor_msgs/msg/JointState"
    pictures = [
        [
            bytes(serialize_message(image))
            for image in (encode_colour(one[0], Header()), encode_depth(one[1], Header()))
        ]
        for one in frames(0)
    ]
    state = bytes(serialize_message(joint_state(Header())))
    writer = BagWriter(folder / "bag")
    recorder = BagRecorder(writer, RecorderLimits(4 * LARGEST_QUEUE_BYTES, 1 << 50, 0))
    for name, kind in kinds.items():
        recorder.add_topic(WrittenTopic(name, kind, message_definition(kind)))
    process, count = psutil.Process(), round(minutes * 60 * IMAGE_RATE_HZ)
    print(f"{process.memory_info().rss / MEBIBYTE:.1f} MiB of memory before, the simulated camera's included")
    for number in range(count):
        now_ns = number * NANOSECONDS // IMAGE_RATE_HZ + 1
        for name, data in zip(("/colour", "/depth"), pictures[number % FRAMES], strict=True):
            # Each message is bytes of its own, as those that are taken from the middleware.
            recorder.record(name, now_ns, now_ns, bytes(bytearray(data)))
        for part in range(2 * STATE_RATE_HZ // IMAGE_RATE_HZ):
            recorder.record("/joint_states", now_ns + part, now_ns + part, state)
        while recorder.state.queued_bytes > LARGEST_QUEUE_BYTES:
            time.sleep(0.01)
        if number % (count // 10) == count // 100:
            print(
                f"{number / IMAGE_RATE_HZ / 60:5.1f} min: {process.memory_info().rss / MEBIBYTE:6.1f} MiB of memory, "
                f"{recorder.state.written_bytes / MEBIBYTE:6.0f} MiB on disk",
                flush=True,
            )
    recorder.close()
    print(f"{recorder.state.recorded} messages, {sum(recorder.state.dropped.values())} dropped")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=["cost", "memory"])
    parser.add_argument("--seconds", type=float, default=20.0, help="cost: how long (default: %(default)s)")
    parser.add_argument("--noise", type=int, default=0, help="cost: noise of the images [grey levels, mm]")
    parser.add_argument("--parameter", action="append", default=[], help="cost: of the recorder, NAME:=VALUE")
    parser.add_argument("--minutes", type=float, default=30.0, help="memory: how long (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "cost":
            measure_cost(arguments.seconds, arguments.noise, arguments.parameter, Path(folder))
        else:
            measure_memory(arguments.minutes, Path(folder))


if __name__ == "__main__":
    main()
