"""Inverse kinematics of the simulated arm, for the expert and for placing the hand; the motion core has its own."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from fr3_sim.scene import HOME_JOINTS, TabletopScene

POSITION_TOLERANCE = 5e-4
"""Solved when every coordinate is this close [m] …"""

ROTATION_TOLERANCE = 3e-3
"""… and every component of the rotation error is this small [rad]."""

JOINT_MARGIN = 0.02
"""Distance kept from joint bounds [rad]."""

MAX_STEP = 0.35
"""Largest joint change of one iteration [rad]."""

DAMPING = 1e-5
POSTURE_GAIN = 0.05


def downward_rotation(yaw: float) -> NDArray[np.float64]:
    """(3, 3) rotation of a hand that points straight down, turned by ``yaw`` [rad] about the vertical."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, sin, 0.0], [sin, -cos, 0.0], [0.0, 0.0, -1.0]])


def hand_yaw(rotation: NDArray[np.float64]) -> float:
    """Turn about the vertical [rad] of a hand that points down."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


class HandIk:
    """Damped least squares on a scratch state of the scene's model."""

    def __init__(self, scene: TabletopScene) -> None:
        self._scene = scene
        self.data = mujoco.MjData(scene.model)
        self._lower = scene.arm_range[:, 0] + JOINT_MARGIN
        self._upper = scene.arm_range[:, 1] - JOINT_MARGIN
        self._jacobian = np.zeros((6, scene.model.nv))

    def solve(
        self,
        position: NDArray[np.float64],
        rotation: NDArray[np.float64],
        start: NDArray[np.float64] = HOME_JOINTS,
        iterations: int = 60,
    ) -> tuple[NDArray[np.float64], float]:
        """Joints (7,) [rad] for a tool centre point at ``position`` [m] with ``rotation``, and the error left [m]."""
        scene, data = self._scene, self.data
        joints = start.copy()
        error = np.zeros(6)
        for _ in range(iterations):
            self.forward(joints)
            current = data.site_xmat[scene.tcp_site].reshape(3, 3)
            error[:3] = position - data.site_xpos[scene.tcp_site]
            error[3:] = 0.5 * np.cross(current.T, rotation.T).sum(axis=0)
            if np.abs(error[:3]).max() < POSITION_TOLERANCE and np.abs(error[3:]).max() < ROTATION_TOLERANCE:
                break
            mujoco.mj_jacSite(scene.model, data, self._jacobian[:3], self._jacobian[3:], scene.tcp_site)
            jacobian = self._jacobian[:, scene.arm_dof]
            inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + DAMPING * np.eye(6))
            step = inverse @ error
            step += POSTURE_GAIN * (np.eye(7) - inverse @ jacobian) @ (HOME_JOINTS - joints)
            step *= min(1.0, MAX_STEP / np.abs(step).max())
            joints = np.clip(joints + step, self._lower, self._upper)
        return joints, float(np.abs(error[:3]).max())

    def forward(self, joints: NDArray[np.float64]) -> None:
        """Kinematics of the scratch state with the arm at ``joints``."""
        self.data.qpos[self._scene.arm_qpos] = joints
        mujoco.mj_kinematics(self._scene.model, self.data)
        mujoco.mj_comPos(self._scene.model, self.data)
