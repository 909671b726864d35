"""Whether a motion keeps the hand in its workspace, and the arm clear of itself and of the table, all the way.

Inverse kinematics keeps the waypoints of a path clear. What is executed is that path plus a blend, which carries the
motion before it on for a while and may lead elsewhere: a hand that comes down fast does not turn sideways at once. So
the whole motion is looked at, at its knots. With m_k one of

    how far the tool centre point is outside of the box, and how much of each collision margin is missing,

at knot k [m], the motion is permitted where m_k <= max(m_0, SLACK) for all k and each m: an arm that stands outside may
leave, and comes no farther out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ik_controller.collision_model import CollisionMargins
from ik_controller.joint_trajectory import JointTrajectory
from ik_controller.robot_model import RobotModel
from ik_controller.workspace import Workspace

FloatArray = NDArray[np.float64]

SLACK = 0.004
"""A blend may lead so far out of the box, or into a margin [m]; the tool centre point's floor has this to spare."""

LOOK_PERIOD_S = 0.025
"""Knots nearer to the one looked at last are passed over [s]."""


class MotionClearance:
    """Looks at whole motions.

    Args:
        robot: Kinematics and collision shapes.
        workspace: The box of the tool centre point; None where it may go anywhere.
        margins: Distances to keep; None where none are.
        table_z: Height of the table [m, base frame]; None where there is none.
    """

    def __init__(
        self,
        robot: RobotModel,
        workspace: Workspace | None,
        margins: CollisionMargins | None,
        table_z: float | None,
    ) -> None:
        self._robot = robot
        self._workspace = workspace
        self._margins = margins
        self._table_z = table_z

    def permits(self, motion: JointTrajectory) -> bool:
        """``motion`` comes neither farther out of the box nor nearer to anything than it may."""
        allowed = np.maximum(self._missing(motion.positions[0]), SLACK)
        looked_s = 0.0
        for time_s, joints in zip(motion.times_s[1:], motion.positions[1:], strict=True):
            if time_s - looked_s < LOOK_PERIOD_S and time_s < motion.duration_s:
                continue
            looked_s = time_s
            if (self._missing(joints) > allowed).any():
                return False
        return True

    def _missing(self, joints: FloatArray) -> FloatArray:
        """Distance outside of the box, then what is missing of each margin [m], at ``joints`` (J,) [rad]."""
        outside = 0.0
        if self._workspace is not None:
            tcp = self._robot.tcp_in_base(joints)[:3, 3]
            outside = float(np.abs(tcp - self._workspace.clamp(tcp)).max())
        if self._margins is None:
            return np.array([outside])
        wanted, seen = self._margins, self._robot.collision.clearance(joints, self._table_z)
        return np.array(
            [
                outside,
                wanted.self_m - seen.self_m,
                wanted.scene_m - seen.scene_m,
                wanted.fingers_m - seen.fingers_m,
            ]
        )
