"""``follower_markers_node``: shows what the trace follower is about to do, as RViz markers.

The traces that ride the hand, the path chosen from them, the grasp or release at its end, the workspace's box, and the
follower's state in words. Everything is heard from topics; the follower itself does nothing for it. Without listeners
this node takes no messages.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from nav_msgs.msg import Path
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription
from rclpy.time import Time
from sensor_msgs.msg import JointState, PointCloud2
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformException
from visualization_msgs.msg import MarkerArray

from ik_controller.hand_points import find_hand_points
from ik_controller.lifting import LiftingError, lift_traces
from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.nodes.follower_shapes import FollowerPicture, follower_shapes, is_under_way
from ik_controller.nodes.joint_state_buffer import JointStateBuffer
from ik_controller.robot_model import RobotModel
from ik_controller.workspace import Workspace
from tracegen_ros.instruction_subscription import subscribe_to_instructions
from tracegen_ros.messages import (
    MessageError,
    decode_joint_state,
    decode_stamp,
    decode_trace_grid,
    decode_transform,
    encode_header,
    encode_marker_removal,
    encode_markers,
    nanoseconds_from,
)
from tracegen_ros.on_demand import OnDemand
from tracegen_ros.parameters import declare_parameters, parameter
from tracegen_ros.qos import LATCHED, LATEST
from tracegen_ros.spinning import run_node

NAME = "follower_markers"

HAND_MARGIN = 0.015
"""How far outside the hand's boxes a trace may start and still be shown as the hand's [m].

Twice what the follower takes: it also corrects the camera's bias with the depth image, which is not looked at here.
"""

_JOINT_GAP_NS = nanoseconds_from(0.1)
_LIFETIME_S = 1.5
"""Should this node die, viewers drop what it drew after this long [s]."""

_STATIC_TRANSFORMS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""As tf2 listens to /tf_static: several publishers, each with a message that must not be lost."""

_FOLLOWER = FollowerParameters()


@dataclass(frozen=True)
class FollowerMarkersParameters:
    """Topics, rate, and when a drawing is stale."""

    follower: str = parameter("/trace_follower", "Name of the follower node: its state and path are shown")
    markers_topic: str = parameter("/trace_follower/markers", "Where the markers are published")
    traces_topic: str = parameter(_FOLLOWER.traces_topic, "Traces that are followed")
    joint_states_topic: str = parameter(_FOLLOWER.joint_states_topic, "Measured joints of arm and fingers")
    instruction_topic: str = parameter(_FOLLOWER.instruction_topic, "Sentence that is obeyed")
    robot: str = parameter(_FOLLOWER.robot, "Robot: the name of a shipped description, or the path of a file")
    base_frame: str = parameter(
        _FOLLOWER.base_frame, "Name of the robot's base frame in TF; empty = the robot description's own"
    )
    workspace_lower: tuple[float, ...] = parameter(
        _FOLLOWER.workspace_lower, "Lower corner of the follower's workspace [m, base frame]"
    )
    workspace_upper: tuple[float, ...] = parameter(
        _FOLLOWER.workspace_upper, "Upper corner of the follower's workspace [m, base frame]"
    )
    rate_hz: float = parameter(5.0, "Drawings per second of wall time [Hz]", minimum=1.0, maximum=10.0)
    timeout_s: float = parameter(
        2.0,
        "Traces and paths that are not renewed for this long [s of wall time] are removed",
        minimum=0.1,
        maximum=60.0,
    )


