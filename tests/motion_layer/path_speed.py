"""How long one whole decision takes, stage by stage: ``python -m tests.motion_layer.path_speed``.

    OMP_NUM_THREADS=1 python -m tests.motion_layer.path_speed --scenes 200

From a grid of 400 traces of 32 steps, a depth image and joint states to a trajectory: one call of the follower. Scenes
differ in where the hand and a block are, where the hand goes, depth noise, holes and depth scale; each has a decision
of a standing arm and one of a moving arm, and the hand either just goes its way or is to take the block.

Processor time of the whole process. The whole decision is timed by itself; where its time goes is timed in rounds of
their own, with stopwatches around the public functions of each stage, which count what is not in another stage. The
least time over the rounds is what a decision takes without what else the machine does; the percentiles over all single
measurements tell what it took with that.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.unit.ik_controller.trace_scenes import BLOCK_SIDE, STEP, BlockOnTable, pick_path

from ik_controller.follower import FollowerInput, TraceFollower
from ik_controller.robot_model import RobotModel
from tracegen_model.trace_grid import TraceGrid

FloatArray = NDArray[np.float64]

AIM_MS = 5.0
"""The whole decision is to take this at most, 99 times of 100 [ms]."""

STEPS = 32
BEGIN_S, NEXT_S, LATENCY_S = 1.0, 1.2, 0.1
"""When the decision of the standing arm is made, when that of the moving arm, and how old its image is then [s]."""

DEPTH_NOISE_M = 0.002
HOLES = 0.03
TRACE_NOISE_M = 0.002
LARGEST_SCALE = 1.25
"""Depth predicted is off by this factor at most."""

TAKING = 0.5
"""Share of scenes in which the hand is to take the block."""

STAGES = {
    "gates": (
        "safety:joint_state_gate",
        "safety:joint_range_gate",
        "safety:tracking_gate",
        "safety:trace_input_gate",
        "trace_gates:back_projection_gate",
        "trace_gates:reading_gate",
    ),
    "camera's calibration error": ("camera_bias:CameraBias.observe",),
    "lifting, depth scale": ("lifting:lift_traces",),
    "hand points": ("hand_visibility:look_at_hand", "hand_points:find_hand_points"),
    "hand motion": ("hand_motion:estimate_hand_motion",),
    "table and object": ("trace_reading:TraceReader.surroundings",),
    "grasp and release": ("grasping:MotionEvents.next_event",),
    "path of the hand": (
        "hand_orientation:allowed_rotations",
        "hand_path:path_through",
        "hand_path:HandPath.thinned",
        "hand_path:HandPath.nearest_length",
    ),
    "inverse kinematics, collisions": ("inverse_kinematics:solve_path",),
    "guard": ("path_guard:scale_along", "path_guard:end_of_path"),
    "joint path": ("joint_path:JointPath.__init__",),
    "time law": ("path_timing:time_along_path",),
    "trajectory inside the limits": ("replanning:plan_along",),
}
"""Functions of ``ik_controller`` by stage; what one calls of another's counts for the other."""

REST = "everything else"


@dataclass(frozen=True)
class Scene:
    """Two decisions that follow each other.

    Attributes:
        standing: Inputs of an arm that stands.
        moving: Inputs 0.2 s later.
        taking: The hand is to take the block.
    """

    standing: FollowerInput
    moving: FollowerInput
    taking: bool


@dataclass(frozen=True)
class Row:
    """Times of one stage, or of whole decisions [ms].

    Attributes:
        name: Of the stage.
        p50: Of the least of all rounds of each decision; ``p95``, ``p99`` likewise.
        single_p99: Of all single measurements.
    """

    name: str
    p50: float
    p95: float
    p99: float
    single_p99: float


