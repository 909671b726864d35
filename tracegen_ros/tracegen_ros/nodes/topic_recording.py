"""Subscriptions whose messages are taken as bytes, many at a time, and given to a recorder.

An executor would wake up for each message, which costs more than to record it; here a timer takes what has come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rosidl_runtime_py.utilities import get_message

from tracegen_ros.bags.bag_recorder import BagRecorder
from tracegen_ros.bags.bag_writer import WrittenTopic
from tracegen_ros.bags.message_definition import MessageDefinitionError, message_definition
from tracegen_ros.bags.recorded_qos import qos_as_recorded, qos_that_hears
from tracegen_ros.bags.sequence_gaps import SequenceGaps

IMAGE = "sensor_msgs/msg/Image"

_IMAGES_KEPT = 15
_MESSAGES_KEPT = 500
"""What the middleware keeps between two looks: a second of images, some of anything else."""

_LARGEST_SEQUENCE = 0xFFFFFFFF
"""MCAP has four bytes for it."""


class UnknownTopicTypeError(ValueError):
    """A topic whose messages cannot be recorded, because their type is not installed here or is disputed."""


@dataclass(frozen=True)
class Change:
    """Another form in which a topic's messages are recorded.

    Attributes:
        name: Topic in the bag.
        kind: Message type in the bag.
        content: Its messages, in CDR, of those that arrive.
    """

    name: str
    kind: str
    content: Callable[[bytes], bytes]


@dataclass(frozen=True)
class TakenMessage:
    """A message between the middleware and the bag.

    Attributes:
        received_ns: When it arrived [ns].
        published_ns: When its publisher sent it [ns].
        sequence: Its number among those of its publisher; 0 where that is not known.
        data: The message in CDR.
        recording: Where it was taken.
    """

    received_ns: int
    published_ns: int
    sequence: int
    data: bytes
    recording: TopicRecording


@dataclass
class TopicRecording:
    """One topic that is being recorded.

    Args:
        node: Subscribes; no executor spins it.
        recorder: Gets the messages.
        name: Topic.
        publishers: Who publishes there.
        change: Another form to record; None records what arrives.

    Attributes:
        unheard: Why somebody who publishes there is not recorded; empty while everybody is.

    Raises:
        UnknownTopicTypeError: The type is not known here, or the publishers do not agree on it.
    """

    node: Node
    recorder: BagRecorder
    name: str
    publishers: Sequence[TopicEndpointInfo]
    change: Change | None = None
    unheard: str = field(default="", init=False)
    _gaps: SequenceGaps = field(default_factory=SequenceGaps, init=False)

    def __post_init__(self) -> None:
        kinds = sorted({publisher.topic_type for publisher in self.publishers})
        if len(kinds) != 1:
            raise UnknownTopicTypeError(f"its publishers do not agree on its type: {', '.join(kinds)}")
        (self.kind,) = kinds
        if self.change is not None and self.kind != IMAGE:
            self.change = None
        try:
            self._message_type: Any = get_message(self.kind)
            written = self._written()
        except (AttributeError, ModuleNotFoundError, ValueError, MessageDefinitionError) as error:
            raise UnknownTopicTypeError(str(error)) from error
        self.recorder.add_topic(written)
        self._recorded_as = written.name
        self._seen = _who(self.publishers)
        self._qos = self._wanted_qos()
        self._subscription = self._subscribe()

    @property
    def lost(self) -> int:
        """Messages of the publisher that have not arrived; 0 where several publish."""
        return self._gaps.lost

    def look_again(self, publishers: Sequence[TopicEndpointInfo]) -> None:
        """Follow the publishers: who keeps less than the others did is heard too.

        What somebody said whom the subscription could not hear until now counts as lost.
        """
        seen = _who(publishers)
        if seen == self._seen:
            return
        self._seen = seen
        others = sorted({publisher.topic_type for publisher in publishers} - {self.kind})
        self.unheard = f"{', '.join(others)} is published there too, beside {self.kind}" if others else ""
        publishers = [publisher for publisher in publishers if publisher.topic_type == self.kind]
        if not publishers:
            return
        for message in self.take():
            self.record(message)
        self.publishers = publishers
        qos = self._wanted_qos()
        unheard = [publisher for publisher in publishers if not _hears(self._qos, publisher)]
        if unheard and len(publishers) == 1:
            self._gaps.expect_first()
        else:
            self._gaps.forget()
        if (qos.reliability, qos.durability) != (self._qos.reliability, self._qos.durability):
            self.node.destroy_subscription(self._subscription)
            self._qos = qos
            self._subscription = self._subscribe()
            names = ", ".join(sorted({publisher.node_name for publisher in unheard}))
            if names:
                self.node.get_logger().warning(
                    f"{self.name}: {names} publishes with less than was promised before "
                    f"({qos.reliability.name}, {qos.durability.name}) and is recorded from now on"
                )
        deaf = [publisher.node_name for publisher in publishers if not _hears(qos, publisher)]
        if deaf and not self.unheard:
            self.unheard = f"{', '.join(deaf)} publishes there with a QoS that no subscription here fits"

    def take(self) -> list[TakenMessage]:
        """What has arrived since the last time."""
        handle = self._subscription.handle
        one_publisher = len(self.publishers) == 1
        messages = []
        while (taken := handle.take_message(self._message_type, True)) is not None:
            data, about = taken
            sequence = about["publication_sequence_number"] or 0
            if one_publisher and sequence:
                self._gaps.note(sequence)
            received_ns = about["received_timestamp"] or time.time_ns()
            published_ns = about["source_timestamp"] or received_ns
            messages.append(TakenMessage(received_ns, published_ns, sequence, data, self))
        return messages

    def record(self, message: TakenMessage) -> None:
        """Give the recorder a message that was taken here."""
        self.recorder.record(
            self._recorded_as,
            message.received_ns,
            message.published_ns,
            message.data,
            message.sequence & _LARGEST_SEQUENCE,
            None if self.change is None else self.change.content,
        )

    def _written(self) -> WrittenTopic:
        name, kind = (self.name, self.kind) if self.change is None else (self.change.name, self.change.kind)
        type_hash = "" if self.change is not None else str(self.publishers[0].topic_type_hash)
        profiles = [qos_as_recorded(publisher.qos_profile) for publisher in self.publishers]
        return WrittenTopic(name, kind, message_definition(kind), profiles, type_hash)

    def _wanted_qos(self) -> QoSProfile:
        depth = _IMAGES_KEPT if self.kind == IMAGE else _MESSAGES_KEPT
        return qos_that_hears([publisher.qos_profile for publisher in self.publishers], depth)

    def _subscribe(self) -> Subscription:
        return self.node.create_subscription(
            self._message_type, self.name, _never_called, self._qos, raw=True
        )


def _who(publishers: Sequence[TopicEndpointInfo]) -> set[tuple[object, ...]]:
    """What makes publishers others than before: themselves, what they publish and what they promise."""
    return {
        (
            *publisher.endpoint_gid,
            publisher.topic_type,
            publisher.qos_profile.reliability,
            publisher.qos_profile.durability,
        )
        for publisher in publishers
    }


def _hears(qos: QoSProfile, publisher: TopicEndpointInfo) -> bool:
    compatibility, _ = qos_check_compatible(publisher.qos_profile, qos)
    return bool(compatibility != QoSCompatibility.ERROR)


def _never_called(_: bytes) -> None:
    """Messages are taken, not delivered."""