class FollowerMarkersNode(Node):
    """Draws at a steady rate while somebody listens."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._settings = parameters = declare_parameters(self, FollowerMarkersParameters)
        self._robot = RobotModel.load(parameters.robot)
        self._base_frame = parameters.base_frame or self._robot.base_frame
        self._workspace = _workspace(parameters)
        self._state_topic = f"{parameters.follower}/state"
        self._markers = self.create_publisher(MarkerArray, parameters.markers_topic, LATEST)
        self._forget()
        self._on_demand = OnDemand(self, (self._markers,), self._subscribe, self._forget)
        self._shown = False
        self.create_timer(1.0 / parameters.rate_hz, self._draw, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _subscribe(self) -> list[Subscription]:
        settings = self._settings
        return [
            self.create_subscription(String, self._state_topic, self._on_state, LATCHED),
            self.create_subscription(Path, f"{settings.follower}/hand_path", self._on_path, LATEST),
            self.create_subscription(PointCloud2, settings.traces_topic, self._on_traces, LATEST),
            self.create_subscription(JointState, settings.joint_states_topic, self._on_joint_state, 50),
            self.create_subscription(TFMessage, "/tf_static", self._on_transforms, _STATIC_TRANSFORMS),
            *subscribe_to_instructions(self, settings.instruction_topic, self._on_instruction),
        ]

    def _forget(self) -> None:
        self._task = ""
        self._words: str | None = None
        self._path: NDArray[np.float64] | None = None
        self._path_came_s = float("-inf")
        self._traces: PointCloud2 | None = None
        self._traces_came_s = float("-inf")
        self._hand_traces: NDArray[np.float64] | None = None
        self._joints = JointStateBuffer(_JOINT_GAP_NS)
        self._finger_width = self._robot.hand.max_width
        self._transforms = Buffer()

    # What is heard

    def _on_state(self, message: String) -> None:
        self._words = message.data
        if not is_under_way(message.data):
            self._path = None

    def _on_instruction(self, message: String) -> None:
        self._task = message.data

    def _on_path(self, message: Path) -> None:
        points = [
            (pose.pose.position.x, pose.pose.position.y, pose.pose.position.z) for pose in message.poses
        ]
        self._path = np.array(points, dtype=float).reshape(-1, 3)
        self._path_came_s = time.monotonic()

    def _on_traces(self, cloud: PointCloud2) -> None:
        self._traces = cloud
        self._traces_came_s = time.monotonic()

    def _on_joint_state(self, message: JointState) -> None:
        # Arm and gripper may publish their joints apart; the follower says what is wrong with broken ones.
        with contextlib.suppress(MessageError):
            fingers = decode_joint_state(message, self._robot.fingers.names)
            self._finger_width = self._robot.fingers.opening(fingers.positions)
        with contextlib.suppress(MessageError):
            self._joints.add(decode_joint_state(message, self._robot.joint_names))

    def _on_transforms(self, message: TFMessage) -> None:
        for transform in message.transforms:
            self._transforms.set_transform_static(transform, NAME)

    # What is drawn

    def _draw(self) -> None:
        if not self._on_demand.wanted:
            return
        now_s = time.monotonic()
        timeout_s = self._settings.timeout_s
        header = encode_header(0, self._base_frame)  # Time 0: wherever the base is now.
        if self.count_publishers(self._state_topic) == 0:
            self._words = None
            if self._shown:
                self._markers.publish(encode_marker_removal(header))
                self._shown = False
            return
        if now_s - self._traces_came_s > timeout_s:
            self._hand_traces = None
        elif self._traces is not None:
            self._hand_traces, self._traces = self._traces_on_hand(self._traces), None
        following = self._words is not None and self._words.startswith("FOLLOW")
        if following and now_s - self._path_came_s > timeout_s:
            self._path = None
        picture = FollowerPicture(self._task, self._words, self._path, self._hand_traces)
        self._markers.publish(encode_markers(follower_shapes(picture, self._workspace), header, _LIFETIME_S))
        self._shown = True

    def _traces_on_hand(self, cloud: PointCloud2) -> NDArray[np.float64] | None:
        """(S + 1, N, 3) traces that start on the hand [m, base frame]; None where that cannot be told."""
        stamp_ns = decode_stamp(cloud.header.stamp)
        newest = self._joints.newest
        joints = self._joints.positions_at(stamp_ns)
        if newest is None:
            return None
        try:
            camera = self._transforms.lookup_transform(self._base_frame, cloud.header.frame_id, Time())
            lifted = lift_traces(decode_trace_grid(cloud), decode_transform(camera.transform))
            points = lifted.points_in_base
        except (TransformException, MessageError, LiftingError) as error:
            self.get_logger().warning(f"hand traces: {error}", throttle_duration_sec=5.0)
            return None
        hand_in_base = self._robot.hand_in_base(newest.positions if joints is None else joints)
        on_hand = find_hand_points(points[0], hand_in_base, self._robot.hand, self._finger_width, HAND_MARGIN)
        return points[:, on_hand.mask]


def _workspace(parameters: FollowerMarkersParameters) -> Workspace:
    lower, upper = parameters.workspace_lower, parameters.workspace_upper
    follower = replace(
        _FOLLOWER,
        workspace_lower=lower,
        workspace_upper=upper,
        table_height=min(lower[2], _FOLLOWER.table_height),
    )
    return follower.follower_config().workspace


def main() -> None:
    """Entry point of ``ros2 run ik_controller follower_markers_node``."""
    sys.exit(run_node(FollowerMarkersNode))
