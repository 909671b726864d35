"""Shuts every gate while the arm moves, and tells how it comes to rest: ``python -m tests.motion_layer.stops``.

The motion core follows traces of a hand that goes sideways at full speed; every millisecond of what the arm is told
is recorded. Then one thing goes wrong, and stays so for a while: nothing may begin to move, whatever people say, until
they say what this gate waits for. Told are the gate that shuts, how long that took, how long the arm then needed
to stand, how far the hand went in that time, and whether a limit was broken, by a checker that shares no code with the
planner. No ROS: what the node adds are the times after which an input counts as silent.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.motion_layer.command_checker import Bounds, Breach, judge
from tests.unit.ik_controller.trace_scenes import INTRINSICS, BlockOnTable, camera_in_base, pick_path

from ik_controller.collision_model import CollisionMargins
from ik_controller.follower import (
    FollowerConfig,
    FollowerInput,
    FollowerOutput,
    FollowerState,
    Gate,
    Silence,
    TraceFollower,
)
from ik_controller.inverse_kinematics import IkConfig
from ik_controller.path_guard import PathGuardConfig
from ik_controller.resources import resource_path
from ik_controller.robot_model import RobotModel
from ik_controller.trajectory_executor import CommandError, JointRange, TrajectoryCommand, TrajectoryExecutor
from ik_controller.workspace import Workspace
from tracegen_model.trace_grid import TraceGrid

FloatArray = NDArray[np.float64]

PERIOD_S = 0.001
"""Time between two commands [s]."""

TICK_S = 0.05
"""Time between two updates of the core [s]."""

TRACE_PERIOD_S = 0.2
"""Time between two trace grids [s]."""

MOVING_S = 0.6
"""So long the arm has been following when something goes wrong [s]."""

GIVE_UP_S = 15.0
"""A gate that has not shut by then does not [s]."""

STANDING = 1e-6
"""A command that changes by less than this within a tick stands still [rad]."""

LASTING_TICKS = 20
"""So many updates a gate is looked at after the arm stands."""

DRIFT = 1e-3
"""An arm that stands is told nothing that is farther than this from where it stands [rad]."""

GOAL = np.array([0.50, 0.36, 0.24])
"""Where the hand is on its way to [m]."""

ROBOT = RobotModel.fr3()

Change = Callable[["MovingArm", FollowerInput], FollowerInput]


@dataclass
class MovingArm:
    """An arm that does what it is told, unless it is held, and a core that is called as the node calls it.

    Attributes:
        scene: Where the hand is, and what the camera sees.
        follower: The core.
        now_s: The time [s].
        change: What goes wrong with the inputs; None while nothing does.
        held: The arm stands where it is, whatever it is told.
        obeys_gripper: The fingers go where they are told.
        refused: Commands that the arm refused.
        commands: (J,) [rad], one a millisecond.
        outputs: With their times [s].
    """

    scene: BlockOnTable
    follower: TraceFollower
    now_s: float = 1.0
    change: Change | None = None
    path: Callable[[MovingArm], FloatArray] | None = None
    grasp_step: int | None = None
    held: bool = False
    obeys_gripper: bool = True
    refused: int = 0
    commands: list[FloatArray] = field(default_factory=list)
    outputs: list[tuple[float, FollowerOutput]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.executor = TrajectoryExecutor(JointRange.of(ROBOT.limits), ROBOT.limits)
        self.executor.reset(self.now_s, self.scene.joints)
        self.velocity = np.zeros(ROBOT.joint_count)
        self.follower.set_task("go there")
        self._next_trace_s = self.now_s

    def run(self, until: Callable[[], bool], at_most_s: float) -> bool:
        """Tick until ``until()``; False where that did not come within ``at_most_s`` [s]."""
        ends_s = self.now_s + at_most_s
        while not until():
            if self.now_s >= ends_s:
                return False
            self.tick()
        return True

    def tick(self) -> None:
        """One update, and what the arm does until the next."""
        seeing = self.now_s >= self._next_trace_s - 1e-9
        if seeing:
            self._next_trace_s += TRACE_PERIOD_S
        inputs = FollowerInput(
            now_s=self.now_s,
            trace_stamp_s=self.now_s if seeing else None,
            traces=self.traces() if seeing else None,
            camera_in_base=camera_in_base(),
            intrinsics=INTRINSICS,
            depth_m=self.scene.depth() if seeing else None,
            joints_at_trace=self.scene.joints,
            joint_state_now=(self.scene.joints.copy(), self.velocity.copy()),
            finger_width_m=self.scene.width,
            gripper_busy=False,
        )
        if self.change is not None:
            inputs = self.change(self, inputs)
        output = self.follower.update(inputs)
        self.outputs.append((self.now_s, output))
        if output.gripper is not None and self.obeys_gripper:
            self.scene.width = output.gripper.width
        if output.trajectory is not None:
            try:
                self.executor.submit(TrajectoryCommand.of(output.trajectory, output.start_s), self.now_s)
            except CommandError:
                self.refused += 1
        for _ in range(round(TICK_S / PERIOD_S)):
            state = self.executor.setpoint(self.now_s)
            self.commands.append(state.position)
            self.now_s = round(self.now_s + PERIOD_S, 6)
        if not self.held:
            self.scene.joints, self.velocity = state.position.copy(), state.velocity.copy()
            self.scene.tcp = ROBOT.tcp_in_base(self.scene.joints)[:3, 3]

    def traces(self) -> TraceGrid:
        """What a sound network predicts here."""
        if self.path is not None:
            path = self.path(self)
        else:
            path = self.scene.tcp + np.linspace(0.0, 1.0, 33)[:, None] * (GOAL - self.scene.tcp)
        return self.scene.traces(path, self.grasp_step)

    @property
    def output(self) -> FollowerOutput:
        """The last decision."""
        return self.outputs[-1][1]

    @property
    def stands(self) -> bool:
        """What the arm is told does not change any more."""
        recent = np.array(self.commands[-round(TICK_S / PERIOD_S) :])
        return bool(np.ptp(recent, axis=0).max() < STANDING) and self.now_s >= self.executor.end_s


@dataclass(frozen=True)
class Stop:
    """One thing that goes wrong.

    Attributes:
        name: In words.
        gate: What shuts.
        begin: Makes it go wrong.
        config: Settings of the follower, where others than the defaults show it better.
        start: (3,) where the hand is at first [m].
        moving: The arm moves when it happens; False where the cause can only be there from the beginning.
        state: What the follower's state is then.
        end: What takes the cause away, where sound inputs do not.
    """

    name: str
    gate: Gate
    begin: Callable[[MovingArm], None]
    config: FollowerConfig = field(default_factory=FollowerConfig)
    start: tuple[float, float, float] = (0.45, -0.10, 0.22)
    moving: bool = True
    state: FollowerState = FollowerState.HOLD
    end: Callable[[MovingArm], None] = lambda arm: None


@dataclass(frozen=True)
class StopReport:
    """How a stop went.

    Attributes:
        name: What went wrong.
        gate: What shut.
        reason: In words.
        noticed_s: From the cause to the decision [s].
        standstill_s: From the decision until the arm stands [s].
        travelled_m: How far the hand went in that time [m].
        speed: Of the hand at the decision [m/s].
        refused: Commands that the arm refused.
        breaches: Limits broken.
        lasting: What moved, or was said, while the gate should have kept the arm where it is; empty = nothing.
        goes_on: Enabled, recovered and without the cause, the arm moves again.
    """

    name: str
    gate: str
    state: str
    reason: str
    noticed_s: float
    standstill_s: float
    travelled_m: float
    speed: float
    refused: int
    breaches: list[Breach]
    lasting: str
    goes_on: bool


class NoStopError(AssertionError):
    """A gate did not shut."""


def run_stop(stop: Stop, bounds: Bounds) -> StopReport:
    """Follow, let it go wrong, and see how the arm comes to rest.

    Raises:
        NoStopError: The gate did not shut, or the arm did not come to rest.
    """
    arm = MovingArm(BlockOnTable(ROBOT, np.array(stop.start)), TraceFollower(ROBOT, stop.config))
    if stop.moving:
        arm.run(lambda: False, MOVING_S)
    begun_s = arm.now_s
    stop.begin(arm)

    def shut() -> bool:
        return bool(arm.outputs) and arm.outputs[-1][0] >= begun_s and arm.output.gate is stop.gate

    if not arm.run(shut, GIVE_UP_S):
        heard = sorted({f"{output.gate}: {output.words}" for at_s, output in arm.outputs if at_s >= begun_s})
        raise NoStopError(f"{stop.name}: {stop.gate} did not shut; heard {heard}")
    noticed_s, found = arm.outputs[-1]
    decided = len(arm.commands) - round(TICK_S / PERIOD_S)
    if not arm.run(lambda: arm.stands, GIVE_UP_S):
        raise NoStopError(f"{stop.name}: the arm does not come to rest")
    commands = np.array(arm.commands)
    after = commands[max(decided - 1, 0) :]
    way = [
        ROBOT.tcp_in_base(joints)[:3, 3] for joints in (after[0], after[min(1, len(after) - 1)], after[-1])
    ]
    refused = arm.refused
    lasting = _what_does_not_last(arm, stop)
    breaches = judge(
        np.array(arm.commands), bounds, ends_at_rest=stop.gate is not Gate.GRIPPER_SILENT
    ).breaches
    goes_on = _goes_on(arm, stop)
    moving = np.flatnonzero(np.abs(np.diff(after, axis=0)).max(axis=1) > STANDING * PERIOD_S)
    return StopReport(
        stop.name,
        str(stop.gate),
        str(found.state),
        found.reason,
        noticed_s - begun_s,
        float(moving[-1] + 1) * PERIOD_S if len(moving) else 0.0,
        float(np.linalg.norm(way[2] - way[0])),
        float(np.linalg.norm(way[1] - way[0])) / PERIOD_S,
        refused,
        breaches,
        lasting,
        goes_on,
    )


def _what_does_not_last(arm: MovingArm, stop: Stop) -> str:
    """What an arm that stands does, or says, while the cause of ``stop`` lasts; empty where it stays as it is."""
    stood = arm.commands[-1]
    for tick in range(LASTING_TICKS):
        if stop.state is FollowerState.FAULT and tick == LASTING_TICKS // 2:
            arm.follower.enable(True)
            arm.follower.set_task("something else")
        arm.tick()
        moved = float(np.abs(np.array(arm.commands[-round(TICK_S / PERIOD_S) :]) - stood).max())
        if moved > DRIFT:
            return f"update {tick}: moved by {moved:.4f} rad under {arm.output.words}"
        if stop.state is not FollowerState.HOLD and arm.output.gate is not stop.gate:
            return f"update {tick}: {arm.output.words}"
    return ""


def _goes_on(arm: MovingArm, stop: Stop) -> bool:
    """The arm moves again once the cause is gone and people have said what they are waited for to say."""
    arm.change, arm.path, arm.grasp_step = None, None, None
    arm.held, arm.obeys_gripper = False, True
    stop.end(arm)
    if stop.state is FollowerState.STOP:
        arm.follower.enable(True)
    if stop.state is FollowerState.FAULT and not arm.follower.recover():
        return False
    arm.tick()
    stood = arm.commands[-1]
    return arm.run(lambda: bool(np.abs(arm.commands[-1] - stood).max() > 10.0 * DRIFT), GIVE_UP_S)


def _inputs(**changes: object) -> Callable[[MovingArm], None]:
    """From now on, inputs with ``changes``."""

    def begin(arm: MovingArm) -> None:
        arm.change = lambda _, inputs: replace(inputs, **changes)  # type: ignore[arg-type]

    return begin


def _at_traces(change: Callable[[FollowerInput], FollowerInput]) -> Callable[[MovingArm], None]:
    """From now on, inputs with traces are changed so."""

    def begin(arm: MovingArm) -> None:
        arm.change = lambda _, inputs: inputs if inputs.traces is None else change(inputs)

    return begin


def _grid(change: Callable[[FloatArray], None]) -> Callable[[MovingArm], None]:
    """From now on, traces whose points (S + 1, N, 3) [m, camera frame] have been changed in place."""

    def changed(inputs: FollowerInput) -> FollowerInput:
        assert inputs.traces is not None
        points = inputs.traces.points_in_camera.astype(float)
        change(points)
        pixels = INTRINSICS.project(points)
        return replace(inputs, traces=TraceGrid(points.astype(np.float32), pixels.astype(np.float32)))

    return _at_traces(changed)


def _measured(position: FloatArray | None = None, velocity: float = 0.0) -> Callable[[MovingArm], None]:
    """From now on, the first joint is measured elsewhere, or at another speed."""

    def begin(arm: MovingArm) -> None:
        def change(arm: MovingArm, inputs: FollowerInput) -> FollowerInput:
            at = arm.scene.joints + (0.0 if position is None else position)
            return replace(inputs, joint_state_now=(at, arm.velocity + velocity * np.eye(7)[0]))

        arm.change = change

    return begin


def _scatter(points: FloatArray) -> None:
    """The traces of all points end elsewhere, each on its own."""
    aims = np.random.default_rng(0).normal(0.0, 0.3, points.shape[1:])
    points += np.linspace(0.0, 1.0, len(points))[:, None, None] * aims


def _start_nearer(points: FloatArray) -> None:
    """Two in three traces of what is near the camera, as the hand is, start and stay 30 % nearer along their rays."""
    depth = points[0, :, 2]
    nearer = depth < np.nanquantile(depth, 0.4)
    nearer[::3] = False
    points[:, nearer] *= 0.7


def _leap(points: FloatArray) -> None:
    points[5:, :, 0] += 0.4


def _lose_most(points: FloatArray) -> None:
    points[:, np.arange(points.shape[1]) % 10 != 0] = np.nan


def _goes(path: Callable[[MovingArm], FloatArray]) -> Callable[[MovingArm], None]:
    def begin(arm: MovingArm) -> None:
        arm.path = path

    return begin


def _line(towards: tuple[float, float, float]) -> Callable[[MovingArm], FloatArray]:
    """From where the hand is to ``towards`` (3,) [m]."""
    return lambda arm: (
        arm.scene.tcp + np.linspace(0.0, 1.0, 33)[:, None] * (np.array(towards) - arm.scene.tcp)
    )


def _hold_arm(arm: MovingArm) -> None:
    arm.held = True
    arm.velocity = np.zeros(7)


def _let_go(arm: MovingArm) -> None:
    """Whoever recovers the arm's controller has it stand where the arm is."""
    arm.executor.reset(arm.now_s, arm.scene.joints)


