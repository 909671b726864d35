"""A follower, an executor at 1 kHz and an arm that obeys it, fed with one stimulus after the other.

The arm is where its executor tells it to be, unless somebody pushes it; the driver begins a motion from rest where the
arm stands, as that of the FR3 does. Every command of every millisecond is kept for the checker.
"""

from __future__ import annotations

import traceback
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tests.motion_layer.command_checker import PERIOD_S, Bounds, judge
from tests.motion_layer.fuzz_report import EpisodeReport, without_numbers
from tests.motion_layer.fuzz_stimulus import FALSE_JOINTS, Act, StampFault, Stimulus, with_input_fault
from tests.motion_layer.trace_grid_fuzzer import IMAGES, View, camera_looking_at, make_grid

from ik_controller.follower import FollowerConfig, FollowerInput, FollowerOutput, TraceFollower
from ik_controller.gates import Gate
from ik_controller.robot_model import RobotModel
from ik_controller.trajectory_executor import (
    CommandError,
    JointRange,
    TrajectoryCommand,
    TrajectoryExecutor,
)
from tracegen_model.camera import CameraIntrinsics

FloatArray = NDArray[np.float64]

TICK_PERIOD_S = 0.05
"""Time between two updates without traces where traces fail to come [s]."""

DRIVER_TOLERANCE_RAD = 0.1
"""The driver gives up on an arm that is farther from its setpoint [rad] ..."""

DRIVER_RECOVERY_S = 0.4
"""... and takes commands again after this [s]."""

FINGER_SPEED = 0.1
"""[m/s]."""

OPEN_M = 0.08
BLOCK_M = 0.04

SAME = 1e-6
"""Positions and velocities that differ by less are the same [rad, rad/s]."""

LONGEST_STOP_S = 30.0
"""A motion that has not come to rest by then does not come to rest [s]."""


