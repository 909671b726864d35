"""The robot as data: kinematics from a URDF, limits from a file, shapes and frames from a description."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio as pin
from numpy.typing import ArrayLike, NDArray

from ik_controller.collision_model import CollisionModel
from ik_controller.hand_geometry import HandGeometry
from ik_controller.joint_limits import JointLimits
from ik_controller.robot_description import RobotDescription, RobotModelError

__all__ = ["HandGeometry", "RobotModel", "RobotModelError"]

FloatArray = NDArray[np.float64]

TCP_AGREEMENT = 1e-4
"""The URDF's tool centre point and the hand geometry's may differ by so much [m]."""


class RobotModel:
    """Kinematics of an arm, its limits and its shape. Not for several threads at once.

    Attributes:
        name: Of the robot.
        limits: The joint limits in force.
        hand: Shape of the hand.
        fingers: The joints that the gripper reports, and the opening that they make.
        base_frame: Name of the frame of all poses.
        urdf: File of the kinematics.
        posture: (J,) joint positions at which the arm is at ease [rad].
        joint_names: The arm's joints, in the order of every joint array here.
        collision: Distances of the arm to itself and to the table.
    """

    def __init__(self, description: RobotDescription, limits: JointLimits) -> None:
        try:
            full = pin.buildModelFromUrdf(str(description.urdf))
        except (ValueError, RuntimeError) as error:
            raise RobotModelError(f"Pinocchio cannot read {description.urdf}: {error}") from error
        missing = [name for name in limits.joint_names if not full.existJointName(name)]
        if missing:
            raise RobotModelError(
                f"limits '{limits.name}' name joints {missing} that {description.urdf} does not have"
            )
        locked = [
            index for index, name in enumerate(full.names) if index > 0 and name not in limits.joint_names
        ]
        self._model = pin.buildReducedModel(full, locked, pin.neutral(full))
        self.joint_names: tuple[str, ...] = tuple(self._model.names)[1:]
        if self.joint_names != limits.joint_names:
            raise RobotModelError(
                f"{description.urdf} orders the joints {self.joint_names}, the limits {limits.joint_names}"
            )
        if self._model.nq != len(self.joint_names) or description.posture.shape != (self._model.nq,):
            raise RobotModelError(
                f"robot '{description.name}' has {len(self.joint_names)} joints of {self._model.nq} coordinates and a "
                f"posture of {description.posture.size}; each joint needs one"
            )
        self._take_as_base(description.base_frame)
        self.name = description.name
        self.limits = limits
        self.hand = HandGeometry.load(description.hand)
        self.fingers = description.fingers
        self.base_frame = description.base_frame
        self.urdf = description.urdf
        self.posture: FloatArray = description.posture
        self._hand = self._frame(description.hand_frame)
        self._tcp = self._tcp_frame(description)
        self._data = self._model.createData()
        self.collision = CollisionModel(self._model, description.collision, self.hand, description.hand_frame)

    @classmethod
    def load(cls, description: str | Path, limits: str | Path | None = None) -> RobotModel:
        """The robot of a description: the path of its file, or the name of a shipped one such as ``fr3``.

        Args:
            description: See ``robot_description``.
            limits: Name of a shipped set of joint limits, or the path of a file; None for the description's.
        """
        content = RobotDescription.load(description)
        return cls(content, JointLimits.load(content.limits if limits is None else limits))

    @classmethod
    def fr3(cls, limits: str | Path = "fr3_rectangular") -> RobotModel:
        """Franka Research 3 with Franka Hand; ``limits`` is the name of a shipped set or the path of a file."""
        return cls.load("fr3", limits)

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

    def condition_number(self, joints: ArrayLike) -> float:
        """Largest over smallest singular value of the Jacobian at ``joints`` (J,) [rad], metres beside radians.

        The measure of MoveIt Servo, whose thresholds (17 to slow down, 30 to stop) are meant for it; inf where the
        arm is singular.
        """
        _, _, jacobian = self.tcp_and_jacobian(np.asarray(joints, dtype=float))
        values = np.linalg.svd(jacobian, compute_uv=False)
        return float(values[0] / values[-1]) if values[-1] > 0.0 else float("inf")

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

    def _take_as_base(self, name: str) -> None:
        """Express the whole model in the frame ``name``, which must not move."""
        base = self._model.frames[self._frame(name)]
        if base.parentJoint != 0:
            raise RobotModelError(
                f"base frame '{name}' moves with joint {self._model.names[base.parentJoint]}"
            )
        to_base = base.placement.inverse()
        for joint, parent in enumerate(self._model.parents):
            if joint > 0 and parent == 0:
                self._model.jointPlacements[joint] = to_base * self._model.jointPlacements[joint]
        for frame in self._model.frames:
            if frame.parentJoint == 0:
                frame.placement = to_base * frame.placement

    def _tcp_frame(self, description: RobotDescription) -> int:
        hand = self._model.frames[self._hand]
        offset = np.array([0.0, 0.0, self.hand.tcp_offset])
        placement = hand.placement * pin.SE3(np.eye(3), offset)
        if description.tcp_frame is None:
            name = f"{description.hand_frame}_tool_centre_point"
            frame = pin.Frame(name, hand.parentJoint, self._hand, placement, pin.FrameType.OP_FRAME)
            return int(self._model.addFrame(frame))
        index = self._frame(description.tcp_frame)
        tcp = self._model.frames[index]
        apart = np.abs(tcp.placement.translation - placement.translation).max()
        if tcp.parentJoint != hand.parentJoint or apart > TCP_AGREEMENT:
            raise RobotModelError(
                f"frame '{description.tcp_frame}' is not where the hand's geometry puts the tool centre point, "
                f"{self.hand.tcp_offset} m along the z axis of '{description.hand_frame}'"
            )
        return index
