"""Publishes recorded messages: what the nodes hear under the live names, what they said beside their own words."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rosidl_runtime_py.utilities import get_message

from tracegen_ros.bags.recording import INPUTS, Entry, Recording, Role
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.nodes.replay_parameters import CALLS_TOPIC
from tracegen_ros.qos import LATCHED, LATEST, LOGGED, SENSOR

_LIVE = TopicMap()
_QUEUE = 50
_ALWAYS = (
    (_LIVE.colour_info, "sensor_msgs/msg/CameraInfo", Role.COLOUR_INFO),
    (_LIVE.tf_static, "tf2_msgs/msg/TFMessage", Role.TF_STATIC),
    (_LIVE.instruction, "std_msgs/msg/String", Role.INSTRUCTION),
    (CALLS_TOPIC, "std_msgs/msg/String", Role.CORE_CALLS),
)
"""What is published whether the bag holds it or not: topic, type and role."""


def quality_of(role: Role, *, latched: bool) -> QoSProfile | int:
    """QoS that messages of ``role`` are published with, of a topic that was recorded as ``latched`` or not."""
    if role in (Role.TF_STATIC, Role.INSTRUCTION) or (latched and role not in INPUTS):
        return LATCHED
    if role in (Role.COLOUR, Role.COLOUR_INFO, Role.DEPTH, Role.DEPTH_INFO):
        return SENSOR
    if role is Role.CORE_CALLS:
        return LOGGED
    return _QUEUE if role in INPUTS else LATEST


class RecordedPublishers:
    """One publisher for each topic that is replayed; recorded ones whose type is unknown here are left out.

    Args:
        node: Whose publishers these are.
        recording: What is replayed.
    """

    def __init__(self, node: Node, recording: Recording) -> None:
        self._node = node
        self._recording = recording
        self._by_topic: dict[str, Publisher] = {}
        for topic, role in recording.roles.items():
            live_topic, kind = recording.live_name(topic), recording.live_kind(topic)
            if live_topic in self._by_topic:
                continue
            try:
                get_message(kind)
            except (AttributeError, ModuleNotFoundError, ValueError):
                node.get_logger().warning(f"{topic} is left out: its type {kind} is not known here")
                continue
            self._add(live_topic, kind, quality_of(role, latched=recording.bag.topics[topic].latched))
        for live_topic, kind, role in _ALWAYS:
            if live_topic not in self._by_topic:
                self._add(live_topic, kind, quality_of(role, latched=False))

    def _add(self, live_topic: str, kind: str, quality: QoSProfile | int) -> None:
        self._by_topic[live_topic] = self._node.create_publisher(get_message(kind), live_topic, quality)

    def __contains__(self, live_topic: str) -> bool:
        return live_topic in self._by_topic

    def listeners(self, live_topic: str) -> int:
        """How many subscriptions there are to what is published on ``live_topic``."""
        return int(self._by_topic[live_topic].get_subscription_count())

    def publish(self, live_topic: str, message: Any | bytes) -> None:
        """Say ``message``, or its bytes, on a live topic that is published."""
        self._by_topic[live_topic].publish(message)

    def replay(self, entry: Entry, live: Any | bytes) -> None:
        """Say the message of ``entry`` as it is live; nothing where its type is unknown here."""
        live_topic = self._recording.live_topic(entry)
        if live_topic in self._by_topic:
            self.publish(live_topic, live)
