"""Kinematics and dynamics of the emulated arm, on Pinocchio."""

from __future__ import annotations

import numpy as np
import pinocchio
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

REFLECTED_INERTIA = np.array([0.6, 0.6, 0.46, 0.46, 0.2, 0.2, 0.2])
"""Inertia of each motor seen through its gear [kg m²]; without it torque control diverges at 1 ms steps."""

VISCOUS_FRICTION = 0.3
"""Friction torque per joint speed [Nm s/rad]."""

HAND_YAW = -np.pi / 4
HAND_TCP = 0.1034
"""The Franka Hand: its turn about the flange's axis [rad], and the distance to its fingertips [m]."""

HAND_MASS = 0.73
HAND_CENTRE = np.array([-0.01, 0.0, 0.03])
HAND_INERTIA = np.diag([0.001, 0.0025, 0.0017])
"""Of the Franka Hand: mass [kg], centre of mass in the flange [m], inertia at the centre of mass [kg m²]."""

_SINGULARITY_DAMPING = 1e-6


class ArmModel:
    """The arm from its URDF, with a Franka Hand on its flange.

    Args:
        urdf: Text as ``arm_urdf`` makes it.
    """

    def __init__(self, urdf: str) -> None:
        self._model = pinocchio.buildModelFromXML(urdf)
        self._model.armature[:] = REFLECTED_INERTIA
        self._flange = self._model.getFrameId("link8")
        flange = self._model.frames[self._flange]
        hand = pinocchio.Inertia(HAND_MASS, HAND_CENTRE, HAND_INERTIA)
        self._model.appendBodyToJoint(flange.parentJoint, hand, flange.placement)
        self._data = self._model.createData()
        self._tool_in_flange = pinocchio.SE3(
            pinocchio.rpy.rpyToMatrix(0.0, 0.0, HAND_YAW), np.array([0.0, 0.0, HAND_TCP])
        )

    @property
    def tool_in_flange(self) -> FloatArray:
        """The end effector in the flange, homogeneous (4, 4)."""
        return self._tool_in_flange.homogeneous

    def set_tool(self, tool_in_flange: FloatArray) -> None:
        """Put the end effector somewhere else on the flange, homogeneous (4, 4)."""
        self._tool_in_flange = pinocchio.SE3(tool_in_flange)

    def tool_in_base(self, q: FloatArray) -> FloatArray:
        """The end effector (4, 4) at joints ``q`` (7,) [rad]."""
        return self._tool(q).homogeneous

    def velocities_towards(self, q: FloatArray, tool_in_base: FloatArray, period_s: float) -> FloatArray:
        """Joint velocities (7,) [rad/s] that take the end effector to a pose (4, 4) within ``period_s`` [s]."""
        error = pinocchio.log6(self._tool(q).actInv(pinocchio.SE3(tool_in_base))).vector
        return self._solve(q, error) / period_s

    def velocities_of_twist(self, q: FloatArray, twist_in_base: FloatArray) -> FloatArray:
        """Joint velocities (7,) [rad/s] of an end effector's twist (6,) [m/s, rad/s], linear part first."""
        base_in_tool = self._tool(q).rotation.T
        twist = np.concatenate([base_in_tool @ twist_in_base[:3], base_in_tool @ twist_in_base[3:]])
        return self._solve(q, twist)

    def gravity(self, q: FloatArray) -> FloatArray:
        """Torques (7,) [Nm] that hold the arm still at ``q``."""
        return pinocchio.computeGeneralizedGravity(self._model, self._data, q)

    def accelerations(self, q: FloatArray, dq: FloatArray, torques: FloatArray) -> FloatArray:
        """Joint accelerations (7,) [rad/s²] under torques beyond those that hold against gravity (7,) [Nm]."""
        applied = torques + self.gravity(q) - VISCOUS_FRICTION * dq
        return pinocchio.aba(self._model, self._data, q, dq, applied)

    def _tool(self, q: FloatArray) -> pinocchio.SE3:
        pinocchio.framesForwardKinematics(self._model, self._data, q)
        return self._data.oMf[self._flange] * self._tool_in_flange

    def _solve(self, q: FloatArray, twist_in_tool: FloatArray) -> FloatArray:
        jacobian = pinocchio.computeFrameJacobian(
            self._model, self._data, q, self._flange, pinocchio.ReferenceFrame.LOCAL
        )
        jacobian = self._tool_in_flange.inverse().action @ jacobian
        damped = jacobian @ jacobian.T + _SINGULARITY_DAMPING * np.eye(6)
        return jacobian.T @ np.linalg.solve(damped, twist_in_tool)
