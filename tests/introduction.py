"""Clients become known to a server before anything that counts is asked of it.

A server loses its answer to a client that it has not heard of yet. It hears of clients in the order they are made in,
so the answer to a later one's harmless question, asked until it comes, says that the earlier ones are known.
"""

from __future__ import annotations

import time

from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.task import Future

ASK_AGAIN_S = 2.0
"""A question that is not answered within this is asked again [s]."""


class Introduction:
    """Of all clients that ``node`` has made so far to the node called ``server``."""

    def __init__(self, node: Node, server: str) -> None:
        self._node = node
        self._client = node.create_client(GetParameters, f"{server}/get_parameters")
        self._asked_s = -ASK_AGAIN_S
        self._answers: list[Future] = []

    def is_done(self) -> bool:
        """Whether the server knows them; to be called until it is so, while messages are moved."""
        now_s = time.monotonic()
        if self._client.service_is_ready() and now_s - self._asked_s > ASK_AGAIN_S:
            self._asked_s = now_s
            self._answers.append(self._client.call_async(GetParameters.Request()))
        return any(answer.done() for answer in self._answers)

    def close(self) -> None:
        """Take back the client that asked."""
        self._node.destroy_client(self._client)
