"""The closed loop without ROS: simulator, trace source and follower take turns, as the nodes do in lockstep.

Physics waits while traces are made and followed, so a run depends on nothing but its seeds. For engineers and tests;
the benchmark of the project runs the real nodes (``benchmark.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from tests.closed_loop.trace_sources import TraceSource

from fr3_sim.camera_pose import nominal_camera_in_base
from fr3_sim.command_recorder import CommandRecord
from fr3_sim.gripper_control import GripperGoal
from fr3_sim.simulation import Simulation
from fr3_sim.task import TaskOutcome
from ik_controller.follower import FollowerInput, FollowerOutput, FollowerState, TraceFollower
from ik_controller.joint_limits import LimitViolation, find_violations
from ik_controller.trajectory_executor import CommandError, TrajectoryCommand

ARM = slice(0, 7)
FINGERS = slice(7, 9)

IDLE_TRACES = 3
"""An episode is over when the follower has been idle for so many traces after it had moved."""


@dataclass(frozen=True)
class EpisodeResult:
    """What one episode came to.

    Attributes:
        outcome: The judge's word.
        seed: Of the scene.
        duration_s: Simulated time [s].
        traces: Number of traces followed.
        events: (time since the start [s], event) in order.
        states: (time [s], follower state, reason) at every change.
        refused: Commands that the arm refused, as text.
        commands: The command stream that the arm got.
        violations: Limits that it broke.
        timed_out: The time given was not enough.
    """

    outcome: TaskOutcome
    seed: int
    duration_s: float
    traces: int
    events: list[tuple[float, str]]
    states: list[tuple[float, str, str]]
    refused: list[str]
    commands: CommandRecord
    violations: list[LimitViolation]
    timed_out: bool = False

    @property
    def success(self) -> bool:
        """The task is done, and no limit was broken on the way."""
        return self.outcome.success and not self.violations and not self.refused

    def summary(self) -> str:
        """One line for people."""
        outcome = self.outcome
        events = ", ".join(f"{time:.1f} s {event}" for time, event in self.events)
        return (
            f"seed {self.seed}: {'ok' if self.success else 'FAILED'} in {self.duration_s:.1f} s, {self.traces} traces, "
            f"{100 * outcome.zone_distance:.1f} cm from the zone's centre, picked up {outcome.picked_up}, "
            f"other block moved {100 * outcome.other_displacement:.1f} cm, {len(self.violations)} violations, "
            f"{len(self.refused)} refused [{events}]"
        )


@dataclass
class _Log:
    started_s: float
    traces: int = 0
    idle: int = 0
    moved: bool = False
    events: list[tuple[float, str]] = field(default_factory=list)
    states: list[tuple[float, str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def note(self, now_s: float, output: FollowerOutput) -> None:
        time_s = now_s - self.started_s
        if output.event is not None:
            self.events.append((time_s, output.event))
        if not self.states or self.states[-1][1:] != (output.state.value, output.reason):
            self.states.append((time_s, output.state.value, output.reason))
        resting = output.state is FollowerState.IDLE
        self.moved = self.moved or not resting
        self.idle = self.idle + 1 if resting and self.moved else 0
        self.traces += 1


def run_episode(
    simulation: Simulation,
    source: TraceSource,
    follower: TraceFollower,
    instruction: str,
    *,
    trace_period_s: float = 0.2,
    trace_latency_s: float = 0.0,
    timeout_s: float = 40.0,
) -> EpisodeResult:
    """Let ``follower`` do what ``instruction`` says in a simulation that has just been reset.

    Args:
        simulation: The cell.
        source: Makes the traces.
        follower: Fresh, or used before: the instruction resets its phase.
        instruction: What to do.
        trace_period_s: Simulated time between images [s].
        trace_latency_s: Simulated time from an image to the follower's getting its traces [s], below the period.
        timeout_s: Simulated time after which the episode is given up [s].
    """
    if not 0.0 <= trace_latency_s < trace_period_s:
        raise ValueError(f"the latency must be in [0, {trace_period_s}) s, got {trace_latency_s} s")
    follower.set_task("")
    follower.set_task(instruction)
    log = _Log(simulation.now_s)
    timed_out = True
    while simulation.now_s - log.started_s < timeout_s:
        frame, at_image = simulation.render(), simulation.joint_state()
        traces = source(frame, instruction)
        simulation.advance(trace_latency_s)
        now = simulation.joint_state()
        output = follower.update(
            FollowerInput(
                now_s=simulation.now_s,
                trace_stamp_s=frame.stamp_ns * 1e-9,
                traces=traces,
                camera_in_base=nominal_camera_in_base(),
                intrinsics=frame.intrinsics,
                depth_m=frame.depth_m,
                joints_at_trace=at_image.positions[ARM],
                joint_state_now=(now.positions[ARM], now.velocities[ARM]),
                finger_width_m=float(now.positions[FINGERS].sum()),
                gripper_busy=simulation.gripper_busy,
            )
        )
        _carry_out(simulation, output, log)
        log.note(simulation.now_s, output)
        simulation.advance(trace_period_s - trace_latency_s)
        if log.idle >= IDLE_TRACES:
            timed_out = False
            break
    record = simulation.command_record()
    return EpisodeResult(
        outcome=simulation.task_outcome(),
        seed=simulation.seed,
        duration_s=simulation.now_s - log.started_s,
        traces=log.traces,
        events=log.events,
        states=log.states,
        refused=log.refused,
        commands=record,
        violations=find_violations(record.times_s, record.positions, follower.robot.limits),
        timed_out=timed_out,
    )


def _carry_out(simulation: Simulation, output: FollowerOutput, log: _Log) -> None:
    """Gripper first, as the node does it."""
    if output.gripper is not None:
        simulation.command_gripper(GripperGoal(output.gripper.width, output.gripper.max_effort))
    trajectory = output.trajectory
    if trajectory is None:
        return
    try:
        simulation.command_trajectory(TrajectoryCommand.of(trajectory, output.start_s))
    except CommandError as error:
        log.refused.append(f"{simulation.now_s - log.started_s:.2f} s: {error}")


def command_streams_equal(first: CommandRecord, second: CommandRecord) -> bool:
    """Both runs told the arm the very same things."""
    return np.array_equal(first.times_s, second.times_s) and np.array_equal(first.positions, second.positions)
