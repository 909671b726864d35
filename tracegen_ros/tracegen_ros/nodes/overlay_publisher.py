"""The overlay: the camera image with past and predicted traces, made only while somebody looks at it."""

from __future__ import annotations

import time
from collections import OrderedDict

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import (
    COMPRESSED_SUFFIX,
    MessageError,
    decode_colour,
    decode_stamp,
    encode_colour,
    encode_compressed_colour,
)
from tracegen_ros.nodes.trace_markers_parameters import TraceMarkersParameters
from tracegen_ros.on_demand import OnDemand
from tracegen_ros.overlay import draw_past, draw_traces
from tracegen_ros.past_motion import PastMotion
from tracegen_ros.qos import SENSOR

_IMAGES_KEPT = 15
"""Images kept while their traces are computed: a second at the camera's rate."""


class OverlayPublisher:
    """Publishes the overlay raw and compressed; without listeners it does not even take the camera's images.

    Args:
        node: What it publishes as.
        settings: Topics, rate and how far back to draw.
    """

    def __init__(self, node: Node, settings: TraceMarkersParameters) -> None:
        self._node = node
        self._settings = settings
        self._images: OrderedDict[int, Image] = OrderedDict()
        self._past = PastMotion(settings.past_s)
        self._traces_drawn_s = float("-inf")
        self._published_s = float("-inf")
        topic = settings.overlay_topic
        self._raw = node.create_publisher(Image, topic, SENSOR)
        self._compressed = node.create_publisher(CompressedImage, f"{topic}{COMPRESSED_SUFFIX}", SENSOR)
        self._on_demand = OnDemand(node, (self._raw, self._compressed), self._subscribe, self._forget)

    def show(self, traces: TraceGrid, header: Header) -> None:
        """Publish the image that ``traces`` were predicted from, with what they say, if it is still there."""
        image = self._images.get(decode_stamp(header.stamp))
        if image is not None:
            self._traces_drawn_s = time.monotonic()
            self._publish(image, traces)

    def _subscribe(self) -> list[Subscription]:
        return [self._node.create_subscription(Image, self._settings.colour_topic, self._on_image, SENSOR)]

    def _forget(self) -> None:
        self._images.clear()
        self._past.forget()

    def _on_image(self, image: Image) -> None:
        stamp_ns = decode_stamp(image.header.stamp)
        self._images[stamp_ns] = image
        while len(self._images) > _IMAGES_KEPT:
            self._images.popitem(last=False)
        try:
            if self._settings.past_s > 0.0:
                self._past.observe(decode_colour(image), stamp_ns)
            now_s = time.monotonic()
            stale = now_s - self._traces_drawn_s > self._settings.timeout_s
            if stale and now_s - self._published_s >= 1.0 / self._settings.max_rate_hz:
                self._publish(image, None)
        except MessageError as error:
            self._node.get_logger().error(f"overlay: {error}", throttle_duration_sec=5.0)

    def _publish(self, image: Image, traces: TraceGrid | None) -> None:
        self._published_s = time.monotonic()
        drawing = draw_past(decode_colour(image), self._past.paths(decode_stamp(image.header.stamp)))
        if traces is not None:
            drawing = draw_traces(drawing, traces)
        if self._raw.get_subscription_count() > 0:
            self._raw.publish(encode_colour(drawing, image.header))
        if self._compressed.get_subscription_count() > 0:
            self._compressed.publish(encode_compressed_colour(drawing, image.header))