class FuzzedCell:
    """Runs one episode.

    Args:
        robot: The arm.
        bounds: Its limits, as the checker reads them.
        start: (J,) joints to begin at [rad].
        seed: Of camera, image size and block.
        config: Of the follower.
    """

    def __init__(
        self,
        robot: RobotModel,
        bounds: Bounds,
        start: FloatArray,
        seed: int,
        config: FollowerConfig | None = None,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.robot = robot
        self.report = EpisodeReport()
        self._bounds = bounds
        self._home = start
        self._follower = TraceFollower(robot, config)
        self._follower.set_task("put the red block in the green zone")
        self._executor = TrajectoryExecutor(JointRange.of(robot.limits), robot.limits)
        position = np.array([rng.uniform(0.7, 1.3), rng.uniform(-0.6, 0.8), rng.uniform(0.4, 0.9)])
        self._camera_in_base = camera_looking_at(position, np.array([0.47, 0.0, 0.15]))
        width, height = IMAGES[int(rng.integers(len(IMAGES)))]
        fx = width * rng.uniform(0.7, 1.1)
        self._intrinsics = CameraIntrinsics(
            fx, fx * rng.uniform(0.8, 1.25), (width - 1) / 2, (height - 1) / 2, width, height
        )
        self._block = np.array([rng.uniform(0.35, 0.65), rng.uniform(-0.25, 0.25), 0.02])
        self._last_stamp_s = 0.0
        self._stimulus = 0
        self._has_error = False
        self._begin(1.0, start)

    def _begin(self, at_s: float, position: FloatArray) -> None:
        """Stand at ``position``, at a time that nothing was commanded at yet."""
        self._tick = round(at_s / PERIOD_S)
        self._executor.reset(self.now_s, position)
        self._stream = [np.array(position)]
        self._stream_began = self._tick
        self._setpoint, self._velocity = np.array(position), np.zeros_like(position)
        self._pushed = np.zeros_like(position)
        self._pushed_until = self._deaf_until = self._tick
        self._width, self._width_wanted, self._closes_on = OPEN_M, OPEN_M, 0.0
        self._under_way: list[tuple[int, FollowerOutput, FollowerOutput | None]] = []
        self._sent: FollowerOutput | None = None
        self._arrived = self._tick
        self._in_step, self._late_until = True, self._tick
        self._accepted: FollowerOutput | None = None

    @property
    def now_s(self) -> float:
        """Time on the clock of the stamps [s]."""
        return self._tick * PERIOD_S

    @property
    def measured(self) -> FloatArray:
        """(J,) where the arm is [rad]."""
        return self._setpoint + self._pushed

    def run(self, stimuli: list[Stimulus]) -> EpisodeReport:
        """Give all ``stimuli``, wait for rest, and judge every command."""
        for stimulus in stimuli:
            self._stimulus += 1
            self._give(stimulus)
        self._come_to_rest()
        self._judge(ends_at_rest=True)
        return self.report

    # --- what happens -----------------------------------------------------------------------------------------

    def _give(self, stimulus: Stimulus) -> None:
        rng = np.random.default_rng(stimulus.seed)
        self._wait(stimulus, rng)
        self._act(stimulus, rng)
        inputs = self._inputs(stimulus, rng)
        self.report.faults.update(
            [f"grid: {stimulus.grid}", f"stamp: {stimulus.stamp}", f"inputs: {stimulus.inputs}"]
            if stimulus.grid is not None
            else [f"inputs: {stimulus.inputs}"]
        )
        if stimulus.act is not Act.NONE:
            self.report.faults[f"act: {stimulus.act}"] += 1
        self.report.grids += stimulus.grid is not None
        self._in_step = self._in_step and stimulus.inputs not in FALSE_JOINTS
        self._update(inputs, stimulus.transport_s)

    def _wait(self, stimulus: Stimulus, rng: np.random.Generator) -> None:
        end = self._tick + max(1, round(stimulus.wait_s / PERIOD_S))
        period = round(TICK_PERIOD_S / PERIOD_S)
        if stimulus.ticks:
            first = self._tick + int(rng.integers(period, 2 * period))
            for tick in range(first, end, period):
                self._advance(tick)
                self._update(self._sound_inputs(), stimulus.transport_s)
        self._advance(end)

    def _act(self, stimulus: Stimulus, rng: np.random.Generator) -> None:
        act, follower = stimulus.act, self._follower
        if act is Act.DISABLE:
            follower.enable(False)
        elif act is Act.ENABLE:
            follower.enable(True)
        elif act is Act.STOP:
            follower.stop("a person")
        elif act is Act.RECOVER:
            follower.recover()
        elif act is Act.NEW_TASK:
            follower.set_task(f"task {stimulus.seed}")
        elif act is Act.NO_TASK:
            follower.set_task("")
        elif act is Act.MOVE_BLOCK:
            self._block = np.array([*rng.uniform([0.3, -0.3], [0.7, 0.3]), 0.02])
        elif act is Act.CLOCK_RESET:
            self._judge()
            self._begin(0.01 + stimulus.magnitude * 0.5 * self.now_s, self._home)
            self._last_stamp_s = 0.0
        elif act is Act.PUSH:
            self._push(stimulus.magnitude, rng)

    def _push(self, magnitude: float, rng: np.random.Generator) -> None:
        self._in_step = False
        limits = self.robot.limits
        pushed = rng.normal(0.0, 0.5 * magnitude, self.robot.joint_count)
        pushed[rng.random(len(pushed)) < 0.5] = 0.0
        self._pushed = limits.clip(self._setpoint + pushed, 0.01) - self._setpoint
        self._pushed_until = self._tick + int(rng.integers(50, 3000))
        if np.abs(self._pushed).max() > DRIVER_TOLERANCE_RAD and self.now_s < self._executor.end_s:
            # The driver gives up on the motion and begins anew where the arm is.
            self._restart(self.measured)
            self._deaf_until = self._tick + round(DRIVER_RECOVERY_S / PERIOD_S)

    def _restart(self, position: FloatArray) -> None:
        """The arm's controller begins anew at ``position``: a stream of its own, from rest."""
        self._judge()
        self._in_step = False
        self._executor.reset(self.now_s, position)
        self._stream, self._stream_began = [np.array(position)], self._tick
        self._setpoint, self._velocity = np.array(position), np.zeros_like(position)
        self._pushed = np.zeros_like(position)
        self._pushed_until = self._tick

    # --- the follower -----------------------------------------------------------------------------------------

    def _update(self, inputs: FollowerInput, transport_s: float) -> None:
        self.report.updates += 1
        try:
            output = self._follower.update(inputs)
        except Exception:
            where = "".join(traceback.format_exc(limit=-3)).strip()
            self.report.exceptions.append(f"stimulus {self._stimulus}: {where}")
            return
        had_error, self._has_error = self._has_error, output.gate is Gate.INTERNAL_ERROR
        if self._has_error and not had_error:
            self.report.exceptions.append(f"stimulus {self._stimulus}: {output.reason}")
        self.report.states[str(output.state)] += 1
        if output.gate is not None:
            self.report.gates[str(output.gate)] += 1
        self.report.reasons[f"{output.state}: {without_numbers(output.reason)}"] += 1
        if output.gripper is not None:
            self._width_wanted = output.gripper.width
            near = np.linalg.norm(self.robot.tcp_in_base(self.measured)[:3, 3] - self._block) < 0.03
            self._closes_on = BLOCK_M if near else 0.0
        if output.trajectory is not None:
            self.report.trajectories += 1
            # A topic keeps the order of what is published.
            arrives = max(self._tick + round(transport_s / PERIOD_S), self._arrived)
            if arrives * PERIOD_S > output.start_s:
                self._in_step = False
                self._late_until = arrives
            self._under_way.append((arrives, output, self._sent))
            self._arrived = arrives
            self._sent = output

    def _sound_inputs(self) -> FollowerInput:
        return FollowerInput(
            now_s=self.now_s,
            trace_stamp_s=None,
            traces=None,
            camera_in_base=self._camera_in_base,
            intrinsics=self._intrinsics,
            depth_m=None,
            joints_at_trace=None,
            joint_state_now=(self.measured, self._velocity.copy()),
            finger_width_m=self._width,
            gripper_busy=False,
        )

    def _inputs(self, stimulus: Stimulus, rng: np.random.Generator) -> FollowerInput:
        inputs = self._sound_inputs()
        if stimulus.grid is not None:
            stamp_s = max(self.now_s - stimulus.age_s, 0.0)
            at_stamp = self._setpoint_at(stamp_s) + self._pushed
            hand = self.robot.hand_in_base(at_stamp)
            view = View(
                self._camera_in_base,
                self._intrinsics,
                hand,
                self.robot.hand.boxes(self._width),
                self.robot.tcp_in_base(at_stamp)[:3, 3],
                self._block,
            )
            depth = view.depth()
            inputs = replace(
                inputs,
                traces=make_grid(view, depth, stimulus.grid, stimulus.magnitude, rng),
                depth_m=depth,
                joints_at_trace=at_stamp,
                trace_stamp_s=self._stamp(stimulus, stamp_s),
            )
            self._last_stamp_s = stamp_s
        return with_input_fault(inputs, stimulus, rng)

    def _stamp(self, stimulus: Stimulus, stamp_s: float) -> float | None:
        much = 5.0 * stimulus.magnitude
        return {
            StampFault.FRESH: stamp_s,
            StampFault.DUPLICATE: self._last_stamp_s,
            StampFault.REVERSED: self._last_stamp_s - much,
            StampFault.OLD: stamp_s - much,
            StampFault.FUTURE: self.now_s + 5.0 * stimulus.magnitude**4,
            StampFault.MISSING: None,
            StampFault.NAN: float("nan"),
            StampFault.INFINITE: float("inf") if stimulus.seed % 2 else float("-inf"),
        }[stimulus.stamp]

    def _setpoint_at(self, time_s: float) -> FloatArray:
        index = round(time_s / PERIOD_S) - self._stream_began
        return self._stream[min(max(index, 0), len(self._stream) - 1)]

    # --- the arm ----------------------------------------------------------------------------------------------

    def _advance(self, end: int) -> None:
        while self._tick < end:
            # A millisecond after its end an executor tells the same for ever.
            if self.now_s - PERIOD_S > self._executor.end_s and not self._velocity.any():
                self._stand_until(end)
                if self._tick == end:
                    return
            self._tick += 1
            while self._under_way and self._under_way[0][0] <= self._tick:
                self._submit(*self._under_way.pop(0)[1:])
            if self._tick >= self._pushed_until:
                self._pushed[:] = 0.0
            self._move_fingers(PERIOD_S)
            state = self._executor.setpoint(self.now_s)
            self._setpoint, self._velocity = state.position, state.velocity
            self._stream.append(state.position)

    def _stand_until(self, end: int) -> None:
        """Let time pass up to tick ``end``, or to the one before something happens to the standing arm."""
        happens = [self._under_way[0][0] - 1] if self._under_way else []
        if self._pushed.any():
            happens.append(self._pushed_until - 1)
        ticks = min([end, *happens]) - self._tick
        if ticks > 0:
            self._tick += ticks
            self._stream += [self._setpoint] * ticks
            self._move_fingers(ticks * PERIOD_S)

    def _move_fingers(self, seconds: float) -> None:
        change = self._width_wanted - self._width
        if change < 0.0:
            stopped_at = max(self._width_wanted, min(self._closes_on, self._width))
            self._width = max(self._width - FINGER_SPEED * seconds, stopped_at)
        elif change > 0.0:
            self._width = min(self._width + FINGER_SPEED * seconds, self._width_wanted)

    def _submit(self, output: FollowerOutput, before: FollowerOutput | None) -> None:
        """Give ``output``'s trajectory, decided by a follower that took the one ``before`` to be in force."""
        if self._tick < self._deaf_until:
            return
        if self.now_s > self._executor.end_s and self._pushed.any():
            self._restart(self.measured)
        assert output.trajectory is not None
        in_step = self._in_step or (before is self._accepted and self._does_as_told)
        self._in_step = in_step and self.now_s <= output.start_s
        try:
            self._executor.submit(TrajectoryCommand.of(output.trajectory, output.start_s), self.now_s)
        except CommandError as error:
            if self._in_step:
                self.report.refused.append(
                    f"stimulus {self._stimulus}: {output.state}, {output.reason}: {error}"
                )
            else:
                self.report.refused_out_of_step += 1
            return
        self._accepted = output

    @property
    def _does_as_told(self) -> bool:
        """The arm is told what the trajectory that was accepted last says, and nobody disturbs it."""
        accepted = self._accepted
        if accepted is None or self._tick < max(self._late_until, self._pushed_until):
            return False
        assert accepted.trajectory is not None
        planned = accepted.trajectory.sample(self.now_s - PERIOD_S - accepted.start_s)
        told = (self._setpoint, self._velocity)
        return all(
            np.abs(a - b).max() < SAME
            for a, b in zip((planned.position, planned.velocity), told, strict=True)
        )

    def _come_to_rest(self) -> None:
        """Nothing more comes: what was sent last has to end at rest by itself."""
        if self._under_way:
            self._advance(self._under_way[-1][0] + 1)
        left_s = self._executor.end_s - self.now_s
        if left_s > LONGEST_STOP_S:
            self.report.unending.append(f"{left_s:.1f} s of motion left after the last input")
        self._advance(self._tick + max(0, round(min(left_s, LONGEST_STOP_S) / PERIOD_S)) + 3)

    def _judge(self, *, ends_at_rest: bool = False) -> None:
        """Judge the stream so far."""
        stream = np.array(self._stream)
        found = judge(stream, self._bounds, ends_at_rest=ends_at_rest)
        self.report.breaches += [
            f"stimulus {self._stimulus}, stream from {self._stream_began * PERIOD_S:.3f} s: {breach}"
            for breach in found.breaches
        ]
        for name, share in found.used.items():
            self.report.used[name] = max(self.report.used[name], share)
        self.report.commands += len(stream)
        self.report.total_s += len(stream) * PERIOD_S
        self.report.moving_s += float(np.diff(stream, axis=0).any(axis=1).sum()) * PERIOD_S
