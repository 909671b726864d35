"""The camera node: colour, depth aligned to colour and CameraInfo, under the names of realsense2_camera 4.x.

Lifecycle: *configure* offers the topics, *activate* opens the camera and keeps it streaming, *deactivate* lets go of
it. A camera that is missing, unplugged, stalled or misconfigured is a state in ``/diagnostics``; the node lives on and
takes up the camera when it comes.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, qos_profile_system_default
from sensor_msgs.msg import CameraInfo, Image

from realsense_camera.camera_state import CameraHealth, CameraState
from realsense_camera.camera_supervisor import CameraSupervisor
from realsense_camera.library import require_library
from realsense_camera.nodes.camera_parameters import LIVE, SOFTWARE, CameraParameters
from realsense_camera.rgbd_frame import RgbdFrame
from realsense_camera.stream_statistics import FrameCounter
from realsense_camera.timestamps import StampMapping
from tracegen_ros.latency import LatencyWindow, RateWindow
from tracegen_ros.managed_node import ManagedNode
from tracegen_ros.messages import (
    Level,
    encode_colour,
    encode_depth,
    encode_diagnostics,
    encode_header,
    encode_intrinsics,
    nanoseconds_from,
    seconds_from,
)
from tracegen_ros.parameters import ParameterError, declare_parameters
from tracegen_ros.qos import SENSOR
from tracegen_ros.spinning import run_node

if TYPE_CHECKING:
    # Not imported before it is needed: without libusb the import fails, and the node has to say so.
    from realsense_camera.camera_session import CameraSession
    from realsense_camera.camera_source import CameraSource

NAME = "camera"
NAMESPACE = "camera"
DIAGNOSTIC_NAME = "realsense_camera: stream"

INFO = QoSProfile(depth=10)
"""CameraInfo as realsense2_camera publishes it: ROS's default."""

_IMAGE_QOS = {"SYSTEM_DEFAULT": qos_profile_system_default, "SENSOR_DATA": SENSOR}

SLOW = 0.8
"""Fraction of the stream's rate [-] below which the rate is reported as too low."""

_LEVELS = {
    CameraState.CONFIGURED: Level.OK,
    CameraState.STARTING: Level.WARN,
    CameraState.STREAMING: Level.OK,
}


def choose_source(parameters: CameraParameters) -> CameraSource:
    """The source that the parameters name."""
    from realsense_camera.camera_source import LiveSource, RecordingSource
    from realsense_camera.software_camera import SoftwareSource

    if parameters.source == LIVE:
        return LiveSource(parameters.serial_number)
    if parameters.source == SOFTWARE:
        return SoftwareSource(parameters.settings())
    return RecordingSource(Path(parameters.source), parameters.repeat)


