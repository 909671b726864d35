"""Topics that are looked at now and then, instead of being woken by every message.

A subscription in an executor costs Python time for each message, wanted or not. These belong to a node that no executor
spins: the middleware keeps the newest message, and Python takes it when it is about to be used.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription


@dataclass(frozen=True)
class Topic:
    """What to look at.

    Attributes:
        kind: Message class.
        name: Of the topic.
        latched: Its last messages are wanted too, those from before; they are waited for, and none is lost.
        kept: Messages that the middleware keeps between two looks.
    """

    kind: type
    name: str
    latched: bool = False
    kept: int = 1

    @property
    def qos(self) -> QoSProfile:
        """Best effort where only the newest counts: no publisher ever waits for this reader."""
        return QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=self.kept,
            reliability=ReliabilityPolicy.RELIABLE if self.latched else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if self.latched else DurabilityPolicy.VOLATILE,
        )


class NewestMessages:
    """The newest messages of ``topics``, by the names they have there; subscribed only while ``open``."""

    def __init__(self, node_name: str, topics: Mapping[str, Topic]) -> None:
        self._topics = dict(topics)
        self._node = Node(
            node_name, use_global_arguments=False, enable_rosout=False, start_parameter_services=False
        )
        self._subscriptions: dict[str, Subscription] = {}
        self._arrived_s: dict[str, float] = {}

    def open(self) -> None:
        """Subscribe."""
        for name, topic in self._topics.items():
            self._subscriptions[name] = self._node.create_subscription(
                topic.kind, topic.name, lambda _: None, topic.qos
            )

    def close(self) -> None:
        """Unsubscribe: publishers send nothing here any more."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions = {}
        self._arrived_s = {}

    def destroy(self) -> None:
        """Let go of everything."""
        self.close()
        self._node.destroy_node()

    def take_all(self, name: str) -> list[Any]:
        """What came since the last look, as far as it was kept; oldest first."""
        subscription = self._subscriptions.get(name)
        if subscription is None:
            return []
        messages = []
        with subscription.handle:
            while (
                taken := subscription.handle.take_message(subscription.msg_type, subscription.raw)
            ) is not None:
                messages.append(taken[0])
        if messages:
            self._arrived_s[name] = time.monotonic()
        return messages

    def take(self, name: str) -> Any | None:
        """The newest message since the last look; None if there is none."""
        messages = self.take_all(name)
        return messages[-1] if messages else None

    def age_s(self, name: str, now_s: float) -> float | None:
        """How long ago [s] a look found something, at ``now_s`` of ``time.monotonic``; None if none ever did."""
        arrived_s = self._arrived_s.get(name)
        return None if arrived_s is None else now_s - arrived_s

    def publishers(self, name: str) -> int:
        """How many publish the topic."""
        return self._node.count_publishers(self._topics[name].name)
