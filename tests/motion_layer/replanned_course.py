"""Random courses for the hand, the traces that show them, and one run of follower and executor along one.

The hand is replanned at images that come at a rate of their own; some come early, some of their traces come late or out
of order, and some commands reach the arm only after their motion should have begun. The executor is asked every
millisecond, as the arm's driver asks it, and the arm is where it is told to be.

Where a command is accepted, two things are compared at the instant at which it takes over, both evaluated from their
polynomials: the follower's motion before with its new one, and what the executor would have told the arm with what it
tells it now.
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from tests.motion_layer.command_checker import PERIOD_S
from tests.motion_layer.hand_courses import Course
from tests.motion_layer.trace_grid_fuzzer import camera_looking_at

from ik_controller import so3
from ik_controller.follower import FollowerConfig, FollowerInput, FollowerOutput, TraceFollower
from ik_controller.grasping import GraspEvent, MovingScene
from ik_controller.hand_orientation import OrientationFreedom, hand_rotations
from ik_controller.hand_path import path_through
from ik_controller.inverse_kinematics import IkConfig, solve_path, solve_pose
from ik_controller.joint_trajectory import JointState
from ik_controller.robot_model import RobotModel
from ik_controller.trajectory_executor import (
    CommandError,
    JointRange,
    TrajectoryCommand,
    TrajectoryExecutor,
)
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid

FloatArray = NDArray[np.float64]

LOWEST, HIGHEST = np.array([0.40, -0.30, 0.10]), np.array([0.64, 0.30, 0.40])
"""Corners of the box that courses are drawn in [m, base frame]."""

CONTROL_POINTS = 4
"""Of a course, which is a Bézier curve."""

SHORTEST, LONGEST = 0.3, 0.7
"""Length of a course [m]."""

LARGEST_TURN = 0.8
"""Of the hand about the vertical over a course [rad]."""

COURSE_SAMPLES = 600

INTRINSICS = CameraIntrinsics(fx=307.5, fy=307.5, cx=159.5, cy=119.5, width=320, height=240)
CAMERA_IN_BASE = camera_looking_at(np.array([1.05, 0.22, 0.62]), np.array([0.47, 0.0, 0.10]))

STEPS = 32
STEP_LENGTH = 0.0125
"""Of a trace, as in the demonstrations [m]."""

RETURN_STEPS = 8
"""Steps in which traces lead a hand beside the course back to it."""

HAND_POINTS, RESTING_POINTS = 20, 40
OPEN_M = 0.08

LATENCY_S = 0.08
"""From an image to its traces' arrival, as a rule [s]."""

USUAL_TRANSPORT_S = (0.0, 0.025)
LATE_TRANSPORT_S = (0.035, 0.12)
"""From the decision to the arm's controller: before the motion begins, or after it should have begun [s]."""

ARRIVED = 0.01
"""A run is over once so much of the course is left [m]."""

LOOK_TICKS = 20
"""Milliseconds between two looks at how far the hand has come."""

LONGEST_RUN_S = 20.0
BEGIN_S = 1.0


@dataclass(frozen=True)
class Habits:
    """How images, traces and commands come in a run.

    Attributes:
        rate_hz: Images a second.
        early: Share of images that come soon after the one before.
        late: Share of traces that come 0.1 to 0.4 s later than usual.
        swapped: Share of traces that come after those of the next image.
        late_commands: Share of commands that reach the arm after their motion should have begun.
        noise_m: Standard deviation of a traced point, an axis and step [m].
        drift_m: Standard deviation of how far the end of a whole trace is off, an axis and grid [m].
        most_replans: No more images after so many.
    """

    rate_hz: float
    early: float = 0.1
    late: float = 0.1
    swapped: float = 0.1
    late_commands: float = 0.1
    noise_m: float = 0.003
    drift_m: float = 0.01
    most_replans: int = 10_000

    @classmethod
    def punctual(cls, rate_hz: float) -> Habits:
        """Exact traces at even times, all commands in time."""
        return cls(rate_hz, early=0.0, late=0.0, swapped=0.0, late_commands=0.0, noise_m=0.0, drift_m=0.0)


@dataclass(frozen=True)
class Step:
    """How far two motions are apart at one instant: largest over the joints.

    Attributes:
        position: [rad]; ``velocity`` [rad/s]; ``acceleration`` [rad/s²].
    """

    position: float
    velocity: float
    acceleration: float


@dataclass
class Run:
    """What a run came to.

    Attributes:
        stream: (T, J) commands, one a millisecond [rad].
        planned: Steps between the follower's motions where one replaced the other, as long as no command was refused:
            after that the follower begins anew where the arm is.
        told: Steps in what the arm is told, where the executor went over to a command that came in time.
        told_late: The same, for commands that came late.
        refused: Commands that the executor refused although none had come late since they last agreed.
        refused_late: Commands refused otherwise.
        decisions: How often each state was said.
        replans: Motions along new traces.
        ignored: Traces older than others before them, which the follower ignored.
        replan_lengths: Where on the course the hand was told to be when each replan took over [m].
        duration_s: From the first command until the arm stands [s].
        arrived: The end of the course was reached.
    """

    stream: FloatArray
    planned: list[Step] = field(default_factory=list)
    told: list[Step] = field(default_factory=list)
    told_late: list[Step] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refused_late: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    replans: int = 0
    ignored: int = 0
    replan_lengths: list[float] = field(default_factory=list)
    duration_s: float = 0.0
    arrived: bool = False


