"""From an image's stamp to the first new joint target, in the live stack: a listener on the topics writes down when.

The launch file starts simulator, camera, trace node and follower, in real time and not in lockstep.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, PointCloud2
from tests.closed_loop.cell import Cell, RosSession
from tests.closed_loop.stack import Stack
from tests.inference_speed.live_latency import STAGES, Arrivals, EndToEnd, latencies
from tests.inference_speed.timings import Duration, Summary
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.messages import decode_stamp
from tracegen_ros.qos import LATEST, SENSOR

FIRST_SEED = 660_000
LONGEST_EPISODE_S = 30.0
"""Simulated time [s]."""

LONGEST_WAIT_S = 120.0
"""Wall time that an episode may take [s]."""

LAST_STATES = ("IDLE: task done", "STOP", "FAULT")
"""What the follower says when it will not move again by itself."""

NODE_TIMINGS = ("trace_node.total", "trace_node.node_overhead", "trace_follower.trace_to_command")
"""What the nodes say of themselves."""


class Listener:
    """Writes down when messages arrive; ``node`` is whose executor calls back."""

    def __init__(self, node: Node) -> None:
        self.arrivals = Arrivals()
        node.create_subscription(Clock, "/clock", self._on_clock, SENSOR)
        node.create_subscription(CameraInfo, "/camera/camera/color/camera_info", self._on_image, SENSOR)
        node.create_subscription(PointCloud2, "/tracegen/traces", self._on_traces, LATEST)
        node.create_subscription(
            JointTrajectory, "/joint_trajectory_controller/joint_trajectory", self._on_command, LATEST
        )

    def _on_clock(self, message: Clock) -> None:
        self.arrivals.clock.setdefault(_nanoseconds(message.clock), time.monotonic())

    def _on_image(self, message: CameraInfo) -> None:
        self.arrivals.images.setdefault(_nanoseconds(message.header.stamp), time.monotonic())

    def _on_traces(self, message: PointCloud2) -> None:
        self.arrivals.traces.append((time.monotonic(), _nanoseconds(message.header.stamp)))

    def _on_command(self, message: JointTrajectory) -> None:
        self.arrivals.commands.append((time.monotonic(), _nanoseconds(message.header.stamp)))


def _nanoseconds(stamp: Time) -> int:
    return int(decode_stamp(stamp))


def measure_end_to_end(model: str, episodes: int, launch: Mapping[str, str], output: Path) -> EndToEnd:
    """Let the stack obey an instruction in each of ``episodes`` scenes, and listen.

    Args:
        model: Checkpoint's name or folder.
        episodes: Number of scenes.
        launch: Further arguments of the launch file.
        output: Folder for the nodes' log.

    Raises:
        StackError: The stack ended by itself.
        CellError: A part of it does not answer.
    """
    durations: dict[str, list[float]] = {stage: [] for stage in STAGES}
    rates, paces, successes = [], [], 0
    seeds = range(FIRST_SEED, FIRST_SEED + episodes)
    arguments = {"model": model, "lockstep": "false", **launch}
    with Stack(arguments, output / "end_to_end.log") as stack, RosSession():
        cell = Cell(stack.check)
        listener = Listener(cell.node)
        cell.wait_until_ready()
        for seed in seeds:
            scene = cell.make_scene({"seed": seed, "block": -1, "zone": -1, "report_folder": str(output)})
            colours = scene["block_colours"][scene["block"]], scene["zone_colours"][scene["zone"]]
            listener.arrivals = Arrivals()
            began_s, simulated_s = time.monotonic(), cell.simulated_s
            cell.instruct("put the {} block in the {} zone".format(*colours))
            _obey(cell, simulated_s)
            paces.append((cell.simulated_s - simulated_s) / (time.monotonic() - began_s))
            rates.append(cell.observations.trace_rate)
            for stage, found in latencies(listener.arrivals).items():
                durations[stage] += found
            successes += bool(cell.report()["outcome"]["success"])
        nodes_ms = {
            f"{name}_{percentile}_ms": cell.timings_ms.get(f"{name}_{percentile}_ms", float("nan"))
            for name in NODE_TIMINGS
            for percentile in ("p50", "p99")
        }
        cell.close()
    return EndToEnd(
        stages={
            stage: Summary.of([Duration(value, float("nan")) for value in values])
            for stage, values in durations.items()
            if values
        },
        traces_per_second=float(np.median(rates)),
        pace=float(np.median(paces)),
        nodes_ms=nodes_ms,
        engine=" ".join(f"{name}:={value}" for name, value in arguments.items()),
        episodes=list(seeds),
        successes=successes,
    )


def _obey(cell: Cell, start_s: float) -> None:
    """Until the follower has ended, or the episode's time has."""

    def over() -> bool:
        states = cell.observations.states
        ended = bool(states) and states[-1][1].startswith(LAST_STATES)
        return ended or cell.simulated_s - start_s > LONGEST_EPISODE_S

    cell.spin_until(over, LONGEST_WAIT_S)
