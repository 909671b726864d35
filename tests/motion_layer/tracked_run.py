"""One run of the follower on ground-truth traces: how near the simulated hand comes to the course they show.

Every period the camera takes an image; the traces of it, from simulator truth, lead from where the hand is back to the
course and along it. They reach the follower a latency later. Physics goes on meanwhile.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tests.motion_layer.hand_courses import COURSES, Course

from fr3_sim.camera import INTRINSICS
from fr3_sim.camera_pose import nominal_camera_in_base
from fr3_sim.simulation import Simulation
from ik_controller import so3
from ik_controller.follower import FollowerConfig, FollowerInput, FollowerState, TraceFollower
from ik_controller.hand_motion import HandMotionConfig, HandMotionMethod
from ik_controller.robot_model import RobotModel
from ik_controller.safety import SafetyConfig
from ik_controller.trajectory_executor import TrajectoryCommand
from tracegen_model.trace_grid import TraceGrid, grid_pixels

FloatArray = NDArray[np.float64]

PERIOD_S = 0.2
"""Time between images [s]."""

SAMPLE_S = 0.01
"""Time between two looks at the hand [s]."""

STEPS = 32
STEP_LENGTH = 0.0125
"""Of a trace, as in the demonstrations [m]."""

RETURN_STEPS = 8
"""Steps in which traces lead a hand beside the course back to it."""

BACKGROUND_POINTS = 120
"""Points of the scene that do not move, as most of a grid's."""

DENSE_SIDE = 72
"""Pixels along each side of the grid that visible points are drawn from."""

ARRIVED = 0.01
"""A run is over once so much of the course is left [m] ..."""

TIMEOUT_S = 15.0
"""... or after this time [s]."""

START_RADIUS = 0.45
"""Runs start at least so far from the base's axis [m], where the hand points straight down."""

ARM, FINGERS = slice(0, 7), slice(7, 9)
INSTRUCTION = "follow the traces"


@dataclass(frozen=True)
class Setting:
    """One cell of the table.

    Attributes:
        course: Name of the course.
        method: How the hand's motion is read.
        noise_m: Standard deviation of a traced point's error an axis and step [m].
        points: Visible points on the hand.
        latency_s: From an image to its traces' arrival [s].
        compensated: The follower makes up for it.
        seed: Of start and noise.
    """

    course: str
    method: HandMotionMethod
    noise_m: float
    points: int
    latency_s: float
    compensated: bool
    seed: int


@dataclass(frozen=True)
class Tracking:
    """What a run came to.

    Attributes:
        position_errors: (T,) distance of the hand to the course [m], every ``SAMPLE_S``.
        rotation_errors: (T,) angle to the course's orientation there [rad].
        path_errors: (P,) distance of the paths' points that the follower read from the traces to the course [m].
        duration_s: Until the end was reached, or the time was up [s].
        arrived: The end was reached.
        backward_m: Way that the hand made backwards along the course [m].
        held: Share of updates in which a gate held the arm.
        hand_points: Mean number of points found on the hand.
    """

    position_errors: FloatArray
    rotation_errors: FloatArray
    path_errors: FloatArray
    duration_s: float
    arrived: bool
    backward_m: float
    held: float
    hand_points: float


def track(simulation: Simulation, robot: RobotModel, setting: Setting) -> Tracking:
    """Run ``setting`` in ``simulation``, which it resets."""
    rng = np.random.default_rng([setting.seed, list(COURSES).index(setting.course)])
    course = _reset(simulation, setting)
    follower = TraceFollower(robot, _config(setting, course))
    follower.set_task(INSTRUCTION)
    waiting: deque[tuple[float, FollowerInput]] = deque()
    began = simulation.now_s
    next_image, progress = began, 0.0
    off, turned, read, lengths, states, found = [], [], [np.zeros(0)], [0.0], [], []
    while course.length - progress > ARRIVED and simulation.now_s - began < TIMEOUT_S:
        if simulation.now_s >= next_image - 1e-9:
            next_image += PERIOD_S
            waiting.append(
                (simulation.now_s + setting.latency_s, _look(simulation, course, progress, setting, rng))
            )
        while waiting and simulation.now_s >= waiting[0][0] - 1e-9:
            output = follower.update(_arrived(simulation, waiting.popleft()[1]))
            if output.trajectory is not None:
                simulation.command_trajectory(TrajectoryCommand.of(output.trajectory, output.start_s))
            if output.hand_path_in_base is not None:
                read.append(course.distance(output.hand_path_in_base))
            states.append(output.state)
            found.append(float(output.health.get("hand_points", np.nan)))
        simulation.advance(SAMPLE_S)
        position, rotation = simulation.scene.tcp_position, simulation.scene.tcp_rotation
        progress = course.nearest(position, progress)
        place, orientation = course.at(np.array([progress]))
        off.append(float(np.linalg.norm(position - place[0])))
        turned.append(float(so3.angles_between(orientation[0], rotation)))
        lengths.append(progress)
    return Tracking(
        position_errors=np.array(off),
        rotation_errors=np.array(turned),
        path_errors=np.concatenate(read),
        duration_s=simulation.now_s - began,
        arrived=course.length - progress <= ARRIVED,
        backward_m=float(np.maximum(-np.diff(lengths), 0.0).sum()),
        held=float(np.mean([state is not FollowerState.FOLLOW for state in states])) if states else 1.0,
        hand_points=float(np.nanmean(found)) if found else 0.0,
    )