def _grasp(arm: MovingArm, obeys: bool = False) -> None:
    """The hand goes down on the block; its fingers do not move."""
    arm.obeys_gripper = obeys
    _, step = pick_path(arm.scene.tcp, arm.scene.block)
    arm.path = lambda arm: pick_path(arm.scene.tcp, arm.scene.block)[0]
    arm.grasp_step = step


def _silent_fingers(arm: MovingArm) -> None:
    _grasp(arm)
    arm.change = lambda _, inputs: replace(inputs, silent=(Silence.FINGERS,))


def _break_core(arm: MovingArm) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("as a defect would")

    arm.follower._reader.read = broken  # type: ignore[method-assign, assignment]


def _mend_core(arm: MovingArm) -> None:
    del arm.follower._reader.read  # type: ignore[method-assign]


_WIDE = replace(FollowerConfig(), workspace=Workspace(lower=(-0.3, -0.6, 0.012), upper=(1.2, 0.6, 1.0)))
"""Settings under which the workspace's box ends no path before the arm does."""

STOPS = (
    Stop("joint states stop", Gate.JOINTS_MISSING, _inputs(joint_state_now=None)),
    Stop(
        "joint states hold NaN",
        Gate.JOINTS_INVALID,
        _inputs(joint_state_now=(np.full(7, np.nan), np.zeros(7))),
    ),
    Stop(
        "a joint is measured out of its range", Gate.JOINT_RANGE, _measured(np.array([5.0, 0, 0, 0, 0, 0, 0]))
    ),
    Stop("a joint is measured too fast", Gate.OVERSPEED, _measured(velocity=6.0)),
    Stop("the arm is off its command", Gate.TRACKING, _measured(np.array([0.4, 0, 0, 0, 0, 0, 0]))),
    Stop(
        "the hand begins far outside of the workspace",
        Gate.OUTSIDE_WORKSPACE,
        lambda arm: None,
        replace(FollowerConfig(), safety=replace(FollowerConfig().safety, max_outside=0.05)),
        start=(0.45, -0.46, 0.22),
        moving=False,
    ),
    Stop("the time is no number", Gate.CLOCK_INVALID, _inputs(now_s=float("nan"))),
    Stop("simulated time stops", Gate.CLOCK_STOPPED, _inputs(silent=(Silence.CLOCK,))),
    Stop(
        "no traces come at all",
        Gate.TRACES_MISSING,
        _inputs(traces=None, trace_stamp_s=None),
        moving=False,
    ),
    Stop("traces stop", Gate.TRACES_STALE, _inputs(traces=None, trace_stamp_s=None)),
    Stop(
        "traces come 2 s late",
        Gate.TRACES_STALE,
        _at_traces(lambda inputs: replace(inputs, trace_stamp_s=(inputs.trace_stamp_s or 0.0) - 2.0)),
    ),
    Stop(
        "traces are stamped 5 s ahead",
        Gate.TRACES_AHEAD,
        _at_traces(lambda inputs: replace(inputs, trace_stamp_s=(inputs.trace_stamp_s or 0.0) + 5.0)),
    ),
    Stop("nine in ten trace points are NaN", Gate.TRACES_INVALID, _grid(_lose_most)),
    Stop("depth images stop", Gate.CAMERA_SILENT, _inputs(silent=(Silence.CAMERA,))),
    Stop("CameraInfo stops", Gate.CAMERA_INFO_MISSING, _inputs(silent=(Silence.CAMERA_INFO,))),
    Stop("the intrinsics are unknown", Gate.CAMERA_INFO_MISSING, _inputs(intrinsics=None)),
    Stop("the TF publisher is gone", Gate.CAMERA_POSE_MISSING, _inputs(silent=(Silence.TRANSFORMS,))),
    Stop("TF has no camera pose", Gate.CAMERA_POSE_MISSING, _inputs(camera_in_base=None)),
    Stop("the camera pose is no pose", Gate.CAMERA_POSE_INVALID, _inputs(camera_in_base=np.ones((4, 4)))),
    Stop(
        "no joint state near the image's stamp", Gate.JOINTS_AT_TRACE_MISSING, _inputs(joints_at_trace=None)
    ),
    Stop("the depth image is empty", Gate.DEPTH_EMPTY, _inputs(depth_m=np.zeros((240, 320), np.float32))),
    Stop(
        "CameraInfo of another camera",
        Gate.BACK_PROJECTION,
        _inputs(intrinsics=replace(INTRINSICS, cx=INTRINSICS.cx + 60.0)),
    ),
    Stop(
        "the camera stands 20 cm elsewhere",
        Gate.START_OFF_HAND,
        _at_traces(lambda inputs: replace(inputs, camera_in_base=_shifted(inputs.camera_in_base))),
    ),
    Stop("most traces of the hand's pixels start beside it", Gate.START_OFF_HAND, _grid(_start_nearer)),
    Stop("the traces on the hand scatter", Gate.ENDPOINT_SPREAD, _grid(_scatter)),
    Stop("the hand's path leaps", Gate.PATH_JUMP, _grid(_leap)),
    Stop("the traces lead out of the workspace", Gate.OUT_OF_WORKSPACE, _goes(_line((0.50, 0.90, 0.24)))),
    Stop(
        "the traces lead farther than the arm can reach",
        Gate.OUT_OF_REACH,
        _goes(_line((1.15, 0.0, 0.35))),
        replace(_WIDE, guard=PathGuardConfig(slow_condition=1e5, end_condition=1e6)),
        start=(0.55, 0.0, 0.35),
    ),
    Stop(
        "the traces lead into a singularity",
        Gate.SINGULARITY,
        _goes(_line((1.15, 0.0, 0.35))),
        _WIDE,
        start=(0.55, 0.0, 0.35),
    ),
    Stop(
        "the traces lead the arm to itself",
        Gate.SELF_COLLISION,
        _goes(_line((0.15, 0.0, 0.35))),
        replace(
            _WIDE,
            ik=IkConfig(margins=CollisionMargins(self_m=0.10)),
            guard=PathGuardConfig(slow_self_m=0.12),
        ),
        start=(0.36, 0.0, 0.30),
    ),
    Stop(
        "the traces lead into the table",
        Gate.SCENE_COLLISION,
        _goes(_line((0.45, 0.25, 0.02))),
        replace(FollowerConfig(), surfaces=replace(FollowerConfig().surfaces, min_table_clearance=-0.06)),
    ),
    Stop("the fingers' opening stops coming", Gate.GRIPPER_SILENT, _silent_fingers, moving=False),
    Stop("the fingers do not move", Gate.GRIPPER_STUCK, _grasp, moving=False, state=FollowerState.FAULT),
    Stop("the arm is held", Gate.BLOCKED, _hold_arm, state=FollowerState.FAULT, end=_let_go),
    Stop("a defect of the core", Gate.INTERNAL_ERROR, _break_core, state=FollowerState.FAULT, end=_mend_core),
    Stop("disabled", Gate.DISABLED, lambda arm: arm.follower.enable(False), state=FollowerState.STOP),
    Stop("stopped", Gate.STOPPED, lambda arm: arm.follower.stop("stop service"), state=FollowerState.STOP),
)


def _shifted(pose: FloatArray | None) -> FloatArray:
    assert pose is not None
    moved = pose.copy()
    moved[1, 3] += 0.2
    return moved


def read_bounds() -> Bounds:
    """Of the limits in force."""
    return Bounds.read(resource_path("limits/fr3_rectangular.yaml"))


def table(reports: list[StopReport]) -> str:
    """In Markdown."""
    lines = [
        "| what goes wrong | gate | state | noticed after [ms] | at [mm/s] | stands after [ms] | within [mm] | "
        "limits broken |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for report in reports:
        numbers = (
            1000 * report.noticed_s,
            1000 * report.speed,
            1000 * report.standstill_s,
            1000 * report.travelled_m,
        )
        cells = [report.name, f"`{report.gate}`", report.state, *(f"{number:.0f}" for number in numbers)]
        lines.append(f"| {' | '.join(cells)} | {len(report.breaches)} |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args()
    bounds = read_bounds()
    reports = [run_stop(stop, bounds) for stop in STOPS]
    print(table(reports))
    if arguments.json:
        rows = [{**vars(report), "breaches": len(report.breaches)} for report in reports]
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
