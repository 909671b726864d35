"""``trace_markers_node``: shows the traces to people, as RViz markers and drawn on the camera image."""

from __future__ import annotations

import sys
import time

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import (
    MessageError,
    decode_trace_grid,
    encode_marker_removal,
    encode_trace_markers,
)
from tracegen_ros.nodes.overlay_publisher import OverlayPublisher
from tracegen_ros.nodes.trace_markers_parameters import TraceMarkersParameters
from tracegen_ros.parameters import declare_parameters
from tracegen_ros.qos import LATEST
from tracegen_ros.spinning import run_node
from tracegen_ros.trace_motion import travelled

NAME = "trace_markers_node"


class TraceMarkersNode(Node):
    """Draws the newest traces, at most so many times a second; stale drawings are removed."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._settings = parameters = declare_parameters(self, TraceMarkersParameters)
        self._drawn_s: float | None = None
        self._drawn_header = Header()
        self._markers = self.create_publisher(MarkerArray, parameters.markers_topic, LATEST)
        self.create_subscription(PointCloud2, parameters.traces_topic, self._on_traces, LATEST)
        self._overlay = OverlayPublisher(self, parameters) if parameters.overlay else None
        # A steady clock: stale traces are removed also when a simulator's clock stands still.
        self.create_timer(
            parameters.timeout_s / 2.0, self._remove_stale, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def _on_traces(self, cloud: PointCloud2) -> None:
        now_s = time.monotonic()
        if self._drawn_s is not None and now_s - self._drawn_s < 1.0 / self._settings.max_rate_hz:
            return
        try:
            traces = decode_trace_grid(cloud)
            self._publish_markers(traces, cloud.header)
            if self._overlay is not None:
                self._overlay.show(traces, cloud.header)
        except MessageError as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        self._drawn_s = now_s

    def _publish_markers(self, traces: TraceGrid, header: Header) -> None:
        if self._markers.get_subscription_count() == 0:
            return
        distance = travelled(traces)
        drawn = distance > self._settings.least_travel
        leading = distance >= self._settings.leading_fraction * distance.max()
        self._drawn_header = header
        self._markers.publish(
            encode_trace_markers(
                traces, drawn, leading, header, self._settings.line_width, self._settings.timeout_s
            )
        )

    def _remove_stale(self) -> None:
        if self._drawn_s is not None and time.monotonic() - self._drawn_s > self._settings.timeout_s:
            self._markers.publish(encode_marker_removal(self._drawn_header))
            self._drawn_s = None


def main() -> None:
    """Entry point of ``ros2 run tracegen_ros trace_markers_node``."""
    sys.exit(run_node(TraceMarkersNode))
