"""What the arm is told: the commanded motion, and how it is replaced, continued or brought to rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.commanded_motion import CommandedMotion
from ik_controller.gates import Gate, Shut
from ik_controller.hand_path import HandPath
from ik_controller.inverse_kinematics import IkConfig, solve_path
from ik_controller.joint_path import JointPath
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.motion_clearance import MotionClearance
from ik_controller.path_guard import PathGuardConfig, end_of_path, scale_along
from ik_controller.path_timing import PathSpeed
from ik_controller.replanning import plan_along, plan_rest
from ik_controller.robot_model import RobotModel
from ik_controller.workspace import Workspace

FloatArray = NDArray[np.float64]

STANDING_SPEED = 0.02
"""Joints slower than this stand [rad/s]."""

SETTLING_TIME_S = 0.3
"""So long after its command ended, an arm that stands elsewhere has been moved by someone else [s]."""

LEFT_BEHIND_TIME_S = 1.0
"""An arm that stands elsewhere for so long while it is told to move is held [s]."""


class NothingCommandedError(RuntimeError):
    """The commanded motion was asked for before the first joint state."""


@dataclass(frozen=True)
class PathReport:
    """How following a hand path worked out.

    Attributes:
        shortfall: What fell short, in words; empty where nothing did.
        ik_error: Largest distance between path and solution [m].
        slow_down: Factor on the speed that the limits asked for; None where no motion was found.
        shut: Why the path cannot even begin; None where it can.
        scale: Least share of the speed that the way to full speed, singularities and obstacles leave.
    """

    shortfall: str
    ik_error: float
    slow_down: float | None
    shut: Shut | None = None
    scale: float = 1.0


class ArmMotion:
    """Owns the commanded motion; each one it takes continues the one before without a step, inside the limits.

    Args:
        robot: Kinematics, limits and shape.
        ik: Settings of inverse kinematics.
        table_z: Height of the table [m, base frame] that the arm keeps clear of; None where there is none.
        guard: Where the arm slows down, and where its path ends.
        workspace: The box of the tool centre point, which blends keep too; None where it may go anywhere.
    """

    def __init__(
        self,
        robot: RobotModel,
        ik: IkConfig,
        table_z: float | None = None,
        guard: PathGuardConfig | None = None,
        workspace: Workspace | None = None,
    ) -> None:
        self._robot = robot
        self._ik = ik
        self._table_z = table_z
        self._guard = guard or PathGuardConfig()
        self._clearance = MotionClearance(robot, workspace, ik.margins, table_z)
        self._commanded: CommandedMotion | None = None
        self._elsewhere_since_s: float | None = None
        self._held = False

    @property
    def is_held(self) -> bool:
        """The arm stands off its way while it is told to move: what it is told has to come to rest first."""
        return self._held

    @property
    def is_known(self) -> bool:
        """Something has been commanded."""
        return self._commanded is not None

    @property
    def commanded(self) -> CommandedMotion:
        """The motion in force."""
        if self._commanded is None:
            raise NothingCommandedError("no motion is commanded yet: call anchor() with a joint state first")
        return self._commanded

    def hand_at(self, time_s: float) -> FloatArray:
        """(4, 4) commanded pose of the tool centre point at ``time_s`` [s]."""
        return self._robot.tcp_in_base(self.commanded.state_at(time_s).position)

    def anchor(
        self, position: FloatArray, velocity: FloatArray, now_s: float, start_s: float, tolerance: float
    ) -> bool:
        """Begin from the measured state where nothing was commanded yet, or where someone else moved or held the arm.

        A controller goes on with what it was told last, whatever the arm does: only a motion that is over is given up.

        Args:
            position: (J,) measured [rad].
            velocity: (J,) measured [rad/s].
            now_s: Present time [s].
            start_s: When a motion decided on now can start [s].
            tolerance: A standing arm may be this far from its command [rad].

        Returns:
            The arm had been moved by someone else.
        """
        standing = bool(np.abs(velocity).max() < STANDING_SPEED)
        motion = self._commanded
        if motion is not None:
            moved = float(np.abs(position - motion.state_at(now_s).position).max()) > tolerance
            if not (moved and standing):
                self._elsewhere_since_s = None
                self._held = False
                return False
            if self._elsewhere_since_s is None:
                self._elsewhere_since_s = now_s
            if now_s <= motion.end_s + SETTLING_TIME_S:
                self._held = now_s - self._elsewhere_since_s >= LEFT_BEHIND_TIME_S
                return False
        self._elsewhere_since_s = None
        self._held = False
        if standing:
            self._commanded = CommandedMotion(JointTrajectory.standing(position), now_s)
        else:
            rest = plan_rest(JointState(position, velocity, np.zeros_like(position)), self._robot.limits)
            trajectory = JointTrajectory.standing(position) if rest is None else rest.trajectory
            self._commanded = CommandedMotion(trajectory, start_s)
        return motion is not None

    def follow(
        self,
        path: HandPath,
        start_s: float,
        speed: PathSpeed,
        joined: float = 0.0,
        ik_start: FloatArray | None = None,
        *,
        speed_scale: float = 1.0,
    ) -> PathReport:
        """Replace the commanded motion by one along ``path``; it goes on as it was where that cannot even begin.

        Args:
            path: Where the hand goes.
            start_s: When the new motion takes over [s].
            speed: Bounds along the path.
            joined: Arc length at which the path is joined [m].
            ik_start: (J,) joints that belong to the path's start [rad]; None for the commanded ones.
            speed_scale: Share of ``speed.velocity`` that may be used, 0..1; at 0 the arm comes to rest.
        """
        if speed_scale <= 0.0:
            self.stop(start_s)
            return PathReport("; speed scale 0, standing still", 0.0, None)
        state = self.commanded.state_at(start_s)
        waypoints = path.thinned()
        solved = solve_path(
            self._robot,
            state.position if ik_start is None else ik_start,
            waypoints.positions,
            waypoints.rotations,
            self._ik,
            self._table_z,
        )
        scale = scale_along(solved, self._guard, self._ik.margins)
        reached, end = end_of_path(solved, scale)
        if reached < 2:
            end = end or Shut(Gate.OUT_OF_REACH, "the path has no length")
            return PathReport("; standing still", solved.position_error, None, end)
        cut = "" if end is None else f"; path cut: {end.reason}"
        curve = JointPath(waypoints.lengths[:reached], solved.joints[:reached])
        scale = min(speed_scale, 1.0) * scale[:reached]
        permits = self._clearance.permits
        plan = plan_along(curve, min(joined, curve.length), state, self._robot.limits, speed, scale, permits)
        if plan is None:
            self.go_on(start_s)
            words = f"{cut}; no new motion is inside the limits and clear, going on with the last one"
            return PathReport(words, solved.position_error, None)
        self._commanded = self.commanded.replaced_by(plan.trajectory, start_s)
        return PathReport(cut, solved.position_error, plan.slow_down, scale=float(scale.min()))

    def go_on(self, start_s: float) -> None:
        """Keep the motion in force, described from ``start_s`` [s] on."""
        self._commanded = self.commanded.continued_from(start_s)

    def stop(self, start_s: float) -> None:
        """Come to rest on the way the arm is going, from ``start_s`` [s] on."""
        self._commanded = self.commanded.stopped_from(start_s, self._robot.limits)
