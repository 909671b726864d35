"""A robot cell made of messages: clock, joints, camera, gripper and traces, all moved by the test."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from control_msgs.action import GripperCommand
from rclpy.action import ActionServer, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory

from ik_controller.hand_points import signed_distance
from ik_controller.resources import resource_path
from ik_controller.robot_model import RobotModel
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid, grid_pixels
from tracegen_ros.camera_calibration import read_camera_calibration
from tracegen_ros.messages import (
    encode_colour,
    encode_depth,
    encode_header,
    encode_intrinsics,
    encode_joint_state,
    encode_stamp,
    encode_trace_grid,
    encode_transform,
    nanoseconds_from,
)
from tracegen_ros.qos import LATCHED, LATEST, SENSOR

ARM = tuple(f"fr3_joint{index}" for index in range(1, 8))
FINGERS = ("fr3_finger_joint1", "fr3_finger_joint2")
READY = np.array([0.0, -0.1289, 0.0, -2.5263, 0.0, 2.3974, 0.785])
PERIOD_NS = nanoseconds_from(1.0 / 15.0)
INTRINSICS = CameraIntrinsics(153.75, 153.75, 79.5, 59.5, 160, 120)
STEPS = 16
STEP_LENGTH = 0.01


class Cell:
    """Everything that ``trace_follower`` listens to and speaks to, on simulated time.

    Attributes:
        now_ns: The cell's time [ns].
        trajectories: What the follower sent.
        joint_order: Order of the joints in the joint states.
    """

    def __init__(self, tester) -> None:
        self.tester = tester
        self.now_ns = nanoseconds_from(10.0)
        self.joint_order = [*ARM, *FINGERS]
        self.calibration = read_camera_calibration(resource_path("calibration/sim_camera.yaml"))
        self.robot = RobotModel.fr3()
        self.accepts_goals = True
        self.goals: list[tuple[str, int]] = []
        self.goal_positions: list[float] = []
        node = tester.node
        self.clock = node.create_publisher(Clock, "/clock", 10)
        self.transforms = node.create_publisher(TFMessage, "/tf_static", LATCHED)
        header = encode_header(0, self.calibration.parent_frame)
        camera = encode_transform(self.calibration.camera_in_base, header, self.calibration.child_frame)
        self.transforms.publish(TFMessage(transforms=[camera]))
        self.colour = node.create_publisher(Image, "/camera/camera/color/image_raw", SENSOR)
        self.depth = tester.publisher(Image, "/camera/camera/aligned_depth_to_color/image_raw", SENSOR)
        self.info = tester.publisher(CameraInfo, "/camera/camera/color/camera_info", SENSOR)
        self.states = tester.publisher(JointState, "/joint_states", 50)
        self.traces = tester.publisher(PointCloud2, "/tracegen/traces", LATEST)
        self.instruction = tester.publisher(String, "/task_instruction", LATCHED)
        self.trajectories: list[JointTrajectory] = []
        node.create_subscription(
            JointTrajectory, "/joint_trajectory_controller/joint_trajectory", self.trajectories.append, 10
        )
        self.words = tester.hear(String, "/trace_follower/state", LATCHED)
        gripper = ActionServer(
            node, GripperCommand, "/fr3_gripper/gripper_action", self._carry_out, goal_callback=self._answer
        )
        tester.at_close(gripper.destroy)
        self._rendered = self._render()

    def _answer(self, goal: GripperCommand.Goal) -> GoalResponse:
        self.goal_positions.append(goal.command.position)
        self.goals.append(("accepted" if self.accepts_goals else "refused", len(self.trajectories)))
        return GoalResponse.ACCEPT if self.accepts_goals else GoalResponse.REJECT

    def _carry_out(self, handle: ServerGoalHandle) -> GripperCommand.Result:
        handle.succeed()
        return GripperCommand.Result(reached_goal=True)

    def instruct(self, text: str) -> None:
        self.instruction.publish(String(data=text))

    def pass_time(self, seconds: float) -> None:
        """Let the clock run, with joint states and without images."""
        ends_ns = self.now_ns + nanoseconds_from(seconds)
        while self.now_ns < ends_ns:
            self.now_ns += nanoseconds_from(0.02)
            self.clock.publish(Clock(clock=encode_stamp(self.now_ns)))
            self.publish_joints()

    def publish_joints(self) -> None:
        positions = dict(zip(ARM, READY, strict=True)) | dict.fromkeys(FINGERS, 0.04)
        header = encode_header(self.now_ns, "")
        values = [positions[name] for name in self.joint_order]
        self.states.publish(encode_joint_state(self.joint_order, values, np.zeros(len(values)), header))

    def see(
        self, *, camera_frame: str | None = None, with_traces: bool = True, without: Sequence[str] = ()
    ) -> int:
        """One image's time passes: clock, joints, camera and the traces predicted from it. Returns the stamp [ns].

        Of "joints", "info" and "images", those in ``without`` do not come.
        """
        self.now_ns += PERIOD_NS
        header = encode_header(self.now_ns, camera_frame or self.calibration.child_frame)
        depth, traces = self.observe()
        self.clock.publish(Clock(clock=encode_stamp(self.now_ns)))
        if "joints" not in without:
            self.publish_joints()
        if "info" not in without:
            self.info.publish(encode_intrinsics(INTRINSICS, header))
        if "images" not in without:
            self.depth.publish(encode_depth(depth, header))
            self.colour.publish(encode_colour(np.zeros((*depth.shape, 3), np.uint8), header))
        if with_traces:
            self.traces.publish(encode_trace_grid(traces, header))
        return self.now_ns

    def observe(self) -> tuple[np.ndarray, TraceGrid]:
        """Depth image of the hand over a table, and traces on which the hand goes straight up."""
        depth, on_hand = self._rendered
        pixels = grid_pixels(INTRINSICS.width, INTRINSICS.height)
        columns, rows = np.rint(pixels).astype(int).T
        starts = INTRINSICS.back_project(pixels, depth[rows, columns])
        up = np.linalg.inv(self.calibration.camera_in_base)[:3, 2]
        rise = np.arange(STEPS + 1)[:, None, None] * STEP_LENGTH * up
        points = starts + np.where(on_hand[rows, columns][:, None], rise, 0.0)
        return depth, TraceGrid(points.astype(np.float32), INTRINSICS.project(points).astype(np.float32))

    def _render(self) -> tuple[np.ndarray, np.ndarray]:
        """Depth image (H, W) [m] of the hand's boxes over the table, and where the hand is in it (H, W)."""
        rows, columns = np.mgrid[: INTRINSICS.height, : INTRINSICS.width]
        rays = INTRINSICS.back_project(np.stack([columns, rows], axis=-1), np.ones(rows.shape)).reshape(-1, 3)
        turn, centre = self.calibration.camera_in_base[:3, :3], self.calibration.camera_in_base[:3, 3]
        rays_in_base = rays @ turn.T
        table = np.where(rays_in_base[:, 2] < 0.0, -centre[2] / rays_in_base[:, 2], 3.0).clip(0.2, 3.0)
        hand_in_base, boxes = self.robot.hand_in_base(READY), self.robot.hand.boxes(0.08)
        towards_hand = hand_in_base[:3, 3] - centre
        across = np.linalg.norm(np.cross(rays_in_base, towards_hand), axis=1) / np.linalg.norm(rays, axis=1)
        near = across < 0.2
        depth, distance = table.copy(), np.full(len(rays), np.inf)
        along, rays_near = np.full(near.sum(), 0.2), rays_in_base[near]
        for _ in range(30):
            distance[near] = signed_distance(centre + along[:, None] * rays_near, hand_in_base, boxes)
            along = np.minimum(along + distance[near] / np.linalg.norm(rays_near, axis=1), table[near])
        depth[near] = along
        return depth.astype(np.float32).reshape(rows.shape), (distance < 0.002).reshape(rows.shape)

    def wait_for_words(
        self, words: str, deadline_s: float = 60.0, meanwhile: Callable[[], object] | None = None
    ) -> None:
        """Until the follower says ``words``; ``meanwhile`` joint states and the clock go on, or what is given."""
        ends_s = time.monotonic() + deadline_s

        def said() -> bool:
            return any(words in message.data for message in self.words)

        while not said():
            assert time.monotonic() < ends_s, f"waited for {words!r}, heard {[m.data for m in self.words]}"
            if meanwhile is None:
                self.pass_time(0.02)
            else:
                meanwhile()
            self.tester.spin_once()
