"""``web_viewer_node``: the robot, what it sees and what it is about to do, in a browser.

ros2 run tracegen_ros web_viewer_node            # then open http://127.0.0.1:8080

Nothing is subscribed while nobody looks. While somebody does, topics are looked at as often as they are drawn, and only
the newest message of each is ever unpacked. What a person asks for on the page is seen to in ``visitor_requests``.
"""

from __future__ import annotations

import os
import queue
import sys
import time
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import cv2
import numpy as np
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Path
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformException

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.instruction import InstructionTextError, clean_instruction
from tracegen_ros.instruction_subscription import subscribe_to_instructions
from tracegen_ros.messages import (
    MessageError,
    check_same_size,
    decode_colour,
    decode_depth,
    decode_diagnostics,
    decode_intrinsics,
    decode_joint_state,
    decode_stamp,
    decode_trace_grid,
    decode_transform,
    nanoseconds_from,
)
from tracegen_ros.nodes.newest_messages import NewestMessages, Topic
from tracegen_ros.nodes.visitor_requests import VisitorRequests
from tracegen_ros.nodes.web_viewer_parameters import WebViewerParameters
from tracegen_ros.parameters import ParameterError, declare_parameters
from tracegen_ros.spinning import run_node
from tracegen_ros.web_viewer.access import AccessError, AccessRules, read_hosts, read_token
from tracegen_ros.web_viewer.drawing import NO_POINTS, DrawnTraces, coloured_cloud, moving_traces, smaller
from tracegen_ros.web_viewer.earlier_instructions import EarlierInstructions
from tracegen_ros.web_viewer.health import Input, RecentHealth, health_sample, state_word
from tracegen_ros.web_viewer.history import History, Moment, Recording
from tracegen_ros.web_viewer.robot_tree import RobotDescriptionError, RobotTree

NAME = "web_viewer"
TITLE = "TraceGen"
TRACE_HEALTH = "trace_node: inference"
FOLLOWER_HEALTH = "trace_follower: motion"

_HEALTH_S = 120.0
"""Length of the plots [s]."""

_HEALTH_PERIOD_S = 1.0
_MOMENT_PERIOD_S = 0.25
_MOMENT_IMAGE_PX = 320
_MOMENT_JPEG_QUALITY = 70

_SAME_INSTANT_NS = nanoseconds_from(0.04)
"""Colour and depth farther apart make no cloud [ns]."""

_NO_PATH = np.zeros((0, 3), np.float32)

_INPUTS = {
    "colour": "camera",
    "depth": "depth",
    "joints": "robot",
    "traces": "traces",
    "diagnostics": "follower",
}
"""What is shown as live or stale, with its name on the page."""


