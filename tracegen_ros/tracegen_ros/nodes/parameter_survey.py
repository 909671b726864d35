"""Asks the nodes of a running system for their parameters, without waiting for any of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.task import Future

_SETTLED = 2
"""A node is asked when it has been there for this many looks: the answer to a brand-new client may be lost."""

_PATIENCE = 10
"""Looks after which a question without an answer is asked again."""


class ParameterSurvey:
    """Parameters of all nodes but the one that asks; ``look`` is called again and again.

    Args:
        node: Asks.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._questions: dict[str, _Question] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        """Parameters by node, by name, of the nodes that have answered."""

    def look(self) -> bool:
        """Ask nodes that have not been asked; True when answers have come since the last look."""
        before = len(self.answers)
        own = self._node.get_name()
        for name, namespace in self._node.get_node_names_and_namespaces():
            full_name = f"{namespace.rstrip('/')}/{name}"
            if name not in (own, f"_{own}") and full_name not in self.answers:
                self._questions.setdefault(full_name, _Question(self._node, full_name)).look()
        for full_name, question in list(self._questions.items()):
            if question.answer is not None:
                self.answers[full_name] = question.answer
                question.close()
                del self._questions[full_name]
        return len(self.answers) > before


class _Question:
    """What one node is asked: first the names of its parameters, then their values."""

    def __init__(self, node: Node, name: str) -> None:
        self._node = node
        self._list = node.create_client(ListParameters, f"{name}/list_parameters")
        self._get = node.create_client(GetParameters, f"{name}/get_parameters")
        self._looks = 0
        self.answer: dict[str, Any] | None = None

    def look(self) -> None:
        """Go on asking."""
        if not (self._list.service_is_ready() and self._get.service_is_ready()):
            self._looks = 0
            return
        self._looks += 1
        if self._looks % _PATIENCE == _SETTLED:
            self._list.call_async(ListParameters.Request()).add_done_callback(self._on_names)

    def close(self) -> None:
        """Let go of the clients."""
        self._node.destroy_client(self._list)
        self._node.destroy_client(self._get)

    def _on_names(self, future: Future) -> None:
        response = future.result()
        if response is not None and self.answer is None:
            names = list(response.result.names)
            asked = self._get.call_async(GetParameters.Request(names=names))
            asked.add_done_callback(partial(self._on_values, names))

    def _on_values(self, names: list[str], future: Future) -> None:
        response = future.result()
        if response is not None:
            self.answer = {name: _plain(value) for name, value in zip(names, response.values, strict=False)}


def _plain(value: ParameterValue) -> Any:
    plain = parameter_value_to_python(value)
    if plain is None or isinstance(plain, bool | int | float | str):
        return plain
    return [one.hex() if isinstance(one, bytes) else one for one in plain]
