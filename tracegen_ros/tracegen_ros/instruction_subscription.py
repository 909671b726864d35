"""Hearing instructions from whoever speaks: latched publishers and ordinary ones.

A latched subscription gets the task that was given before it existed, but DDS does not connect it to a publisher that
is not latched, such as ``ros2 topic pub``. So there are two subscriptions. What a latched publisher says comes through
both; it is passed on once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import String

from tracegen_ros.qos import LATCHED, LATEST

_TWIN_WITHIN_S = 5.0
"""The same text on the other subscription within this long [s] is the same message."""


def subscribe_to_instructions(
    node: Node, topic: str, on_instruction: Callable[[String], None]
) -> list[Subscription]:
    """Call ``on_instruction`` once for each message on ``topic``; returns the subscriptions, for destroying them."""
    awaiting_twin: dict[bool, dict[str, float]] = {True: {}, False: {}}

    def listener(latched: bool) -> Callable[[String], None]:
        def pass_on_once(message: String) -> None:
            now_s = time.monotonic()
            heard_s = awaiting_twin[not latched].pop(message.data, None)
            if heard_s is not None and now_s - heard_s < _TWIN_WITHIN_S:
                return
            recent = {text: at for text, at in awaiting_twin[latched].items() if now_s - at < _TWIN_WITHIN_S}
            awaiting_twin[latched] = recent | {message.data: now_s}
            on_instruction(message)

        return pass_on_once

    # That the latched one does not fit ordinary publishers is known, and no reason to warn.
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    return [
        node.create_subscription(String, topic, listener(True), LATCHED, event_callbacks=silent),
        node.create_subscription(String, topic, listener(False), LATEST),
    ]