class WebViewerNode(Node):
    """Serves the page.

    Raises:
        ParameterError: A parameter is wrong, the page cannot be served safely, or viser is not installed.
    """

    def __init__(self) -> None:
        super().__init__(NAME)
        self._settings = parameters = declare_parameters(self, WebViewerParameters)
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = self.create_guard_condition(self._grant_wishes)
        try:
            self._robot = RobotTree.read(self._urdf())
            rules = AccessRules(
                parameters.host, read_token(parameters.token_file), read_hosts(parameters.allowed_hosts)
            )
            self._server, self._page = self._serve(rules)
        except (AccessError, RobotDescriptionError) as error:
            raise ParameterError(str(error)) from error
        follower = parameters.follower.rstrip("/")
        self._newest = NewestMessages(
            f"{NAME}_eyes",
            {
                "colour": Topic(Image, parameters.colour_topic),
                "info": Topic(CameraInfo, parameters.camera_info_topic),
                "depth": Topic(Image, parameters.depth_topic),
                "joints": Topic(JointState, parameters.joint_states_topic, kept=5),
                "traces": Topic(PointCloud2, parameters.traces_topic),
                "hand_path": Topic(Path, f"{follower}/hand_path"),
                "state": Topic(String, f"{follower}/state", latched=True),
                "diagnostics": Topic(DiagnosticArray, "/diagnostics", kept=20),
                "transforms": Topic(TFMessage, "/tf_static", latched=True, kept=100),
            },
        )
        self._visitors = 0
        self._earlier = EarlierInstructions()
        self._task = ""
        self._requests = VisitorRequests(self, follower, parameters.instruction_topic, self._page.notify)
        subscribe_to_instructions(self, parameters.instruction_topic, self._on_instruction)
        self._forget()
        self._timer = self.create_timer(
            1.0 / parameters.rate_hz, self._draw, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._timer.cancel()
        self._server.on_client_connect(lambda _: self._ask(lambda: self._count_visitors(1)))
        self._server.on_client_disconnect(lambda _: self._ask(lambda: self._count_visitors(-1)))
        os.nice(parameters.niceness)
        asks = "?token=..." if rules.token else ""
        self.get_logger().info(f"open http://{parameters.host}:{self._server.get_port()}/{asks} in a browser")

    def destroy_node(self) -> None:
        """Close the page."""
        self._server.stop()
        self._newest.destroy()
        super().destroy_node()

    # Starting

    def _urdf(self) -> FilePath:
        if self._settings.urdf:
            return FilePath(self._settings.urdf)
        try:
            return FilePath(get_package_share_directory("ik_controller")) / "urdf" / "fr3.urdf"
        except PackageNotFoundError as error:
            raise ParameterError(
                "the package ik_controller is not found; name the robot description in parameter 'urdf'"
            ) from error

    def _serve(self, rules: AccessRules) -> tuple[Any, Any]:
        """The server and its page."""
        try:
            from tracegen_ros.web_viewer.guarded_server import GuardedServer, ServerError
            from tracegen_ros.web_viewer.page import Page, Wishes
            from tracegen_ros.web_viewer.robot_surfaces import robot_surfaces
        except ImportError as error:
            raise ParameterError(
                f"the browser viewer needs the Python package viser: pip install viser ({error})"
            ) from error
        surfaces = robot_surfaces(self._robot, meshes=self._settings.meshes)
        try:
            server = GuardedServer(rules, self._settings.port, TITLE)
        except ServerError as error:
            raise ParameterError(str(error)) from error
        wishes = Wishes(
            instruct=lambda text: self._ask(lambda: self._requests.instruct(text)),
            stop=lambda: self._ask(lambda: self._requests.stop()),
            enable=lambda value: self._ask(lambda: self._requests.enable(value)),
            recover=lambda: self._ask(lambda: self._requests.recover()),
        )
        return server, Page(server, surfaces, wishes, self._settings.history_s, _HEALTH_S)

    # Who looks, and hears

    def _ask(self, wish: Callable[[], None]) -> None:
        """Have ``wish`` granted in the node's thread; called in threads of the server."""
        self._wishes.put(wish)
        self._wake.trigger()

    def _grant_wishes(self) -> None:
        while True:
            try:
                wish = self._wishes.get_nowait()
            except queue.Empty:
                return
            wish()

    def _count_visitors(self, change: int) -> None:
        before, self._visitors = self._visitors, self._visitors + change
        if before == 0 and self._visitors > 0:
            self._newest.open()
            self._timer.reset()
        elif before > 0 and self._visitors == 0:
            self._timer.cancel()
            self._newest.close()
            self._forget()

    def _on_instruction(self, message: String) -> None:
        try:
            self._task = clean_instruction(message.data)
        except InstructionTextError:
            self._task = ""
        if self._task:
            self._earlier.add(self._task)
            self._page.show_instructions(self._earlier.newest_first)

    # What is there to see

    def _forget(self) -> None:
        """Nobody looks any more: what was seen until now is old when somebody comes again."""
        self._page.clear()
        self._history = History(self._settings.history_s, _MOMENT_PERIOD_S)
        self._recording: Recording | None = None
        self._health = RecentHealth(_HEALTH_S)
        self._joints: dict[str, float] = {}
        self._intrinsics: CameraIntrinsics | None = None
        self._colour: NDArray[np.uint8] | None = None
        self._colour_stamp_ns = 0
        self._picture: NDArray[np.uint8] | None = None
        self._traces: DrawnTraces | None = None
        self._hand_path = _NO_PATH
        self._cloud = NO_POINTS
        self._camera_frame = ""
        self._camera_in_base: NDArray[np.float64] | None = None
        self._transforms = Buffer()
        self._state = ""
        self._values: dict[str, dict[str, str]] = {TRACE_HEALTH: {}, FOLLOWER_HEALTH: {}}
        self._errors: dict[str, str] = {}
        self._drawn_s = {"image": 0.0, "cloud": 0.0, "health": 0.0}

    def _due(self, what: str, rate_hz: float, now_s: float) -> bool:
        if now_s - self._drawn_s[what] < 1.0 / rate_hz:
            return False
        self._drawn_s[what] = now_s
        return True

    def _draw(self) -> None:
        now_s = time.monotonic()
        self._look("joints", self._look_at_joints)
        self._look("diagnostics", self._look_at_diagnostics)
        for message in self._newest.take_all("state"):
            self._state = message.data
            self._health.add_state(now_s, state_word(self._state))
        ago_s = self._page.ago_s
        if self._due("image", self._settings.image_rate_hz, now_s):
            self._look("transforms", self._look_at_transforms)
            self._look("info", self._look_at_camera_info)
            self._look("colour", self._look_at_colour)
            self._look("traces", self._look_at_traces)
            self._look_at_hand_path()
            self._drop_stale_traces(now_s)
            if ago_s > 0.0:
                self._show_past(ago_s)
            else:
                self._show_now(now_s)
            self._page.draw_state(self._state, self._enabled, self._task, self._inputs(now_s))
        if self._due("cloud", self._settings.cloud_rate_hz, now_s):
            self._look("depth", self._look_at_depth)
        if ago_s == 0.0:
            self._recording = None
            self._page.draw_robot(self._robot.poses_in_base(self._joints))
        if self._due("health", 1.0 / _HEALTH_PERIOD_S, now_s):
            self._health.add(now_s, health_sample(self._values[TRACE_HEALTH], self._values[FOLLOWER_HEALTH]))
            self._page.draw_health(self._health, now_s)

    def _look(self, name: str, look: Callable[[], None]) -> None:
        """Look at one input; one that cannot be understood must not hide the others."""
        try:
            look()
        except MessageError as error:
            if self._errors.get(name) != str(error):
                self.get_logger().error(f"{name}: {error}")
            self._errors[name] = str(error)

    def _look_at_joints(self) -> None:
        for message in self._newest.take_all(
            "joints"
        ):  # A gripper may publish its joints in messages of its own.
            names = list(message.name)
            positions = decode_joint_state(message, names).positions.tolist()
            self._joints |= dict(zip(names, positions, strict=True))
            self._errors.pop("joints", None)

    def _look_at_diagnostics(self) -> None:
        for array in self._newest.take_all("diagnostics"):
            for name in self._values:
                status = decode_diagnostics(array, name)
                if status is not None:
                    self._values[name] = status[2]

    def _look_at_transforms(self) -> None:
        for message in self._newest.take_all("transforms"):
            for transform in message.transforms:
                self._transforms.set_transform_static(transform, NAME)
            self._camera_in_base = None

    def _look_at_camera_info(self) -> None:
        info = self._newest.take("info")
        if info is not None:
            self._intrinsics = decode_intrinsics(info)

    def _look_at_colour(self) -> None:
        colour = self._newest.take("colour")
        if colour is not None:
            self._colour = decode_colour(colour)
            self._colour_stamp_ns = decode_stamp(colour.header.stamp)
            self._picture = smaller(self._colour, self._settings.image_width)
            self._find_camera(colour.header.frame_id)
            self._errors.pop("colour", None)

    def _look_at_traces(self) -> None:
        cloud = self._newest.take("traces")
        if cloud is None:
            return
        self._find_camera(cloud.header.frame_id)
        if self._camera_in_base is not None:
            self._traces = moving_traces(
                decode_trace_grid(cloud),
                self._camera_in_base,
                least_travel=self._settings.least_travel,
                leading_fraction=self._settings.leading_fraction,
                most=self._settings.most_traces,
            )
            self._errors.pop("traces", None)

    def _look_at_hand_path(self) -> None:
        path = self._newest.take("hand_path")
        if path is not None:
            points = [
                (pose.pose.position.x, pose.pose.position.y, pose.pose.position.z) for pose in path.poses
            ]
            self._hand_path = np.array(points, np.float32).reshape(-1, 3)

    def _look_at_depth(self) -> None:
        """The depth image and the colours that belong to it, as a cloud."""
        image = self._newest.take("depth")
        self._look("colour", self._look_at_colour)
        if image is None or self._colour is None or self._intrinsics is None or self._camera_in_base is None:
            return
        self._errors.pop("depth", None)
        if not self._page.cloud_wanted:
            self._cloud = NO_POINTS
            self._page.draw_cloud(NO_POINTS)
            return
        if abs(decode_stamp(image.header.stamp) - self._colour_stamp_ns) > _SAME_INSTANT_NS:
            self._drawn_s["cloud"] = 0.0  # Caught between the two: the next look finds both.
            return
        depth_m = decode_depth(image)
        check_same_size(self._colour, depth_m)
        cloud = coloured_cloud(
            self._colour,
            depth_m,
            self._intrinsics,
            self._camera_in_base,
            most=self._settings.cloud_points,
            farthest=self._settings.cloud_radius,
        )
        self._cloud = cloud
        if self._page.ago_s == 0.0:
            self._page.draw_cloud(cloud)

    def _drop_stale_traces(self, now_s: float) -> None:
        age_s = self._newest.age_s("traces", now_s)
        if age_s is None or age_s > self._settings.stale_after_s:
            self._traces, self._hand_path = None, _NO_PATH

    def _find_camera(self, frame: str) -> None:
        """Look the camera's pose up, once: it does not move."""
        if self._camera_in_base is not None and frame == self._camera_frame:
            return
        try:
            found = self._transforms.lookup_transform(self._settings.base_frame, frame, Time())
        except TransformException:
            return
        self._camera_frame, self._camera_in_base = frame, decode_transform(found.transform)

    @property
    def _enabled(self) -> bool | None:
        return {"True": True, "False": False}.get(self._values[FOLLOWER_HEALTH].get("enabled", ""))

    def _inputs(self, now_s: float) -> list[Input]:
        return [
            Input(
                shown,
                self._newest.age_s(name, now_s),
                self._settings.stale_after_s,
                self._newest.publishers(name),
                expected=name != "traces" or bool(self._task),
                error=self._errors.get(name, ""),
            )
            for name, shown in _INPUTS.items()
        ]

    # Showing it

    def _show_now(self, now_s: float) -> None:
        self._page.draw_camera(self._picture, self._intrinsics, self._camera_in_base)
        self._page.draw_traces(self._traces, self._hand_path)
        self._page.draw_moment_label("now")
        if self._history.due(now_s):
            self._history.add(
                Moment(
                    now_s,
                    self._traces,
                    dict(self._joints),
                    self._jpeg(),
                    self._state,
                    self._hand_path,
                    self._cloud,
                )
            )

    def _show_past(self, ago_s: float) -> None:
        if self._recording is None:
            self._recording = self._history.freeze()
        moment = self._recording.at(ago_s)
        if moment is None:
            return
        picture = None
        if moment.image_jpeg:
            bgr = cv2.imdecode(np.frombuffer(moment.image_jpeg, np.uint8), cv2.IMREAD_COLOR)
            picture = np.ascontiguousarray(bgr[..., ::-1])
        self._page.draw_robot(self._robot.poses_in_base(moment.joints))
        self._page.draw_camera(picture, self._intrinsics, self._camera_in_base)
        self._page.draw_traces(moment.traces, moment.hand_path)
        self._page.draw_cloud(moment.cloud if self._page.cloud_wanted else NO_POINTS)
        self._page.draw_moment_label(f"{ago_s:.1f} s ago: {moment.state}")

    def _jpeg(self) -> bytes:
        if self._picture is None:
            return b""
        small = smaller(self._picture, _MOMENT_IMAGE_PX)[..., ::-1]
        done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _MOMENT_JPEG_QUALITY])
        return data.tobytes() if done else b""


def main() -> None:
    """Entry point of ``ros2 run tracegen_ros web_viewer_node``."""
    # The executor driven by events knows no guard conditions, and here few events come.
    sys.exit(run_node(WebViewerNode, make_executor=SingleThreadedExecutor))