class CameraNode(ManagedNode):
    """Publishes what the camera sees for as long as it is active.

    Args:
        make_source: Where images come from; called once, when the library is there.
    """

    def __init__(self, make_source: Callable[[CameraParameters], CameraSource] = choose_source) -> None:
        super().__init__(NAME, namespace=NAMESPACE)
        self._settings = declare_parameters(self, CameraParameters)
        self._camera_settings = self._settings.settings()
        _check_source(self._settings.source)
        self._make_source = make_source
        self._source: CameraSource | None = None
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._supervisor: CameraSupervisor[CameraSession] | None = None
        self._session: CameraSession | None = None
        self._stamps = StampMapping()
        self._figures_lock = threading.Lock()
        self._forget_figures()

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Offer the topics."""
        qos = _IMAGE_QOS[self._settings.image_qos]
        self._colour = self.create_publisher(Image, "~/color/image_raw", qos)
        self._colour_info = self.create_publisher(CameraInfo, "~/color/camera_info", INFO)
        self._depth = self.create_publisher(Image, "~/aligned_depth_to_color/image_raw", qos)
        self._depth_info = self.create_publisher(CameraInfo, "~/aligned_depth_to_color/camera_info", INFO)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._diagnostic_timer = self.create_timer(
            1.0 / self._settings.diagnostics_rate_hz, self._publish_diagnostics, clock=self._steady_clock
        )
        self._forget_figures()
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the camera, now or as soon as there is one."""
        self._supervisor = CameraSupervisor(
            self._open_session, self._on_opened, self._deliver, self._on_change, self._settings.patience()
        )
        self._supervisor.start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the camera."""
        self._release_camera()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the topics back."""
        self.destroy_timer(self._diagnostic_timer)
        for publisher in (self._colour, self._colour_info, self._depth, self._depth_info, self._diagnostics):
            self.destroy_publisher(publisher)
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the camera for good."""
        self._release_camera()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop the camera's thread before the publishers go."""
        self._release_camera()
        super().destroy_node()

    def _release_camera(self) -> None:
        if self._supervisor is not None and not self._supervisor.stop():
            self.get_logger().error(
                "the library does not return from its last call; its thread is left behind"
            )
        self._supervisor = None

    # The camera (its supervisor's thread)

    def _open_session(self) -> CameraSession:
        require_library()
        from realsense_camera.camera_session import CameraSession

        if self._source is None:
            self._source = self._make_source(self._settings)
        return CameraSession(self._source, self._camera_settings)

    def _on_opened(self, session: CameraSession) -> None:
        self._session = session
        self._info = session.camera
        with self._figures_lock:
            self._rate = RateWindow()
            self._colour_frames.restart()
            self._depth_frames.restart()
        self.get_logger().info(f"{session.identity} opened at {session.colour_profile}")

    def _on_change(self, health: CameraHealth) -> None:
        if not self.context.ok():
            return
        if _LEVELS.get(health.state, Level.ERROR) is Level.ERROR:
            self.get_logger().error(str(health))
        else:
            self.get_logger().info(str(health))

    def _deliver(self, frame: RgbdFrame, arrival_s: float) -> None:
        if not self.context.ok():
            # Ctrl-C came; what the camera still sends has nowhere to go.
            return
        processed_s = time.monotonic()
        since_arrival_s = processed_s - arrival_s
        stamp_ns = self._stamps.stamp(
            frame.camera_time_s,
            frame.clock,
            self.get_clock().now().nanoseconds - nanoseconds_from(since_arrival_s),
            time.time() - since_arrival_s,
        )
        header = encode_header(stamp_ns, self._settings.frame_id)
        info = encode_intrinsics(self._info.intrinsics, header, self._info.distortion)
        self._colour_info.publish(info)
        self._depth_info.publish(info)
        self._colour.publish(encode_colour(frame.colour, header))
        self._depth.publish(encode_depth(frame.depth_m, header))
        published_s = time.monotonic()
        with self._figures_lock:
            self._rate.tick(published_s)
            self._colour_frames.add(frame.colour_number)
            self._depth_frames.add(frame.depth_number)
            self._latency.add(
                {
                    "process": since_arrival_s,
                    "publish": published_s - processed_s,
                    "frame_to_published": published_s - arrival_s,
                    "stamp_to_published": seconds_from(self.get_clock().now().nanoseconds - stamp_ns),
                }
            )

    # Health

    def _forget_figures(self) -> None:
        self._rate = RateWindow()
        self._latency = LatencyWindow()
        self._colour_frames, self._depth_frames = FrameCounter(), FrameCounter()

    def _publish_diagnostics(self) -> None:
        supervisor, session = self._supervisor, self._session
        health = CameraHealth(CameraState.CONFIGURED) if supervisor is None else supervisor.health
        with self._figures_lock:
            rate_hz = self._rate.rate_hz(time.monotonic())
            values: dict[str, object] = {
                "state": health.state.value,
                "reason": health.reason,
                "source": self._settings.source,
                "camera": None if session is None else session.identity.name,
                "firmware": None if session is None else session.identity.firmware,
                "usb": None if session is None else session.identity.usb,
                "profile": None if session is None else session.colour_profile,
                "rate_hz": rate_hz,
                "frames": self._colour_frames.received,
                "colour_dropped": self._colour_frames.dropped,
                "depth_dropped": self._depth_frames.dropped,
                "times_opened": 0 if supervisor is None else supervisor.opened,
                **self._latency.percentiles_ms(),
            }
        level, message = _LEVELS.get(health.state, Level.ERROR), str(health)
        if health.state is CameraState.STREAMING and session is not None:
            wanted_hz = session.colour_profile.rate_hz
            if 0.0 < rate_hz < SLOW * wanted_hz:
                level, message = Level.WARN, f"{message}: {rate_hz:.1f} Hz instead of {wanted_hz} Hz"
        serial = "" if session is None else session.identity.serial
        header = encode_header(self.get_clock().now().nanoseconds, "")
        self._diagnostics.publish(encode_diagnostics(DIAGNOSTIC_NAME, level, message, values, header, serial))


def _check_source(source: str) -> None:
    if source not in (LIVE, SOFTWARE) and not source.endswith(".db3"):
        raise ParameterError(
            f"parameter 'source' must be {LIVE}, {SOFTWARE} or the path of a .db3 recording, got {source!r}"
        )


def main() -> None:
    """Entry point of ``ros2 run realsense_camera camera_node``."""
    sys.exit(run_node(CameraNode))
