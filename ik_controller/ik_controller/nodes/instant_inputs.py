"""What belongs to one instant: the depth image, the joints, the fingers, and where the camera stands.

Messages come in whatever order they like; here they are kept until the traces of their instant ask for them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image, JointState
from tf2_ros import Buffer, TransformException

from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.nodes.input_errors import InputErrors
from ik_controller.nodes.joint_state_buffer import JointStateBuffer
from ik_controller.robot_model import RobotModel
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import (
    JointSample,
    MessageError,
    MissingJointError,
    decode_depth,
    decode_intrinsics,
    decode_joint_state,
    decode_stamp,
    decode_transform,
    nanoseconds_from,
    seconds_from,
)

_DEPTH_IMAGES_KEPT = 30


@dataclass(frozen=True)
class Observation:
    """Traces, and when they came.

    Attributes:
        stamp_ns: Stamp of the colour image that they were predicted from [ns].
        frame_id: The camera's optical frame.
        traces: The traces.
        arrived_s: When they arrived [s of wall time].
    """

    stamp_ns: int
    frame_id: str
    traces: TraceGrid
    arrived_s: float


class InstantInputs:
    """Keeps the recent past of all inputs but the traces, and finds what belongs to a stamp.

    Args:
        parameters: Tolerances and gaps, and the base frame where it is not the robot's own.
        robot: Its joints, fingers and base.
        transforms: Where the camera's pose is looked up.
        errors: Is told what is wrong with an input.

    Attributes:
        camera_is_fixed: The camera's pose was found, and comes from fixed transforms alone; None before it was found.
        intrinsics: Of the colour camera; None before they came.
        joints: The arm's recent past.
        fingers: The fingers' recent past.
    """

    def __init__(
        self,
        parameters: FollowerParameters,
        robot: RobotModel,
        transforms: Buffer,
        errors: InputErrors,
    ) -> None:
        self._base_frame = parameters.for_robot(robot).base_frame
        self._tolerance_ns = nanoseconds_from(parameters.sync_tolerance_s)
        self._joint_names = robot.joint_names
        self._finger_joints = robot.fingers
        self._transforms = transforms
        self._errors = errors
        self._depths: OrderedDict[int, Image] = OrderedDict()
        self._camera_in_base: dict[str, NDArray[np.float64]] = {}
        self._camera_frames: set[str] = set()
        self.camera_is_fixed: bool | None = None
        self.intrinsics: CameraIntrinsics | None = None
        self.joints = JointStateBuffer(nanoseconds_from(parameters.joint_gap_s))
        self.fingers = JointStateBuffer(nanoseconds_from(parameters.joint_gap_s))

    # What comes in

    def add_depth(self, image: Image) -> None:
        """A depth image; it is decoded when it is asked for."""
        self._depths[decode_stamp(image.header.stamp)] = image
        while len(self._depths) > _DEPTH_IMAGES_KEPT:
            self._depths.popitem(last=False)

    def add_camera_info(self, info: CameraInfo) -> bool:
        """Intrinsics of the colour camera; False where they cannot be used."""
        try:
            self.intrinsics = decode_intrinsics(info)
        except MessageError as error:
            self._errors.note("camera info", str(error))
            return False
        self._errors.note("camera info", "")
        return True

    def add_joint_state(self, message: JointState) -> bool:
        """Joints of the arm, of the fingers, or of both; False where the arm's are not among them or unusable."""
        try:
            self.fingers.add(decode_joint_state(message, self._finger_joints.names))
        except MissingJointError:
            pass  # A gripper may publish its joints in messages of its own.
        except MessageError as error:
            self._errors.note("joint states", str(error))
        try:
            self.joints.add(decode_joint_state(message, self._joint_names))
        except MissingJointError as error:
            if not set(self._finger_joints.names).issuperset(message.name):
                self._errors.note("joint states", str(error))
            return False
        except MessageError as error:
            self._errors.note("joint states", str(error))
            return False
        self._errors.note("joint states", "")
        return True

    # What belongs to a stamp

    def are_complete(self, observation: Observation) -> bool:
        """All that belongs to the instant of ``observation`` has arrived."""
        camera_in_base = self.camera_pose(observation.frame_id, observation.stamp_ns, may_come=True)
        return (
            self.has_depth_near(observation.stamp_ns)
            and self.joints.reaches(observation.stamp_ns)
            and self.intrinsics is not None
            and camera_in_base is not None
        )

    def has_depth_near(self, stamp_ns: int) -> bool:
        """The depth image that belongs to the colour image of ``stamp_ns`` has arrived."""
        return self._depth_near(stamp_ns) is not None

    def depth_at(self, stamp_ns: int) -> NDArray[np.float32] | None:
        """(H, W) depth [m] that belongs to the colour image of ``stamp_ns``; None where there is none to be used."""
        image = self._depth_near(stamp_ns)
        if image is None:
            tolerance_s = seconds_from(self._tolerance_ns)
            self._errors.note("depth", f"no depth image is stamped within {tolerance_s:g} s of the traces")
            return None
        try:
            depth = decode_depth(image)
        except MessageError as error:
            self._errors.note("depth", str(error))
            return None
        self._errors.note("depth", "")
        return depth

    def newest_depth_with_joints(self, after_ns: int) -> tuple[int, str] | None:
        """Stamp and frame of the newest depth image later than ``after_ns`` at which the joints are known."""
        known = [ns for ns in self._depths if ns > after_ns and self.joints.positions_at(ns) is not None]
        return (max(known), self._depths[max(known)].header.frame_id) if known else None

    def camera_pose(
        self, frame_id: str, stamp_ns: int, *, may_come: bool = False
    ) -> NDArray[np.float64] | None:
        """(4, 4) pose of the camera in the base frame at ``stamp_ns``; None where TF does not tell it.

        A camera that stands still is looked up once. One that moves, on a wrist, is looked up at each stamp, which TF
        has to have come up to: neither its first nor its newest pose is where the image was taken.

        Args:
            frame_id: The camera's optical frame.
            stamp_ns: When the image was taken [ns].
            may_come: That TF has not come up to the stamp yet is no error.
        """
        camera_in_base = self._camera_in_base.get(frame_id)
        if camera_in_base is None:
            quiet = False
            try:
                found = self._transforms.lookup_transform(self._base_frame, frame_id, Time())
                self.camera_is_fixed = decode_stamp(found.header.stamp) == 0
                if not self.camera_is_fixed:
                    quiet = may_come
                    at_stamp = Time(nanoseconds=stamp_ns)
                    found = self._transforms.lookup_transform(self._base_frame, frame_id, at_stamp)
                camera_in_base = decode_transform(found.transform)
            except (TransformException, MessageError) as error:
                if not quiet:
                    self._errors.note(
                        "camera pose", f"no transform from {frame_id!r} to {self._base_frame!r}: {error}"
                    )
                return None
            self._camera_frames.add(frame_id)
            if self.camera_is_fixed:
                self._camera_in_base[frame_id] = camera_in_base
        self._errors.note("camera pose", "")
        return camera_in_base

    def opening_m(self, fingers: JointSample | None) -> float | None:
        """Opening between the fingertips [m], None where the fingers have not reported."""
        return None if fingers is None else self._finger_joints.opening(fingers.positions)

    @property
    def camera_frames(self) -> list[tuple[str, str]]:
        """Base and camera frames between which a pose has been found."""
        return [(self._base_frame, frame_id) for frame_id in sorted(self._camera_frames)]

    def forget_camera_pose(self) -> None:
        """It is looked up again."""
        self._camera_in_base.clear()
        self.camera_is_fixed = None

    def _depth_near(self, stamp_ns: int) -> Image | None:
        """Cameras may stamp colour and depth apart."""
        nearest_ns = min(self._depths, key=lambda other_ns: abs(other_ns - stamp_ns), default=None)
        if nearest_ns is None or abs(nearest_ns - stamp_ns) > self._tolerance_ns:
            return None
        return self._depths[nearest_ns]
