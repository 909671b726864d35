"""The joint-level controller of the simulated arm: tracks setpoints at the physics rate.

The model's position actuators act as k_p (control - q) - k_d dq. Fed with the position alone they would lag by
k_d / k_p = 0.1 s of motion, so the control carries the setpoint's velocity and the torque it needs as well:

    control = q* + (k_d dq* + M(q) ddq* + damping dq* + Coriolis) / k_p

Gravity of the arm is compensated in the model, as in the FR3's own controller.
"""

from __future__ import annotations

import mujoco
import numpy as np

from fr3_sim.scene import ARM_JOINTS, TabletopScene
from ik_controller.joint_trajectory import JointState
from ik_controller.trajectory_executor import JointRange

VELOCITY_LIMITS = np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])
"""Joint velocities that the FR3 refuses to exceed [rad/s] (Franka documentation)."""


def arm_joint_range(scene: TabletopScene) -> JointRange:
    """The range that the simulated arm's controller accepts: that of franka_description."""
    return JointRange(ARM_JOINTS, scene.arm_range[:, 0].copy(), scene.arm_range[:, 1].copy(), VELOCITY_LIMITS)


class ArmControl:
    """Turns setpoints into actuator controls; call ``step`` before every physics step."""

    def __init__(self, scene: TabletopScene) -> None:
        self._scene = scene
        model = scene.model
        self._actuators = np.array([model.actuator(name).id for name in ARM_JOINTS])
        self._stiffness = -model.actuator_biasprm[self._actuators, 1]
        self._damping = -model.actuator_biasprm[self._actuators, 2] + model.dof_damping[scene.arm_dof]
        self._control_range = model.actuator_ctrlrange[self._actuators]
        self._acceleration = np.zeros(model.nv)
        self._inertial_torque = np.zeros(model.nv)

    def step(self, setpoint: JointState) -> None:
        """Set the actuators for one physics step towards ``setpoint``."""
        scene = self._scene
        self._acceleration[scene.arm_dof] = setpoint.acceleration
        mujoco.mj_mulM(scene.model, scene.data, self._inertial_torque, self._acceleration)
        # qfrc_bias holds Coriolis forces and gravity; the model's gravity compensation takes the latter away again.
        coriolis = (scene.data.qfrc_bias - scene.data.qfrc_gravcomp)[scene.arm_dof]
        torque = self._inertial_torque[scene.arm_dof] + coriolis + self._damping * setpoint.velocity
        control = setpoint.position + torque / self._stiffness
        scene.data.ctrl[self._actuators] = np.clip(control, *self._control_range.T)