class Stopwatch:
    """Processor time spent in stages that may call each other; the inner one counts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def around(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, timed for ``stage``."""

        @functools.wraps(function)
        def timed(*values: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            began = time.process_time()
            try:
                return function(*values, **named)
            finally:
                took = time.process_time() - began
                self.seconds[stage] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        return timed


@contextmanager
def stopwatches(watch: Stopwatch) -> Iterator[None]:
    """Puts ``watch`` around all of ``STAGES``, wherever ``ik_controller`` has imported them, for a while."""
    undo: list[tuple[Any, str, Any]] = []
    for stage, functions in STAGES.items():
        for place in functions:
            module, _, path = place.partition(":")
            owner: Any = importlib.import_module(f"ik_controller.{module}")
            *outer, name = path.split(".")
            for part in outer:
                owner = getattr(owner, part)
            function = vars(owner)[name]
            timed = watch.around(stage, function)
            users = [owner] if outer else _users_of(name, function)
            for user in users:
                undo.append((user, name, function))
                setattr(user, name, timed)
    try:
        yield
    finally:
        for user, name, function in undo:
            setattr(user, name, function)


def _users_of(name: str, function: Any) -> list[Any]:
    """Modules of ``ik_controller`` in which ``name`` is ``function``."""
    return [
        module
        for title, module in list(sys.modules.items())
        if title.startswith("ik_controller.") and vars(module).get(name) is function
    ]


def random_scene(robot: RobotModel, rng: np.random.Generator) -> Scene | None:
    """A scene in which the follower follows; None where it does not."""
    block = np.array([rng.uniform(0.40, 0.60), rng.uniform(-0.2, 0.2), BLOCK_SIDE / 2])
    tcp = rng.uniform([0.42, -0.25, 0.22], [0.58, 0.25, 0.38])
    taking = bool(rng.random() < TAKING)
    way = _random_way(tcp, rng)
    scale = LARGEST_SCALE ** rng.uniform(-1.0, 1.0)
    here = BlockOnTable(robot, tcp, block)
    standing = _inputs(here, taking, way, scale, rng, now_s=BEGIN_S, trace_stamp_s=BEGIN_S)
    follower = new_follower(robot)
    first = follower.update(standing)
    if first.trajectory is None or first.hand_path_in_base is None:
        return None
    at_image, now = (
        first.trajectory.sample(time_s - first.start_s) for time_s in (NEXT_S - LATENCY_S, NEXT_S)
    )
    there = replace(here, tcp=robot.tcp_in_base(at_image.position)[:3, 3])
    there.joints = at_image.position
    moving = _inputs(
        there,
        taking,
        way,
        scale,
        rng,
        now_s=NEXT_S,
        trace_stamp_s=NEXT_S - LATENCY_S,
        joint_state_now=(now.position, now.velocity),
    )
    if follower.update(moving).hand_path_in_base is None:
        return None
    return Scene(standing, moving, taking)


def new_follower(robot: RobotModel) -> TraceFollower:
    """With a task."""
    follower = TraceFollower(robot)
    follower.set_task("put the red block in the green zone")
    return follower


def _random_way(tcp: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(STEPS, 3) steps of a bent way to a place on the other side [m]."""
    goal = np.array(
        [rng.uniform(0.40, 0.60), -np.sign(tcp[1]) * rng.uniform(0.1, 0.3), rng.uniform(0.15, 0.35)]
    )
    bend = rng.normal(0.0, 0.4, 3)
    directions = (goal - tcp) / np.linalg.norm(goal - tcp) + np.linspace(-0.5, 0.5, STEPS)[:, None] * bend
    return STEP * directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _inputs(
    scene: BlockOnTable,
    taking: bool,
    way: FloatArray,
    scale: float,
    rng: np.random.Generator,
    **changes: object,
) -> FollowerInput:
    """Inputs with noise in depth and traces, and all depths predicted off by ``scale``."""
    if taking:
        path, down = pick_path(scene.tcp, scene.block, STEPS)
        grasp_step = down if down <= STEPS else None
    else:
        path, grasp_step = scene.tcp + np.concatenate([np.zeros((1, 3)), np.cumsum(way, axis=0)]), None
    exact = scene.traces(path, grasp_step)
    noise = rng.normal(0.0, TRACE_NOISE_M, exact.points_in_camera.shape)
    noise[0] = 0.0
    points = scale * (exact.points_in_camera + noise)
    depth = scene.depth()
    depth = depth + rng.normal(0.0, DEPTH_NOISE_M, depth.shape) * (depth > 0.0)
    depth[rng.random(depth.shape) < HOLES] = 0.0
    traces = TraceGrid(points.astype(np.float32), exact.pixels)
    now_s = float(changes.pop("now_s"))  # type: ignore[arg-type]
    return scene.inputs(now_s, traces, depth_m=depth.astype(np.float32), **changes)


def decide(robot: RobotModel, scene: Scene, watch: Stopwatch | None = None) -> list[dict[str, float]]:
    """Both decisions of ``scene``, and what each took [s]: as a whole, and of each stage where there is a ``watch``."""
    follower = new_follower(robot)
    taken = []
    for inputs in (scene.standing, scene.moving):
        if watch is not None:
            watch.seconds.clear()
        began = time.process_time()
        follower.update(inputs)
        seconds = {"whole": time.process_time() - began}
        if watch is not None:
            seconds |= {stage: watch.seconds[stage] for stage in STAGES}
            seconds[REST] = seconds["whole"] - sum(watch.seconds.values())
        taken.append(seconds)
    return taken


def measure(robot: RobotModel, scenes: Sequence[Scene], rounds: int) -> list[Row]:
    """All scenes in turn, ``rounds`` times as they are and as often with stopwatches."""
    for scene in scenes[:10]:
        decide(robot, scene)  # warms up
    whole, stages = [], []
    watch = Stopwatch()
    for _ in range(rounds):
        whole.append([decide(robot, scene) for scene in scenes])
        with stopwatches(watch):
            stages.append([decide(robot, scene, watch) for scene in scenes])
    times = np.array([[[one["whole"] for one in both] for both in round_] for round_ in whole])
    taking = np.array([scene.taking for scene in scenes])
    rows = [
        _row("whole decision", times),
        _row("whole decision, arm standing", times[..., 0]),
        _row("whole decision, arm moving", times[..., 1]),
        _row("whole decision, hand on its way", times[:, ~taking]),
        _row("whole decision, hand takes the block", times[:, taking]),
    ]
    rows += [
        _row(name, np.array([[[one[name] for one in both] for both in round_] for round_ in stages]))
        for name in (*STAGES, REST)
    ]
    return rows


def _row(name: str, times: FloatArray) -> Row:
    """Of ``times`` (rounds, ...) [s]."""
    if not times.size:
        return Row(name, *4 * [float("nan")])
    least = 1e3 * times.min(axis=0).ravel()
    p50, p95, p99 = (round(float(np.percentile(least, share)), 3) for share in (50, 95, 99))
    return Row(name, p50, p95, p99, round(float(np.percentile(1e3 * times, 99)), 3))


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of the report."""
    lines = [
        "| [ms of processor time] | p50 | p95 | p99 | p99 of single measurements |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.name} | {row.p50:.2f} | {row.p95:.2f} | {row.p99:.2f} | {row.single_p99:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--scenes", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=Path("outputs/motion_layer"), help="default: %(default)s"
    )
    arguments = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error("set OMP_NUM_THREADS=1: the aim is one of one core")
    robot, rng = RobotModel.fr3(), np.random.default_rng(arguments.seed)
    drawn = [random_scene(robot, rng) for _ in range(arguments.scenes)]
    scenes = [scene for scene in drawn if scene is not None]
    rows = measure(robot, scenes, arguments.rounds)
    print(f"{len(scenes)} of {len(drawn)} scenes, {2 * len(scenes)} decisions, {arguments.rounds} rounds\n")
    print(as_markdown(rows))
    arguments.output.mkdir(parents=True, exist_ok=True)
    figures = {
        "seed": arguments.seed,
        "rounds": arguments.rounds,
        "decisions": 2 * len(scenes),
        "rows": [asdict(row) for row in rows],
    }
    (arguments.output / "path_speed.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if rows[0].p99 <= AIM_MS else 1


if __name__ == "__main__":
    sys.exit(main())
