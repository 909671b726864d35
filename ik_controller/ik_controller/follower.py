"""The trace follower: traces and robot state in, joint trajectories and gripper commands out.

While following, every trace grid replaces the motion under way. Near a grasp or a release the follower commits: it
finishes the approach to a height measured by depth, moves the fingers, looks whether they hold something, and returns
to following. All decisions are functions of the inputs; there is no clock, no thread and no randomness here.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from ik_controller.arm_motion import ArmMotion, PathReport
from ik_controller.follower_config import FollowerConfig
from ik_controller.follower_interface import (
    FloatArray,
    FollowerInput,
    FollowerOutput,
    FollowerState,
    GripperCommand,
)
from ik_controller.grasping import EventKind
from ik_controller.gripper import Gripper
from ik_controller.hand_orientation import allowed_rotations, heading, turned_to
from ik_controller.hand_path import HandPath, path_through, straight_moves
from ik_controller.path_timing import PathSpeed
from ik_controller.robot_model import RobotModel
from ik_controller.safety import (
    joint_state_problem,
    staleness_problem,
    trace_problem,
    tracking_problem,
)
from ik_controller.surface_height import grasp_height, release_height
from ik_controller.task_progress import TaskProgress, Verdict
from ik_controller.trace_reading import TraceReader, TraceReading

__all__ = [
    "FollowerConfig",
    "FollowerInput",
    "FollowerOutput",
    "FollowerState",
    "GripperCommand",
    "TraceFollower",
]


TRACKING_LAG_S = 0.15
"""A position-controlled arm follows its command by about this much later [s]."""

JOIN_SLACK = 0.03
"""Path beyond the expected progress that is searched for the place to join it [m]."""


class _Phase(Enum):
    """Where in the cycle the follower is."""

    FOLLOW = "follow"
    APPROACH = "approach"
    FINGERS = "fingers"
    RETREAT = "retreat"


_STATES = {
    EventKind.GRASP: FollowerState.GRASP,
    EventKind.RELEASE: FollowerState.RELEASE,
}


class TraceFollower:
    """Follows traces. One caller at a time; no call blocks."""

    def __init__(self, robot: RobotModel, config: FollowerConfig | None = None) -> None:
        self.robot = robot
        self.config = config or FollowerConfig()
        self._enabled = True
        self._stop_reason = ""
        self._task = ""
        self._last_now_s = float("-inf")
        self._forget()

    def _forget(self) -> None:
        """Start as if nothing had been commanded yet."""
        config = self.config
        self._arm = ArmMotion(self.robot, config.ik)
        self._gripper = Gripper(config.gripper)
        table = config.workspace.lower[2] - config.surfaces.min_table_clearance
        self._reader = TraceReader(self.robot, config.events, config.surfaces, config.camera_bias, table)
        self._last_trace_s: float | None = None
        self._grip_height = config.default_grip_height
        self._restart_task()

    def _restart_task(self) -> None:
        self._phase = _Phase.FOLLOW
        self._kind = EventKind.GRASP
        self._goal: FloatArray | None = None
        self._goal_table = 0.0
        self._finished = ""
        self._progress = TaskProgress(self.config.progress)

    # --- commands from outside --------------------------------------------------------------------------------

    def enable(self, on: bool) -> None:
        """Allow motion, or forbid it: a moving arm is brought to rest at the next update."""
        if on:
            self._stop_reason = ""
        elif self._enabled:
            self._stop_reason = self._stop_reason or "disabled"
        self._enabled = on

    def stop(self, reason: str) -> None:
        """Bring the arm to rest at the next update and stay there until enabled again; the first reason is kept."""
        self._stop_reason = self._stop_reason or (reason or "stopped")
        self._enabled = False

    def set_task(self, instruction: str) -> None:
        """Start over with a new instruction; an empty one brings the arm to rest. What the fingers hold stays held."""
        self._task = instruction.strip()
        self._restart_task()

    # --- the update -------------------------------------------------------------------------------------------

    def update(self, inputs: FollowerInput) -> FollowerOutput:
        """Decide on one set of inputs: called for every trace grid, and without traces as a watchdog tick."""
        if inputs.now_s < self._last_now_s - 1e-6:
            # The clock was set back: a simulation was reset, and the last command with it.
            self._forget()
        self._last_now_s = inputs.now_s
        start_s = max(inputs.now_s, inputs.trace_stamp_s or inputs.now_s) + self.config.command_lead_s
        problem = joint_state_problem(inputs, self.robot.joint_count)
        if problem is not None:
            return self._hold(FollowerState.HOLD, problem, inputs, start_s)
        assert inputs.joint_state_now is not None
        position, velocity = (np.asarray(values, dtype=float) for values in inputs.joint_state_now)
        self._gripper.observe(inputs.now_s, inputs.finger_width_m)
        if inputs.traces is not None:
            self._last_trace_s = inputs.trace_stamp_s
        if self._arm.anchor(position, velocity, inputs.now_s, start_s, self.config.reanchor_error):
            self._phase = _Phase.FOLLOW
        if not self._enabled:
            return self._hold(FollowerState.STOP, self._stop_reason, inputs, start_s)
        commanded = self._arm.commanded.state_at(inputs.now_s).position
        problem = tracking_problem(position, commanded, self.robot.joint_names, self.config.safety)
        if problem is not None:
            return self._hold(FollowerState.HOLD, problem, inputs, start_s)
        if not self._task:
            return self._hold(FollowerState.IDLE, "no task", inputs, start_s)
        if self._finished and self._phase is not _Phase.RETREAT:
            return self._hold(FollowerState.IDLE, self._finished, inputs, start_s)
        if self._phase is _Phase.APPROACH:
            return self._approach(inputs, position, start_s)
        if self._phase is _Phase.FINGERS:
            return self._wait_for_fingers(inputs, start_s)
        if self._phase is _Phase.RETREAT and inputs.now_s < self._arm.commanded.end_s:
            return self._go_on(FollowerState.RETREAT, "rising", inputs, start_s)
        self._phase = _Phase.FOLLOW
        if self._finished:
            return self._hold(FollowerState.IDLE, self._finished, inputs, start_s, event="done")
        return self._follow(inputs, start_s)

    # --- following --------------------------------------------------------------------------------------------

    def _follow(self, inputs: FollowerInput, start_s: float) -> FollowerOutput:
        config = self.config
        stamp = inputs.trace_stamp_s if inputs.traces is not None else self._last_trace_s
        problem = staleness_problem(inputs.now_s, stamp, config.safety)
        if problem is not None:
            return self._hold(FollowerState.HOLD, problem, inputs, start_s)
        if inputs.traces is None:
            return self._go_on(FollowerState.FOLLOW, "waiting for the next traces", inputs, start_s)
        problem = trace_problem(inputs, self.robot.joint_count, config.safety)
        if problem is not None:
            return self._hold(FollowerState.HOLD, problem, inputs, start_s)
        gripper, event_seen = self._check_fingers(inputs.now_s)
        holding = self._gripper.holding
        reading = self._reader.read(inputs, self._gripper.width, holding)
        health = self._health(reading)
        if len(reading.motion.positions) < 2:
            reason = "no trace rides the hand: is the hand in view, is the calibration right?"
            return self._hold(FollowerState.HOLD, reason, inputs, start_s, gripper, event_seen, health)
        event = self._progress.believed_event(reading)
        verdict = self._progress.count(reading, event, holding)
        if verdict is Verdict.TASK_DONE:
            self._finished = "task done"
            return self._hold(FollowerState.IDLE, self._finished, inputs, start_s, gripper, "done", health)
        if verdict is Verdict.RELEASE_HERE:
            return self._commit(EventKind.RELEASE, 0, reading, inputs, start_s, gripper, health)
        if event is None and reading.event is not None:
            reason = "just placed: looking again"
            return self._hold(FollowerState.FOLLOW, reason, inputs, start_s, gripper, event_seen, health)
        if event is not None and self._is_near(reading, event.step):
            return self._commit(event.kind, event.step, reading, inputs, start_s, gripper, health)
        end = len(reading.motion.positions) if event is None else max(event.step, 1) + 1
        path = self._trace_path(reading, end)
        if path is None:
            return self._go_on(
                FollowerState.FOLLOW, "traces hold still", inputs, start_s, gripper, event_seen, health
            )
        joined = 0.0
        if config.latency_compensation:
            delay = start_s - (inputs.trace_stamp_s or start_s)
            farthest = config.workspace.speed * (delay + TRACKING_LAG_S) + JOIN_SLACK
            joined = path.nearest_length(self._arm.hand_at(start_s)[:3, 3], farthest)
        report = self._arm.follow(
            path, start_s, self._path_speed(), joined, np.asarray(inputs.joints_at_trace, dtype=float)
        )
        health.update(_report_health(report))
        words = "following" if event is None else f"following towards a {event.kind}"
        return self._output(
            FollowerState.FOLLOW,
            f"{words}{report.shortfall}",
            start_s,
            gripper,
            path.positions,
            event_seen,
            health,
        )

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
        positions = self.config.workspace.clamp_from(
            reading.tcp_in_base[:3, 3], reading.motion.positions[:end]
        )
        wanted = reading.motion.rotations[:end] @ reading.tcp_in_base[:3, :3]
        rotations = allowed_rotations(self.config.orientation, positions, wanted)
        return path_through(positions, rotations, self._metres_per_radian())

    # --- grasp and release ------------------------------------------------------------------------------------

    def _commit(
        self,
        kind: EventKind,
        step: int,
        reading: TraceReading,
        inputs: FollowerInput,
        start_s: float,
        gripper: GripperCommand | None,
        health: dict[str, float | int | str],
    ) -> FollowerOutput:
        """Go to the event's place, at the height that depth gives, and stay committed to it."""
        config = self.config
        place = reading.motion.positions[step]
        rotation = reading.motion.rotations[step] @ reading.tcp_in_base[:3, :3]
        holding = kind is EventKind.RELEASE
        around = self._reader.surroundings(inputs, place, self._gripper.width, holding)
        table = reading.table if around.table is None else around.table
        goal = place.copy()
        if holding:
            goal[2] = release_height(around.thing, table, self._grip_height, config.surfaces)
        else:
            thing = around.thing
            if thing is not None and np.linalg.norm(thing.centre - place[:2]) <= config.centring_distance:
                goal[:2] = thing.centre
                health["centred_by_mm"] = round(1000 * float(np.linalg.norm(thing.centre - place[:2])), 1)
                if thing.heading is not None:
                    rotation = turned_to(rotation, _nearest_quarter_turn(thing.heading, heading(rotation)))
            goal[2] = grasp_height(thing, table, config.surfaces)
        goal = config.workspace.clamp(goal)
        health.update(goal_z=round(float(goal[2]), 4), table_z=round(table, 4))
        self._kind, self._goal, self._goal_table, self._phase = kind, goal, table, _Phase.APPROACH
        self._progress.note_commitment()
        path = self._approach_path(goal, rotation, start_s)
        shortfall = ""
        if path is not None:
            report = self._arm.follow(path, start_s, self._path_speed(config.approach_speed))
            shortfall = report.shortfall
            health.update(_report_health(report))
        return self._output(
            _STATES[kind],
            f"approaching for a {kind}{shortfall}",
            start_s,
            gripper,
            None if path is None else path.positions,
            str(kind),
            health,
        )

    def _approach_path(self, goal: FloatArray, rotation: FloatArray, start_s: float) -> HandPath | None:
        pose = self._arm.hand_at(start_s)
        here, now = pose[:3, 3], pose[:3, :3]
        corners, rotations = [here], [now]
        if np.linalg.norm(goal[:2] - here[:2]) > 0.008 and here[2] > goal[2] + 0.01:
            above = np.array(
                [goal[0], goal[1], min(goal[2] + self.config.approach_clearance, max(here[2], goal[2]))]
            )
            corners.append(above)
            rotations.append(rotation)
        return self._straight_moves([*corners, goal], [*rotations, rotation])

    def _straight_moves(self, corners: list[FloatArray], rotations: list[FloatArray]) -> HandPath | None:
        return straight_moves(corners, rotations, self.config.orientation, self._metres_per_radian())

    def _approach(self, inputs: FollowerInput, position: FloatArray, start_s: float) -> FollowerOutput:
        assert self._goal is not None
        state = _STATES[self._kind]
        late_s = inputs.now_s - self._arm.commanded.end_s
        distance = float(np.linalg.norm(self.robot.tcp_in_base(position)[:3, 3] - self._goal))
        arrived = late_s >= 0.0 and distance <= self.config.arrival_tolerance
        if not arrived and late_s < self.config.arrival_timeout_s:
            return self._go_on(state, f"approaching for a {self._kind}", inputs, start_s)
        self._phase = _Phase.FINGERS
        if self._kind is EventKind.GRASP:
            command = self._gripper.close(inputs.now_s)
            reached = self.robot.tcp_in_base(position)[2, 3]
            self._grip_height = float(np.clip(reached - self._goal_table, 0.005, 0.10))
        else:
            command = self._gripper.open(inputs.now_s)
        return self._go_on(state, "moving the fingers", inputs, start_s, command)

    def _wait_for_fingers(self, inputs: FollowerInput, start_s: float) -> FollowerOutput:
        state = _STATES[self._kind]
        if not self._gripper.settled(inputs.now_s, inputs.gripper_busy):
            return self._go_on(state, "waiting for the fingers", inputs, start_s)
        if self._kind is EventKind.RELEASE:
            assert self._goal is not None
            self._progress.note_release(self._goal)
            return self._retreat("let go", "opened", None, inputs, start_s)
        worth_trying = self._progress.note_grasp(self._gripper.holding)
        if self._gripper.holding:
            self._phase = _Phase.FOLLOW
            reason = f"holding {1000 * self._gripper.width:.0f} mm"
            return self._go_on(state, reason, inputs, start_s, None, "closed")
        if not worth_trying:
            self._finished = f"gave up: closed on nothing {self._progress.empty_grasps} times in a row"
        command = self._gripper.open(inputs.now_s)
        return self._retreat("closed on nothing", "closed on nothing", command, inputs, start_s)

    def _retreat(
        self, reason: str, event: str, gripper: GripperCommand | None, inputs: FollowerInput, start_s: float
    ) -> FollowerOutput:
        """Rise straight up."""
        self._phase = _Phase.RETREAT
        pose = self._arm.hand_at(start_s)
        here, now = pose[:3, 3], pose[:3, :3]
        above = here + np.array([0.0, 0.0, self.config.retreat_height])
        above = self.config.workspace.clamp_from(here, above)
        path = self._straight_moves([here, above], [now, now])
        health: dict[str, float | int | str] = {}
        shortfall = ""
        if path is not None:
            report = self._arm.follow(path, start_s, self._path_speed())
            shortfall = report.shortfall
            health = _report_health(report)
        return self._output(
            FollowerState.RETREAT,
            f"{reason}: rising{shortfall}",
            start_s,
            gripper,
            None if path is None else path.positions,
            event,
            health,
        )

    def _path_speed(self, speed: float | None = None) -> PathSpeed:
        space = self.config.workspace
        return PathSpeed(speed or space.speed, space.acceleration, space.jerk)

    def _metres_per_radian(self) -> float:
        return self.config.workspace.speed / self.config.workspace.turning_speed

    # --- outputs ----------------------------------------------------------------------------------------------

    def _go_on(
        self,
        state: FollowerState,
        reason: str,
        inputs: FollowerInput,
        start_s: float,
        gripper: GripperCommand | None = None,
        event: str | None = None,
        health: dict[str, float | int | str] | None = None,
    ) -> FollowerOutput:
        """Keep the motion under way; it is sent again only in answer to traces, or together with a gripper command."""
        if inputs.traces is None and gripper is None:
            return FollowerOutput(state, reason, None, start_s, gripper, None, event, health or {})
        self._arm.go_on(start_s)
        return self._output(state, reason, start_s, gripper, None, event, health or {})

    def _hold(
        self,
        state: FollowerState,
        reason: str,
        inputs: FollowerInput,
        start_s: float,
        gripper: GripperCommand | None = None,
        event: str | None = None,
        health: dict[str, float | int | str] | None = None,
    ) -> FollowerOutput:
        """Come to rest and stay there."""
        # A committed approach that was interrupted is not taken up again: fresh traces decide.
        self._phase = _Phase.FOLLOW
        if not self._arm.is_known:
            return FollowerOutput(state, reason, None, start_s, gripper, None, event, health or {})
        moving = self._arm.commanded.is_moving_at(start_s)
        if not moving and inputs.traces is None and gripper is None:
            return FollowerOutput(state, reason, None, start_s, gripper, None, event, health or {})
        self._arm.stop(start_s)
        return self._output(state, reason, start_s, gripper, None, event, health or {})

    def _output(
        self,
        state: FollowerState,
        reason: str,
        start_s: float,
        gripper: GripperCommand | None,
        hand_path: FloatArray | None,
        event: str | None,
        health: dict[str, float | int | str],
    ) -> FollowerOutput:
        motion = self._arm.commanded
        return FollowerOutput(
            state, reason, motion.trajectory, motion.start_s, gripper, hand_path, event, health
        )

    def _health(self, reading: TraceReading) -> dict[str, float | int | str]:
        motion = reading.motion
        event = "none" if reading.event is None else f"{reading.event.kind} at step {reading.event.step}"
        return {
            "hand_points": reading.hand.count,
            "hand_fit_mm": round(1000 * float(motion.residual.mean()), 2),
            "hand_distance_mm": round(1000 * reading.hand.mean_distance, 1) if reading.hand.count else -1.0,
            "rotation_observed": int(motion.rotation_observed),
            "reach_m": round(motion.reach, 3),
            "table_z": round(reading.table, 4),
            "camera_bias_mm": round(1000 * float(np.linalg.norm(self._reader.camera_bias)), 1),
            "event": event,
            "witness": "" if reading.event is None else reading.event.witness,
            "holding": int(self._gripper.holding),
            "empty_grasps": self._progress.empty_grasps,
        }


def _report_health(report: PathReport) -> dict[str, float | int | str]:
    slow_down = -1.0 if report.slow_down is None else report.slow_down
    return {"ik_error_mm": round(1000 * report.ik_error, 3), "slow_down": slow_down}


def _nearest_quarter_turn(edge: float, wanted: float) -> float:
    """The heading [rad] that aligns the fingers with a face whose edges lie at ``edge``, nearest to ``wanted``."""
    quarter = np.pi / 2
    return float(edge + quarter * np.round((wanted - edge) / quarter))