class NoEvents:
    """Sees neither grasp nor release."""

    def next_event(self, scene: MovingScene) -> GraspEvent | None:
        """None."""
        return None


def step_between(before: JointState, after: JointState) -> Step:
    """How far ``after`` is from ``before``."""
    return Step(
        *(
            float(np.abs(getattr(after, name) - getattr(before, name)).max())
            for name in ("position", "velocity", "acceleration")
        )
    )


def random_course(robot: RobotModel, rng: np.random.Generator) -> tuple[Course, FloatArray]:
    """A bent course that the arm can follow to its end, and the (J,) joints at its start [rad]."""
    share = np.linspace(0.0, 1.0, COURSE_SAMPLES)
    while True:
        points = rng.uniform(LOWEST, HIGHEST, (CONTROL_POINTS, 3))
        first, turn = rng.uniform(-0.4, 0.4), rng.uniform(-LARGEST_TURN, LARGEST_TURN)
        points = np.repeat(points[:, None], COURSE_SAMPLES, axis=1)
        while len(points) > 1:  # de Casteljau's scheme, for all samples at once
            points = points[:-1] + share[:, None] * np.diff(points, axis=0)
        positions = points[0]
        rotations = hand_rotations(positions, first + turn * share)
        lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(positions, axis=0), axis=1))])
        if not SHORTEST <= lengths[-1] <= LONGEST:
            continue
        start, error, _ = solve_pose(
            robot, robot.posture, positions[0], rotations[0], IkConfig(max_iterations=200)
        )
        way = path_through(positions, rotations, FollowerConfig().workspace.metres_per_radian)
        if error > 1e-3 or way is None:
            continue
        way = way.thinned()
        if solve_path(robot, start, way.positions, way.rotations, IkConfig(), 0.0).shortened_because is None:
            return Course(positions, rotations, lengths, OrientationFreedom.HEADING), start


def show_traces(
    robot: RobotModel,
    joints: FloatArray,
    course: Course,
    progress: float,
    habits: Habits,
    rng: np.random.Generator,
) -> TraceGrid:
    """Traces of an arm at ``joints`` (J,) [rad]: back to ``course`` and along it from ``progress`` [m]."""
    tcp, hand = robot.tcp_in_base(joints), robot.hand_in_base(joints)
    ahead = STEP_LENGTH * np.arange(STEPS + 1)
    places, rotations = course.at(progress + ahead)
    left = np.maximum(1.0 - np.arange(STEPS + 1) / RETURN_STEPS, 0.0)[:, None]
    positions = places + left * (tcp[:3, 3] - places[0])
    rotations = so3.exp(left * so3.log(tcp[:3, :3] @ rotations[0].T)) @ rotations
    # The farther ahead, the less the predictions agree with each other.
    distance = np.minimum(ahead, course.length - progress)[:, None]
    positions = positions + distance / ahead[-1] * rng.normal(0.0, habits.drift_m, 3)
    boxes = robot.hand.boxes(OPEN_M)
    box = boxes[rng.integers(len(boxes), size=HAND_POINTS)]
    start = rng.uniform(box[:, 0], box[:, 1]) @ hand[:3, :3].T + hand[:3, 3]
    on_hand = (start - tcp[:3, 3]) @ tcp[:3, :3] @ np.swapaxes(rotations, 1, 2) + positions[:, None]
    on_hand[1:] += rng.normal(0.0, habits.noise_m, on_hand[1:].shape)
    resting = np.column_stack(
        [rng.uniform([0.3, -0.4], [0.7, 0.4], (RESTING_POINTS, 2)), np.zeros(RESTING_POINTS)]
    )
    moved = np.concatenate([on_hand, np.repeat(resting[None], STEPS + 1, axis=0)], axis=1)
    in_camera = (moved - CAMERA_IN_BASE[:3, 3]) @ CAMERA_IN_BASE[:3, :3]
    return TraceGrid(in_camera.astype(np.float32), INTRINSICS.project(in_camera).astype(np.float32))


