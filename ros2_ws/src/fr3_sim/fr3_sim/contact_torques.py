"""What the robot's joints feel of its contacts with everything else."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from fr3_sim.scene import TabletopScene

FloatArray = NDArray[np.float64]

_FORCE = slice(0, 3)
"""Where a contact's wrench has its force; torques of a contact patch are left out."""


class ContactTorques:
    """Torques on the arm's joints, contact by contact.

    Args:
        scene: Where the robot is.
    """

    def __init__(self, scene: TabletopScene) -> None:
        self._scene = scene
        self._is_robot = np.zeros(scene.model.nbody, dtype=bool)
        self._is_robot[[*scene.arm_bodies, *scene.hand_bodies]] = True
        self._wrench = np.zeros(6)
        self._jacobian = np.zeros((3, scene.model.nv))

    def now(self) -> FloatArray:
        """(7,) torques that what touches the robot applies to its joints [Nm], after the last physics step."""
        scene = self._scene
        model, data = scene.model, scene.data
        torques = np.zeros(len(scene.arm_dof))
        for index in range(data.ncon):
            contact = data.contact[index]
            bodies = [int(model.geom_bodyid[geom]) for geom in contact.geom]
            of_robot = [bool(self._is_robot[body]) for body in bodies]
            if of_robot[0] == of_robot[1]:
                continue
            mujoco.mj_contactForce(model, data, index, self._wrench)
            # MuJoCo gives what the first geom does to the second, in axes that are the rows of the contact's frame.
            force = contact.frame.reshape(3, 3).T @ self._wrench[_FORCE]
            body = bodies[1] if of_robot[1] else bodies[0]
            mujoco.mj_jac(model, data, self._jacobian, None, contact.pos, body)
            on_robot = force if of_robot[1] else -force
            torques += self._jacobian[:, scene.arm_dof].T @ on_robot
        return torques