def _reset(simulation: Simulation, setting: Setting) -> Course:
    """A scene whose hand starts far enough out, and the course from there."""
    seed = 1000 * setting.seed
    simulation.reset(seed)
    while np.linalg.norm(simulation.scene.tcp_position[:2]) < START_RADIUS:
        seed += 1
        simulation.reset(seed)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = simulation.scene.tcp_rotation, simulation.scene.tcp_position
    return COURSES[setting.course](pose)


def _config(setting: Setting, course: Course) -> FollowerConfig:
    return FollowerConfig(
        latency_compensation=setting.compensated,
        orientation=course.freedom,
        hand_motion=HandMotionConfig(method=setting.method),
        safety=SafetyConfig(max_trace_age_s=PERIOD_S + setting.latency_s + 1.0),
    )


def _look(
    simulation: Simulation, course: Course, progress: float, setting: Setting, rng: np.random.Generator
) -> FollowerInput:
    """Take an image, and make its traces."""
    frame, state = simulation.render(), simulation.joint_state()
    return FollowerInput(
        now_s=simulation.now_s,
        trace_stamp_s=frame.stamp_ns * 1e-9,
        traces=_traces(simulation, frame.depth_m, course, progress, setting, rng),
        camera_in_base=nominal_camera_in_base(),
        intrinsics=frame.intrinsics,
        depth_m=frame.depth_m,
        joints_at_trace=state.positions[ARM],
        joint_state_now=None,
        finger_width_m=None,
        gripper_busy=False,
    )


def _arrived(simulation: Simulation, inputs: FollowerInput) -> FollowerInput:
    """``inputs`` of an image taken earlier, as they are when its traces arrive."""
    now = simulation.joint_state()
    values = vars(inputs) | {
        "now_s": simulation.now_s,
        "joint_state_now": (now.positions[ARM], now.velocities[ARM]),
        "finger_width_m": float(now.positions[FINGERS].sum()),
    }
    return FollowerInput(**values)


def _traces(
    simulation: Simulation,
    depth_m: NDArray[np.float32],
    course: Course,
    progress: float,
    setting: Setting,
    rng: np.random.Generator,
) -> TraceGrid:
    """Where the hand's visible points go on the course, with noise, among points that rest."""
    scene = simulation.scene
    dense = np.rint(grid_pixels(INTRINSICS.width, INTRINSICS.height, DENSE_SIDE))
    bodies = simulation.camera.render_bodies(dense)
    column, row = dense.astype(int).T
    seen = depth_m[row, column] > 0.0
    on_hand = np.flatnonzero(seen & np.isin(bodies, scene.hand_bodies))
    at_rest = np.flatnonzero(seen & ~np.isin(bodies, [*scene.hand_bodies, *scene.arm_bodies]))
    hand = rng.choice(on_hand, min(setting.points, len(on_hand)), replace=False)
    chosen = np.concatenate([hand, rng.choice(at_rest, BACKGROUND_POINTS, replace=False)])
    pose = scene.camera_in_base
    in_camera = INTRINSICS.back_project(dense[chosen], depth_m[row, column][chosen])
    start = in_camera @ pose[:3, :3].T + pose[:3, 3]
    positions, rotations = _way(scene.tcp_position, scene.tcp_rotation, course, progress)
    moved = np.repeat(start[None], STEPS + 1, axis=0)
    local = (start[: len(hand)] - positions[0]) @ rotations[0]
    moved[:, : len(hand)] = local @ np.swapaxes(rotations, 1, 2) + positions[:, None]
    moved[1:] += rng.normal(0.0, setting.noise_m, moved[1:].shape)
    traced = (moved - pose[:3, 3]) @ pose[:3, :3]
    return TraceGrid(traced.astype(np.float32), INTRINSICS.project(traced).astype(np.float32))


def _way(
    position: FloatArray, rotation: FloatArray, course: Course, progress: float
) -> tuple[FloatArray, FloatArray]:
    """Poses of the hand at each step, from where it is onto the course and along it."""
    places, turns = course.at(progress + STEP_LENGTH * np.arange(STEPS + 1))
    left = np.maximum(1.0 - np.arange(STEPS + 1) / RETURN_STEPS, 0.0)[:, None]
    beside = so3.log(rotation @ turns[0].T)
    return places + left * (position - places[0]), so3.exp(left * beside) @ turns