class ReplannedRun:
    """One run of ``course`` from ``start`` (J,) [rad] with these ``habits``; same seed, same run."""

    def __init__(
        self, robot: RobotModel, course: Course, start: FloatArray, habits: Habits, seed: int | list[int]
    ) -> None:
        self._robot = robot
        self._course = course
        self._habits = habits
        self._rng = np.random.default_rng(seed)
        self._follower = TraceFollower(robot, events=NoEvents())
        self._follower.set_task("follow the traces")
        self._executor = TrajectoryExecutor(JointRange.of(robot.limits), robot.limits)
        self._executor.reset(BEGIN_S, start)
        self._tick = round(BEGIN_S / PERIOD_S)
        self._state = JointState.at_rest(start)
        self._stream = [self._state.position]
        self._progress = 0.0
        self._traces: list[tuple[float, FollowerInput]] = []
        self._commands: deque[tuple[float, FollowerOutput]] = deque()
        self._sent: FollowerOutput | None = None
        self._in_step = True
        self._run = Run(np.zeros(0))

    @property
    def _now_s(self) -> float:
        return self._tick * PERIOD_S

    def execute(self) -> Run:
        """From the first image until the arm stands."""
        run, course, habits = self._run, self._course, self._habits
        next_image_s, images = self._now_s, 0
        over = False
        while not over:
            if self._now_s >= next_image_s - PERIOD_S / 2:
                self._take_image()
                images += 1
                next_image_s += self._wait_for_next_image()
            self._receive()
            self._move()
            run.arrived = course.length - self._progress <= ARRIVED
            over = run.arrived or images >= habits.most_replans or self._now_s - BEGIN_S > LONGEST_RUN_S
        while self._traces or self._commands or self._now_s <= self._executor.end_s + 2 * PERIOD_S:
            self._receive()
            self._move()
        run.stream = np.array(self._stream)
        moving = np.flatnonzero(np.diff(run.stream, axis=0).any(axis=1))
        run.duration_s = float(moving[-1] - moving[0] + 1) * PERIOD_S if len(moving) else 0.0
        return run

    def _wait_for_next_image(self) -> float:
        period_s = 1.0 / self._habits.rate_hz
        return period_s * (self._rng.uniform(0.1, 0.6) if self._rng.random() < self._habits.early else 1.0)

    def _take_image(self) -> None:
        habits, rng = self._habits, self._rng
        joints = self._state.position
        latency_s = LATENCY_S
        chance = rng.random()
        if chance < habits.late:
            latency_s += rng.uniform(0.1, 0.4)
        elif chance < habits.late + habits.swapped:
            latency_s += 1.0 / habits.rate_hz + 0.01
        inputs = FollowerInput(
            now_s=self._now_s + latency_s,
            trace_stamp_s=self._now_s,
            traces=show_traces(self._robot, joints, self._course, self._progress, habits, rng),
            camera_in_base=CAMERA_IN_BASE,
            intrinsics=INTRINSICS,
            depth_m=None,
            joints_at_trace=joints,
            joint_state_now=None,
            finger_width_m=OPEN_M,
            gripper_busy=False,
        )
        self._traces.append((self._now_s + latency_s, inputs))
        self._traces.sort(key=lambda arrival: arrival[0])

    def _receive(self) -> None:
        """Traces that have come go to the follower, commands that have come to the executor."""
        while self._traces and self._traces[0][0] <= self._now_s + PERIOD_S / 2:
            self._decide(self._traces.pop(0)[1])
        while self._commands and self._commands[0][0] <= self._now_s + PERIOD_S / 2:
            self._submit(self._commands.popleft()[1])

    def _decide(self, inputs: FollowerInput) -> None:
        habits, rng, run = self._habits, self._rng, self._run
        measured = (self._state.position, self._state.velocity)
        output = self._follower.update(replace(inputs, now_s=self._now_s, joint_state_now=measured))
        run.decisions[str(output.state)] += 1
        run.ignored = int(output.health["ignored_traces"])
        if output.trajectory is None:
            return
        if output.hand_path_in_base is not None:
            run.replans += 1
            start = output.trajectory.positions[0]
            place = self._robot.tcp_in_base(start)[:3, 3]
            run.replan_lengths.append(self._course.nearest(place, self._progress))
        refused = run.refused or run.refused_late
        if self._sent is not None and self._sent.trajectory is not None and not refused:
            before = self._sent.trajectory.sample(output.start_s - self._sent.start_s)
            run.planned.append(step_between(before, output.trajectory.sample(0.0)))
        self._sent = output
        late = rng.random() < habits.late_commands
        transport_s = rng.uniform(*(LATE_TRANSPORT_S if late else USUAL_TRANSPORT_S))
        # A topic keeps the order of what is published.
        after_s = self._commands[-1][0] if self._commands else 0.0
        self._commands.append((max(self._now_s + transport_s, after_s), output))

    def _submit(self, output: FollowerOutput) -> None:
        run, now_s = self._run, self._now_s
        assert output.trajectory is not None
        late = now_s > output.start_s
        self._in_step = self._in_step and not late
        without = copy.deepcopy(self._executor)
        try:
            self._executor.submit(TrajectoryCommand.of(output.trajectory, output.start_s), now_s)
        except CommandError as error:
            if self._in_step:
                run.refused.append(str(error))
            else:
                run.refused_late += 1
            return
        switch_s = max(output.start_s, now_s)
        step = step_between(without.setpoint(switch_s), copy.deepcopy(self._executor).setpoint(switch_s))
        (run.told_late if late else run.told).append(step)

    def _move(self) -> None:
        """One millisecond passes."""
        self._tick += 1
        self._state = self._executor.setpoint(self._now_s)
        self._stream.append(self._state.position)
        if self._tick % LOOK_TICKS == 0:
            place = self._robot.tcp_in_base(self._state.position)[:3, 3]
            self._progress = max(self._progress, self._course.nearest(place, self._progress))
