"""The trace follower: traces and robot state in, joint trajectories and gripper commands out.

While following, every trace grid replaces the motion under way. Near a grasp or a release the follower commits to it
(``grasp_cycle``), and returns to following. Before anything moves, gates are asked (``safety``, ``trace_gates``); one
that is shut brings the arm to rest, by name (``gates``). All decisions are functions of the inputs; there is no clock,
no thread and no randomness here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ik_controller.arm_motion import ArmMotion
from ik_controller.blocked_arm import BlockedArm
from ik_controller.decision import Decision, Move, reading_health, report_health, rest_at
from ik_controller.follower_config import FollowerConfig
from ik_controller.follower_interface import (
    FloatArray,
    FollowerInput,
    FollowerOutput,
    FollowerPhase,
    FollowerState,
    GripperCommand,
    Silence,
)
from ik_controller.gates import FAULT_GATES, Gate, Shut
from ik_controller.grasp_cycle import GraspCycle
from ik_controller.grasping import EventKind, EventSource, MotionEvents
from ik_controller.gripper import Gripper
from ik_controller.hand_orientation import allowed_rotations
from ik_controller.hand_path import HandPath, path_through
from ik_controller.motion_permit import MotionPermit
from ik_controller.robot_model import RobotModel
from ik_controller.safety import (
    joint_range_gate,
    joint_state_gate,
    silence_gate,
    staleness_gate,
    stamp_gate,
    trace_input_gate,
    tracking_gate,
    workspace_gate,
)
from ik_controller.signalled_events import SignalEvents
from ik_controller.task_progress import TaskProgress, Verdict
from ik_controller.trace_gates import back_projection_gate, reading_gate
from ik_controller.trace_reading import TraceReader, TraceReading

__all__ = [
    "FollowerConfig",
    "FollowerInput",
    "FollowerOutput",
    "FollowerPhase",
    "FollowerState",
    "Gate",
    "GripperCommand",
    "Silence",
    "TraceFollower",
]


TRACKING_LAG_S = 0.15
"""A position-controlled arm follows its command by about this much later [s]."""

JOIN_SLACK = 0.03
"""Path beyond the expected progress that is searched for the place to join it [m]."""

CLOCK_JITTER_S = 1e-6
"""A clock that goes back by more than this was set back [s]."""


class TraceFollower:
    """Follows traces. One caller at a time; no call blocks, none raises."""

    def __init__(
        self, robot: RobotModel, config: FollowerConfig | None = None, events: EventSource | None = None
    ) -> None:
        self.robot = robot
        self.config = config or FollowerConfig()
        self._events = events or SignalEvents(self.config.signal, MotionEvents(self.config.events))
        self._permit = MotionPermit(self.config.permit)
        self._task = ""
        self._last_now_s = float("-inf")
        self._forget()

    def _forget(self) -> None:
        """Start as if nothing had been commanded yet."""
        config = self.config
        table = config.table_height
        self._arm = ArmMotion(self.robot, config.ik, table, config.guard, config.workspace)
        self._gripper = Gripper(config.gripper)
        self._reader = TraceReader(
            self.robot,
            self._events,
            config.surfaces,
            config.camera_bias,
            table,
            config.hand_motion,
            config.orientation,
        )
        self._cycle = GraspCycle(self.robot, config, self._arm, self._gripper)
        self._last_trace_s: float | None = None
        self._trace_shut: Shut | None = None
        self._ignored_traces = 0
        self._blocked = BlockedArm(config.safety)
        self._restart_task()

    def _restart_task(self) -> None:
        self._cycle.abandon()
        self._progress = TaskProgress(self.config.progress)

    # --- commands from outside --------------------------------------------------------------------------------

    @property
    def fault(self) -> Shut | None:
        """What a person has to look at; None where nothing is."""
        return self._permit.fault

    def begin(self) -> None:
        """A run begins: enabled, at full speed, without a fault or a task. What the arm was told last stays known."""
        self._permit = MotionPermit(self.config.permit)
        self.set_task("")

    def enable(self, on: bool) -> None:
        """Allow motion, or forbid it: a moving arm is brought to rest at the next update. A fault stays."""
        self._permit.enable(on)

    def stop(self, reason: str) -> None:
        """Bring the arm to rest at the next update and stay there until enabled again; the first reason is kept."""
        self._permit.stop(reason)

    def recover(self) -> bool:
        """A person has looked at what led to a fault, and the arm may go on; False where there was no fault."""
        self._blocked.forget()
        return self._permit.recover()

    def set_task(self, instruction: str) -> None:
        """Start over with a new instruction; an empty one brings the arm to rest. What the fingers hold stays held."""
        self._task = instruction.strip()
        self._restart_task()

    # --- the update -------------------------------------------------------------------------------------------

    def update(self, inputs: FollowerInput) -> FollowerOutput:
        """Decide on one set of inputs: called for every trace grid, and without traces as a watchdog tick.

        A defect that shows itself as an exception is a fault: the arm comes to rest and waits for a person.
        """
        now_s = inputs.now_s
        if not np.isfinite(now_s):
            known = replace(inputs, now_s=self._last_now_s)
            shut = Shut(Gate.CLOCK_INVALID, f"the time given is {now_s}")
            return self._carry_out(rest_at(self._permit.shut or shut), known, self._start_s(known))
        if now_s < self._last_now_s - CLOCK_JITTER_S:
            # The clock was set back: a simulation was reset, and the last command with it.
            self._forget()
            self._permit.forget_time()
        self._last_now_s = now_s
        start_s = self._start_s(inputs)
        try:
            decision = self._decide(inputs, start_s)
            if decision.gate in FAULT_GATES:
                self._permit.note_fault(Shut(decision.gate, decision.reason))
            return self._carry_out(decision, inputs, start_s)
        except Exception as error:
            defect = Shut(Gate.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
            fault = rest_at(self._permit.note_fault(defect))
        try:
            return self._carry_out(fault, inputs, start_s)
        except Exception:
            # Where even stopping is broken, nothing is sent: what was sent last ends at rest.
            return self._output(fault, start_s, sends=False)

    def _start_s(self, inputs: FollowerInput) -> float:
        """When a motion that is decided on now can start [s]; stamps that cannot be are not believed."""
        stamp_s, now_s = inputs.trace_stamp_s, inputs.now_s
        believed = stamp_s is not None and stamp_gate(now_s, stamp_s, self.config.safety) is None
        latest_s = max(now_s, stamp_s) if believed and stamp_s is not None else now_s
        return latest_s + self.config.command_lead_s

    def _decide(self, inputs: FollowerInput, start_s: float) -> Decision:
        config = self.config
        self._blocked.note_update(inputs.now_s)
        shut = joint_state_gate(inputs, self.robot.joint_count)
        if shut is not None:
            return rest_at(self._permit.shut or shut)
        assert inputs.joint_state_now is not None
        position, velocity = (np.asarray(values, dtype=float) for values in inputs.joint_state_now)
        self._gripper.observe(inputs.now_s, inputs.finger_width_m)
        new_traces = self._note_traces(inputs)
        limits = self.robot.limits
        shut = joint_range_gate(position, velocity, limits, config.safety)
        if shut is not None:
            return rest_at(self._permit.shut or shut)
        blocked: Shut | None = None
        was_held = self._arm.is_held
        if self._arm.anchor(limits.clip(position), velocity, inputs.now_s, start_s, config.reanchor_error):
            self._cycle.abandon()
        held: Shut | None = None
        if self._arm.is_held:
            held = Shut(Gate.TRACKING, "the arm is held off its way: what it is told comes to rest")
            if not was_held:
                blocked = self._blocked.note_found(position, inputs.now_s)
        commanded = self._arm.commanded.state_at(inputs.now_s).position
        shut = (
            self._permit.shut
            or blocked
            or silence_gate(inputs, Silence.CLOCK)
            or held
            or tracking_gate(position, commanded, self.robot.joint_names, config.safety)
        )
        if shut is not None:
            return rest_at(shut)
        if not self._task:
            return Decision(Move.REST, "no task", FollowerState.IDLE)
        if self._progress.finished and not self._cycle.is_retreating:
            return Decision(Move.REST, self._progress.finished, FollowerState.IDLE)
        scale = self._permit.scale_at(inputs.now_s)
        if self._cycle.is_under_way:
            decision = self._cycle.advance(inputs, position, start_s, scale, self._progress)
            if decision is not None:
                return decision
            if self._progress.finished:
                return Decision(Move.REST, self._progress.finished, FollowerState.IDLE, event="done")
        return self._follow(inputs, position, new_traces, start_s, scale)

    def _note_traces(self, inputs: FollowerInput) -> bool:
        """Whether ``inputs`` hold traces newer than all before; others are ignored."""
        if inputs.traces is None:
            return False
        stamp_s = inputs.trace_stamp_s
        shut = stamp_gate(inputs.now_s, stamp_s, self.config.safety)
        if shut is not None or stamp_s is None:
            self._trace_shut = shut
            return False
        if self._last_trace_s is not None and stamp_s <= self._last_trace_s:
            self._ignored_traces += 1
            return False
        self._last_trace_s = stamp_s
        return True

    # --- following --------------------------------------------------------------------------------------------

    def _follow(
        self, inputs: FollowerInput, position: FloatArray, new_traces: bool, start_s: float, scale: float
    ) -> Decision:
        config = self.config
        shut = (
            silence_gate(inputs, Silence.TRANSFORMS, Silence.CAMERA, Silence.CAMERA_INFO)
            or (self._trace_shut if inputs.traces is not None and not new_traces else None)
            or staleness_gate(inputs.now_s, self._last_trace_s, config.safety)
            or workspace_gate(self.robot.tcp_in_base(position)[:3, 3], config.workspace, config.safety)
        )
        if shut is not None:
            return rest_at(shut)
        if not new_traces and self._trace_shut is not None:
            return rest_at(self._trace_shut)
        if not new_traces:
            return Decision(Move.GO_ON, "waiting for the next traces")
        self._trace_shut = trace_input_gate(inputs, self.robot.joint_count, config.safety)
        self._trace_shut = self._trace_shut or back_projection_gate(inputs, config.safety)
        if self._trace_shut is not None:
            return rest_at(self._trace_shut)
        gripper, event_seen = self._check_fingers(inputs.now_s)
        holding = self._gripper.holding
        reading = self._reader.read(inputs, self._gripper.width, holding)
        self._trace_shut = reading_gate(reading, config.workspace, config.safety)
        decision = (
            self._follow_reading(reading, inputs, holding, start_s, scale)
            if self._trace_shut is None
            else rest_at(self._trace_shut)
        )
        return replace(
            decision,
            gripper=decision.gripper or gripper,
            event=decision.event or event_seen,
            health=reading_health(reading, self._reader.camera_bias)
            | {"holding": int(holding), "empty_grasps": self._progress.empty_grasps}
            | decision.health,
        )

    def _follow_reading(
        self, reading: TraceReading, inputs: FollowerInput, holding: bool, start_s: float, scale: float
    ) -> Decision:
        """Do what the traces say: follow them, commit to their event, or see that the task is over."""
        event = self._progress.believed_event(reading)
        verdict = self._progress.count(reading, event, holding)
        if verdict is Verdict.TASK_DONE:
            return Decision(Move.REST, self._progress.finished, FollowerState.IDLE, event="done")
        if verdict is Verdict.RELEASE_HERE:
            return self._commit(EventKind.RELEASE, 0, reading, inputs, start_s, scale)
        if event is None and reading.event is not None:
            return Decision(Move.REST, "just placed: looking again")
        if event is not None and self._is_near(reading, event.step):
            return self._commit(event.kind, event.step, reading, inputs, start_s, scale)
        end = len(reading.motion.positions) if event is None else max(event.step, 1) + 1
        path = self._trace_path(reading, end)
        if path is None:
            return Decision(Move.GO_ON, "traces hold still")
        report = self._arm.follow(
            path,
            start_s,
            self.config.workspace.path_speed(),
            self._joined_length(path, inputs, start_s),
            np.asarray(inputs.joints_at_trace, dtype=float),
            speed_scale=scale,
        )
        if report.shut is not None:
            self._trace_shut = report.shut
            return rest_at(report.shut)
        words = "following" if event is None else f"following towards a {event.kind}"
        return Decision(
            Move.REPLACED,
            f"{words}{report.shortfall}",
            hand_path=path.positions,
            health=report_health(report),
        )

    def _commit(
        self,
        kind: EventKind,
        step: int,
        reading: TraceReading,
        inputs: FollowerInput,
        start_s: float,
        scale: float,
    ) -> Decision:
        self._progress.note_commitment()
        place = reading.motion.positions[step]
        holding = kind is EventKind.RELEASE
        around = self._reader.surroundings(inputs, place, self._gripper.width, holding)
        return self._cycle.begin(kind, step, reading, around, start_s, scale)

    def _check_fingers(self, now_s: float) -> tuple[GripperCommand | None, str | None]:
        """Open fingers that should be empty but are shut: something was dropped, or they started that way."""
        if self._gripper.closed and not self._gripper.holding and self._gripper.settled(now_s, busy=False):
            return self._gripper.open(now_s), "dropped"
        return None, None

    def _is_near(self, reading: TraceReading, step: int) -> bool:
        """The event is so near that replanning would only disturb it."""
        config = self.config
        positions = reading.motion.positions[: step + 1]
        along = float(np.linalg.norm(np.diff(positions, axis=0), axis=1).sum())
        sideways = float(np.linalg.norm(positions[-1, :2] - positions[0, :2]))
        return along <= config.commit_distance or (
            sideways <= config.commit_radius and along <= config.commit_drop
        )

    def _trace_path(self, reading: TraceReading, end: int) -> HandPath | None:
        config = self.config
        start = reading.tcp_in_base
        positions = config.workspace.clamp_from(start[:3, 3], reading.motion.positions[:end])
        wanted = reading.motion.rotations[:end] @ start[:3, :3]
        rotations = allowed_rotations(config.orientation, positions, wanted)
        return path_through(positions, rotations, config.workspace.metres_per_radian)

    def _joined_length(self, path: HandPath, inputs: FollowerInput, start_s: float) -> float:
        """Arc length at which the arm, which has moved since the image, joins ``path`` [m]."""
        if not self.config.latency_compensation:
            return 0.0
        delay = start_s - (inputs.trace_stamp_s or start_s)
        farthest = self.config.workspace.speed * (delay + TRACKING_LAG_S) + JOIN_SLACK
        return path.nearest_length(self._arm.hand_at(start_s)[:3, 3], farthest)

    # --- outputs ----------------------------------------------------------------------------------------------

    def _carry_out(self, decision: Decision, inputs: FollowerInput, start_s: float) -> FollowerOutput:
        """What is to be sent for ``decision``: without traces or a gripper command, only what changes the motion."""
        answer_needed = inputs.traces is not None or decision.gripper is not None
        if decision.move is Move.REST:
            # A committed approach that was interrupted is not taken up again: fresh traces decide.
            self._cycle.abandon()
        say_nothing = decision.move is not Move.REPLACED and not answer_needed
        if decision.move is Move.REST and self._arm.is_known:
            say_nothing = say_nothing and not self._arm.commanded.is_moving_at(start_s)
        if say_nothing or not self._arm.is_known:
            return self._output(decision, start_s, sends=False)
        if decision.move is Move.GO_ON:
            self._arm.go_on(start_s)
        elif decision.move is Move.REST:
            self._arm.stop(start_s)
        return self._output(decision, start_s, sends=True)

    def _output(self, decision: Decision, start_s: float, sends: bool) -> FollowerOutput:
        return FollowerOutput(
            decision.state,
            decision.reason,
            self._arm.commanded.trajectory if sends else None,
            self._arm.commanded.start_s if sends else start_s,
            decision.gripper,
            decision.hand_path,
            decision.event,
            decision.health | {"ignored_traces": self._ignored_traces},
            decision.phase,
            decision.gate,
        )
