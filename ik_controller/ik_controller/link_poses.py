"""Where each link of the robot is: forward kinematics of a whole URDF, fingers included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class LinkPoses:
    """Links of one robot description.

    Args:
        urdf: The description's file.

    Attributes:
        links: Names of all links but the first, in the order of ``in_base``.
        base: Name of the first.
    """

    def __init__(self, urdf: str | Path) -> None:
        self._model = pin.buildModelFromUrdf(str(urdf))
        self._data = self._model.createData()
        bodies = [
            (index, frame.name)
            for index, frame in enumerate(self._model.frames)
            if frame.type == pin.FrameType.BODY
        ]
        self.base: str = bodies[0][1]
        self.links: tuple[str, ...] = tuple(name for _, name in bodies[1:])
        self._frames = [index for index, _ in bodies[1:]]

    def in_base(self, positions: Mapping[str, float]) -> list[FloatArray]:
        """(4, 4) pose of each of ``links`` at joint ``positions`` [rad, m]; joints without one stand at zero.

        Joints that the description does not have, as those of a gripper it leaves out, move nothing.
        """
        configuration = pin.neutral(self._model)
        for name, position in positions.items():
            if not self._model.existJointName(name):
                continue
            configuration[self._model.joints[self._model.getJointId(name)].idx_q] = position
        pin.framesForwardKinematics(self._model, self._data, configuration)
        return [self._data.oMf[index].homogeneous for index in self._frames]
