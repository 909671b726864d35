"""Carrying out a grasp or a release: approach, fingers, and a retreat where there is nothing to carry.

Near an event, traces are too coarse to be followed. The follower commits to it: the hand goes to the place at a height
measured by depth, the fingers move, and it is seen whether they hold something. Fingers that close on nothing open
again, and the hand rises; after a release it rises as well. Then the traces have the word again.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from ik_controller.arm_motion import ArmMotion
from ik_controller.decision import Decision, Move, report_health, rest_at
from ik_controller.follower_config import FollowerConfig
from ik_controller.follower_interface import (
    FloatArray,
    FollowerInput,
    FollowerPhase,
    GripperCommand,
    Health,
    Silence,
)
from ik_controller.gates import Gate, Shut
from ik_controller.grasping import EventKind
from ik_controller.gripper import Gripper
from ik_controller.hand_orientation import heading, turned_to
from ik_controller.hand_path import HandPath, straight_moves
from ik_controller.robot_model import RobotModel
from ik_controller.safety import silence_gate
from ik_controller.surface_height import grasp_height, release_height
from ik_controller.task_progress import TaskProgress
from ik_controller.trace_reading import Surroundings, TraceReading

LEAST_SIDEWAYS = 0.008
"""An approach that leads less far sideways goes straight to its goal [m]."""

LEAST_DESCENT = 0.01
"""... and so does one that leads less far down [m]."""

GRIP_HEIGHTS = (0.005, 0.10)
"""Heights over the table at which an object can have been grasped [m]."""


class _Stage(Enum):
    """How far the cycle has come."""

    NONE = "none"
    APPROACH = "approach"
    FINGERS = "fingers"
    RETREAT = "retreat"


class GraspCycle:
    """One grasp or release at a time.

    Args:
        robot: Kinematics.
        config: Settings of the follower.
        arm: What the arm is told.
        gripper: What the fingers are told.
    """

    def __init__(self, robot: RobotModel, config: FollowerConfig, arm: ArmMotion, gripper: Gripper) -> None:
        self._robot = robot
        self._config = config
        self._arm = arm
        self._gripper = gripper
        self._grip_height = config.default_grip_height
        self.abandon()

    def abandon(self) -> None:
        """Take it up no more: fresh traces decide. What the fingers hold stays held."""
        self._stage = _Stage.NONE
        self._kind = EventKind.GRASP
        self._goal = np.zeros(3)
        self._goal_table = 0.0

    @property
    def is_under_way(self) -> bool:
        """A grasp, a release or a retreat is being carried out."""
        return self._stage is not _Stage.NONE

    @property
    def is_retreating(self) -> bool:
        """The hand rises."""
        return self._stage is _Stage.RETREAT

    @property
    def phase(self) -> FollowerPhase:
        """What is being carried out."""
        if not self.is_under_way:
            return FollowerPhase.TRACES
        if self.is_retreating:
            return FollowerPhase.RETREAT
        return FollowerPhase(self._kind.value)

    def begin(
        self,
        kind: EventKind,
        step: int,
        reading: TraceReading,
        around: Surroundings,
        start_s: float,
        scale: float,
    ) -> Decision:
        """Commit to what happens at ``step`` of the traces.

        Args:
            kind: Grasp or release.
            step: Row of the traces.
            reading: The traces.
            around: What depth shows at that place.
            start_s: When a new motion can start [s].
            scale: Share of the speed that may be used.
        """
        config = self._config
        place = reading.motion.positions[step]
        rotation = reading.motion.rotations[step] @ reading.tcp_in_base[:3, :3]
        table = reading.table if around.table is None else around.table
        health: Health = {}
        goal = place.copy()
        if kind is EventKind.RELEASE:
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
        self._kind, self._goal, self._goal_table, self._stage = kind, goal, table, _Stage.APPROACH
        path = self._approach_path(goal, rotation, start_s)
        return self._along(
            path,
            f"approaching for a {kind}",
            start_s,
            config.approach_speed,
            scale,
            event=str(kind),
            health=health,
        )

    def advance(
        self,
        inputs: FollowerInput,
        position: FloatArray,
        start_s: float,
        scale: float,
        progress: TaskProgress,
    ) -> Decision | None:
        """Carry on with the arm at ``position`` (J,) [rad]; None where the cycle is over and traces decide."""
        if self._stage is _Stage.APPROACH:
            return self._approach(inputs, position)
        if self._stage is _Stage.FINGERS:
            return self._wait_for_fingers(inputs, start_s, scale, progress)
        if self._stage is _Stage.RETREAT and inputs.now_s < self._arm.commanded.end_s:
            return self._go_on("rising")
        self.abandon()
        return None

    def _approach(self, inputs: FollowerInput, position: FloatArray) -> Decision:
        config = self._config
        late_s = inputs.now_s - self._arm.commanded.end_s
        hand = self._robot.tcp_in_base(position)[:3, 3]
        arrived = late_s >= 0.0 and float(np.linalg.norm(hand - self._goal)) <= config.arrival_tolerance
        if not arrived and late_s < config.arrival_timeout_s:
            return self._go_on(f"approaching for a {self._kind}")
        self._stage = _Stage.FINGERS
        if self._kind is EventKind.GRASP:
            self._grip_height = float(np.clip(hand[2] - self._goal_table, *GRIP_HEIGHTS))
            return self._go_on("moving the fingers", self._gripper.close(inputs.now_s))
        return self._go_on("moving the fingers", self._gripper.open(inputs.now_s))

    def _wait_for_fingers(
        self, inputs: FollowerInput, start_s: float, scale: float, progress: TaskProgress
    ) -> Decision:
        shut = silence_gate(inputs, Silence.FINGERS)
        if shut is not None:
            return rest_at(shut)
        if not self._gripper.settled(inputs.now_s, inputs.gripper_busy):
            return self._go_on("waiting for the fingers")
        if self._config.safety.robot_obeys and self._gripper.is_stuck(inputs.now_s):
            reason = f"the fingers did not move within {self._config.gripper.timeout_s:g} s of being told to"
            return rest_at(Shut(Gate.GRIPPER_STUCK, reason))
        if self._kind is EventKind.RELEASE:
            progress.note_release(self._goal)
            return self._retreat("let go", "opened", None, start_s, scale)
        progress.note_grasp(self._gripper.holding)
        if self._gripper.holding:
            decision = self._go_on(f"holding {1000 * self._gripper.width:.0f} mm", event="closed")
            self._stage = _Stage.NONE
            return decision
        command = self._gripper.open(inputs.now_s)
        return self._retreat("closed on nothing", "closed on nothing", command, start_s, scale)

    def _retreat(
        self, reason: str, event: str, gripper: GripperCommand | None, start_s: float, scale: float
    ) -> Decision:
        """Rise straight up."""
        self._stage = _Stage.RETREAT
        space = self._config.workspace
        pose = self._arm.hand_at(start_s)
        here, now = pose[:3, 3], pose[:3, :3]
        above = space.clamp_from(here, here + np.array([0.0, 0.0, self._config.retreat_height]))
        path = self._straight_moves([here, above], [now, now])
        return self._along(
            path, f"{reason}: rising", start_s, space.speed, scale, event=event, gripper=gripper
        )

    def _approach_path(self, goal: FloatArray, rotation: FloatArray, start_s: float) -> HandPath | None:
        pose = self._arm.hand_at(start_s)
        here, now = pose[:3, 3], pose[:3, :3]
        corners, rotations = [here], [now]
        sideways = np.linalg.norm(goal[:2] - here[:2])
        if sideways > LEAST_SIDEWAYS and here[2] > goal[2] + LEAST_DESCENT:
            height = min(goal[2] + self._config.approach_clearance, max(here[2], goal[2]))
            corners.append(np.array([goal[0], goal[1], height]))
            rotations.append(rotation)
        return self._straight_moves([*corners, goal], [*rotations, rotation])

    def _straight_moves(self, corners: list[FloatArray], rotations: list[FloatArray]) -> HandPath | None:
        config = self._config
        return straight_moves(corners, rotations, config.orientation, config.workspace.metres_per_radian)

    def _along(
        self,
        path: HandPath | None,
        reason: str,
        start_s: float,
        speed: float,
        scale: float,
        *,
        event: str,
        gripper: GripperCommand | None = None,
        health: Health | None = None,
    ) -> Decision:
        """Follow ``path``; where it leads nowhere, go on as before."""
        known = {} if health is None else health
        if path is None:
            return Decision(
                Move.REPLACED, reason, phase=self.phase, gripper=gripper, event=event, health=known
            )
        report = self._arm.follow(path, start_s, self._config.workspace.path_speed(speed), speed_scale=scale)
        if report.shut is not None:
            return rest_at(report.shut, gripper=gripper)
        if report.slow_down is None and self._stage is _Stage.APPROACH:
            # Not from this motion: slower, and with fresh traces, there is a way.
            self.abandon()
            return Decision(Move.REST, f"{reason}{report.shortfall}", gripper=gripper, health=known)
        return Decision(
            Move.REPLACED,
            f"{reason}{report.shortfall}",
            phase=self.phase,
            gripper=gripper,
            hand_path=path.positions,
            event=event,
            health=known | report_health(report),
        )

    def _go_on(
        self, reason: str, gripper: GripperCommand | None = None, event: str | None = None
    ) -> Decision:
        return Decision(Move.GO_ON, reason, phase=self.phase, gripper=gripper, event=event)


def _nearest_quarter_turn(edge: float, wanted: float) -> float:
    """The heading [rad] that aligns the fingers with a face whose edges lie at ``edge``, nearest to ``wanted``."""
    quarter = np.pi / 2
    return float(edge + quarter * np.round((wanted - edge) / quarter))
