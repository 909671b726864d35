"""The robot as data: kinematics from a URDF, limits from a file, hand shape from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pinocchio as pin
import yaml
from numpy.typing import ArrayLike, NDArray

from ik_controller.joint_limits import JointLimits
from ik_controller.resources import resource_path

FloatArray = NDArray[np.float64]

TCP_FRAME = "fr3_hand_tcp"
HAND_FRAME = "fr3_hand"


class RobotModelError(ValueError):
    """URDF, limits and hand geometry do not describe one robot."""


@dataclass(frozen=True)
class HandGeometry:
    """A two-finger hand as boxes in the hand's frame (z towards the fingertips, fingers move along y).

    Attributes:
        palm: (P, 2, 3) min and max corners [m].
        finger: (F, 2, 3) boxes of the finger on the +y side at opening 0 [m]; the other one is its mirror.
        tcp_offset: Distance of the tool centre point along z [m].
        max_width: Largest opening between the fingertips [m].
    """

    palm: FloatArray
    finger: FloatArray
    tcp_offset: float
    max_width: float

    @classmethod
    def load(cls, path: str | Path) -> HandGeometry:
        """Read a hand geometry file (see ``urdf/hand_geometry.yaml``)."""
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return cls(
            palm=_boxes(content["palm"]),
            finger=_boxes(content["finger"]),
            tcp_offset=float(content["tcp_offset"]),
            max_width=float(content["max_width"]),
        )

    def boxes(self, width: float) -> FloatArray:
        """(P + 2F, 2, 3) all boxes [m] when the fingers are ``width`` [m] apart; palm first."""
        shift = np.array([0.0, width / 2, 0.0])
        left = self.finger + shift
        right = left.copy()
        right[:, 0, 1], right[:, 1, 1] = -left[:, 1, 1], -left[:, 0, 1]
        return np.concatenate([self.palm, left, right])


class RobotModel:
    """Kinematics of the arm, its limits and the shape of its hand.

    Attributes:
        limits: The joint limits in force.
        hand: Shape of the hand.
        joint_names: The arm's joints, in the order of every joint array here.
    """

    def __init__(self, urdf: str | Path, limits: JointLimits, hand: HandGeometry) -> None:
        full = pin.buildModelFromUrdf(str(urdf))
        missing = [name for name in limits.joint_names if not full.existJointName(name)]
        if missing:
            raise RobotModelError(f"limits '{limits.name}' name joints {missing} that {urdf} does not have")
        locked = [
            index for index, name in enumerate(full.names) if index > 0 and name not in limits.joint_names
        ]
        self._model = pin.buildReducedModel(full, locked, pin.neutral(full))
        self._data = self._model.createData()
        self.joint_names: tuple[str, ...] = tuple(self._model.names)[1:]
        if self.joint_names != limits.joint_names:
            raise RobotModelError(
                f"{urdf} orders the joints {self.joint_names}, the limits {limits.joint_names}"
            )
        self.limits = limits
        self.hand = hand
        self._tcp = self._frame(TCP_FRAME)
        self._hand = self._frame(HAND_FRAME)

    @classmethod
    def fr3(cls, limits: str | Path = "fr3_rectangular") -> RobotModel:
        """Franka Research 3 with Franka Hand; ``limits`` is the name of a shipped set or the path of a file."""
        return cls(
            resource_path("fr3.urdf"),
            JointLimits.load(limits),
            HandGeometry.load(resource_path("hand_geometry.yaml")),
        )

    @property
    def joint_count(self) -> int:
        """Number of arm joints J."""
        return len(self.joint_names)

    def tcp_in_base(self, joints: ArrayLike) -> FloatArray:
        """(4, 4) pose of the tool centre point for ``joints`` (J,) [rad]."""
        return self._pose(joints, self._tcp)

    def hand_in_base(self, joints: ArrayLike) -> FloatArray:
        """(4, 4) pose of the hand's frame for ``joints`` (J,) [rad]."""
        return self._pose(joints, self._hand)

    def tcp_and_jacobian(self, joints: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """TCP position (3,) [m], rotation (3, 3) and Jacobian (6, J), linear over angular, axes of the base frame."""
        jacobian = pin.computeFrameJacobian(
            self._model, self._data, joints, self._tcp, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
        )
        placement = self._data.oMf[self._tcp]
        return placement.translation, placement.rotation, jacobian

    def _pose(self, joints: ArrayLike, frame: int) -> FloatArray:
        q = np.asarray(joints, dtype=float)
        if q.shape != (self.joint_count,):
            raise RobotModelError(f"expected {self.joint_count} joint positions, got shape {q.shape}")
        pin.forwardKinematics(self._model, self._data, q)
        return pin.updateFramePlacement(self._model, self._data, frame).homogeneous.copy()

    def _frame(self, name: str) -> int:
        if not self._model.existFrame(name):
            raise RobotModelError(f"the URDF has no frame '{name}'")
        return int(self._model.getFrameId(name))


def _boxes(entries: list[dict[str, list[float]]]) -> FloatArray:
    return np.array([[entry["min"], entry["max"]] for entry in entries], dtype=float)
