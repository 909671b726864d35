"""An FR3 does what a few sentences say, live and headless: ``make demo``.

Starts the real launch file, makes a few random scenes, tells the robot what to do in each, prints what happens, and
leaves a video (camera view with the predicted traces), pictures, a summary and a bag with all that was seen and said.
The exit code says whether every task was done.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image, PointCloud2
from tests.closed_loop.cell import Cell, CellError, RosSession
from tests.closed_loop.episodes import LAST_STATES
from tests.closed_loop.ros_domain import own_domain
from tests.closed_loop.stack import Stack, StackError
from tests.closed_loop.video import VideoError, VideoWriter, captioned

from fr3_sim.instructions import training_instruction
from ik_controller.joint_limits import JointLimits, find_violations
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import decode_colour, decode_trace_grid
from tracegen_ros.overlay import draw_traces
from tracegen_ros.qos import LATEST, SENSOR

FIRST_SEED = 200_000
LONGEST_TASK_S = 60.0
"""Simulated time that a task may take [s]."""

LONGEST_WAIT_S = 400.0
"""Wall time that a task may take [s]."""

SETTLING_S = 1.0
"""The film goes on for this long after a task [s]."""

LINE_PERIOD_S = 4.0
"""Wall time between two lines of progress [s]."""


@dataclass(frozen=True)
class TaskSummary:
    """How one task went, for ``summary.json``."""

    seed: int
    instruction: str
    success: bool
    zone_distance_m: float
    simulated_s: float
    wall_s: float
    traces: int
    traces_per_second: float
    latency_p50_ms: float
    latency_p99_ms: float
    trajectories: int
    late_commands: int
    violations: list[str]
    final_state: str


class Film:
    """Turns images and traces into a video, and keeps the newest picture.

    Args:
        cell: Whose topics to film.
        path: The video.
        frame_rate: Images per second of simulated time.
    """

    def __init__(self, cell: Cell, path: Path, frame_rate: float) -> None:
        self._cell = cell
        self._writer = VideoWriter(path, frame_rate)
        self._traces: TraceGrid | None = None
        self._stamp = (-1, -1)
        self.title = ""
        self.newest: NDArray[np.uint8] | None = None
        cell.node.create_subscription(Image, "/camera/camera/color/image_raw", self._on_image, SENSOR)
        cell.node.create_subscription(PointCloud2, "/tracegen/traces", self._on_traces, LATEST)

    def begin(self, title: str) -> None:
        """A new task: its sentence is the title."""
        self.title = title
        self._traces = None

    def close(self) -> None:
        """Finish the video."""
        self._writer.close()

    @property
    def frames(self) -> int:
        """Length of the video [frames]."""
        return self._writer.frames

    def _on_traces(self, message: PointCloud2) -> None:
        self._traces = decode_trace_grid(message)

    def _on_image(self, message: Image) -> None:
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        if not self.title or stamp == self._stamp:
            return
        self._stamp = stamp
        picture = decode_colour(message)
        if self._traces is not None:
            picture = draw_traces(picture, self._traces)
        self.newest = captioned(picture, self.title, self._cell.follower_state)
        self._writer.write(self.newest)


def do_task(cell: Cell, film: Film, seed: int, limits: JointLimits, output: Path) -> TaskSummary:
    """Make one scene, say one sentence, and tell how it goes."""
    film.title = ""
    scene = cell.make_scene(
        {"seed": seed, "block": -1, "zone": -1, "report_folder": str(output / "commands")}
    )
    instruction = training_instruction(
        scene["block_colours"][scene["block"]],
        scene["zone_colours"][scene["zone"]],
        np.random.default_rng(seed),
    )
    blocks, zones = " and ".join(scene["block_colours"]), " and ".join(scene["zone_colours"])
    print(f"\nScene {seed}: {blocks} blocks, {zones} zones\n  > {instruction}", flush=True)
    film.begin(instruction)
    start_s, started_s = scene["stamp_ns"] * 1e-9, time.monotonic()
    cell.instruct(instruction)
    shown = ""

    def over() -> bool:
        nonlocal shown
        states = cell.observations.states
        if states and states[-1][1] != shown:
            shown = states[-1][1]
            print(f"  {cell.simulated_s - start_s:5.1f} s  {shown}", flush=True)
        return shown.startswith(LAST_STATES) or cell.simulated_s - start_s > LONGEST_TASK_S

    deadline = started_s + LONGEST_WAIT_S
    while not cell.spin_until(over, LINE_PERIOD_S):
        seen = cell.observations
        print(
            f"  {cell.simulated_s - start_s:5.1f} s  {seen.trace_rate:.1f} traces/s, image to traces "
            f"{1e3 * seen.latency_percentile(50):.0f} ms (p50), {seen.trajectories} commands",
            flush=True,
        )
        if time.monotonic() > deadline:
            raise CellError(
                f"the task did not end within {LONGEST_WAIT_S:.0f} s; follower: {cell.follower_state}"
            )
    end_s, seen = cell.simulated_s, cell.observations
    final_state = cell.follower_state
    cell.spin_until(lambda: cell.simulated_s - end_s > SETTLING_S, 10.0)
    report = cell.report()
    with np.load(report["commands_file"]) as record:
        violations = find_violations(record["times_s"], record["positions"], limits)
    outcome = report["outcome"]
    summary = TaskSummary(
        seed=seed,
        instruction=instruction,
        success=outcome["success"] and not violations,
        zone_distance_m=outcome["zone_distance"],
        simulated_s=end_s - start_s,
        wall_s=time.monotonic() - started_s,
        traces=len(seen.trace_times_s),
        traces_per_second=seen.trace_rate,
        latency_p50_ms=1e3 * seen.latency_percentile(50),
        latency_p99_ms=1e3 * seen.latency_percentile(99),
        trajectories=seen.trajectories,
        late_commands=report["late"],
        violations=[str(violation) for violation in violations],
        final_state=final_state,
    )
    print(
        f"  {'DONE' if summary.success else 'NOT DONE'}: {100 * summary.zone_distance_m:.1f} cm from the zone's "
        f"centre, {summary.simulated_s:.1f} s simulated, {summary.traces} traces at {summary.traces_per_second:.1f}/s, "
        f"{len(violations)} limit violations",
        flush=True,
    )
    if film.newest is not None:
        picture = output / "frames" / f"scene_{seed}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(picture), film.newest[..., ::-1])
    return summary


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.split("\n\n")[0])
    parser.add_argument("--scenes", type=int, default=3, help="number of scenes (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="default: %(default)s")
    parser.add_argument(
        "--camera-rate", type=float, default=10.0, help="images per simulated second (default: %(default)s)"
    )
    parser.add_argument("--lockstep", action="store_true", help="physics waits for each command")
    parser.add_argument("--model", default="fr3_blocks_nano", help="checkpoint (default: %(default)s)")
    parser.add_argument("--viz", choices=["none", "rviz", "web"], default="none", help="default: %(default)s")
    parser.add_argument(
        "--record", action=argparse.BooleanOptionalAction, default=True, help="record a bag (default: yes)"
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/demo"), help="default: %(default)s")
    arguments = parser.parse_args()
    arguments.output = arguments.output.absolute()
    return arguments


def main() -> int:
    """Run the demo, in the ROS domain in force or else in one of its own; 0 when every task was done."""
    arguments = parse_arguments()
    if "ROS_DOMAIN_ID" in os.environ:
        return run(arguments)
    with own_domain() as domain:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        return run(arguments)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 when every task was done."""
    launch = {
        "lockstep": str(arguments.lockstep).lower(),
        "camera_rate": str(arguments.camera_rate),
        "model": arguments.model,
        "viz": arguments.viz,
        "seed": str(arguments.first_seed),
    }
    bag = arguments.output / "bag"
    if arguments.record:
        # The last demo's, in the folder that a demo fills anew.
        shutil.rmtree(bag, ignore_errors=True)
        launch |= {"record": "true", "bag": str(bag)}
    limits = JointLimits.load("fr3_rectangular")
    log = arguments.output / "nodes.log"
    domain = os.environ["ROS_DOMAIN_ID"]
    print(f"Starting the stack in ROS domain {domain} (everything the nodes say is in {log}) ...", flush=True)
    tasks: list[TaskSummary] = []
    failure = ""
    try:
        with Stack(launch, log) as stack, RosSession():
            cell = Cell(stack.check)
            film = Film(cell, arguments.output / "video.mp4", arguments.camera_rate)
            try:
                cell.wait_until_ready()
                for seed in range(arguments.first_seed, arguments.first_seed + arguments.scenes):
                    tasks.append(do_task(cell, film, seed, limits, arguments.output))
            finally:
                film.close()
                cell.close()
    except (CellError, StackError, VideoError) as error:
        failure = str(error)
        print(f"\n{failure}", file=sys.stderr)
    done = sum(task.success for task in tasks)
    summary = {"tasks_done": done, "scenes": arguments.scenes, "failure": failure}
    summary["tasks"] = [asdict(task) for task in tasks]
    path = arguments.output / "summary.json"
    path.write_text(json.dumps(summary, indent=1), encoding="utf-8")
    print(f"\n{done} of {arguments.scenes} tasks done. Video, pictures, summary and bag: {arguments.output}")
    return 0 if done == arguments.scenes and not failure else 1


if __name__ == "__main__":
    sys.exit(main())
