"""Gripper goals and their answers: a stop passes a goal over, and an answer belongs to its own goal."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from ik_controller.nodes import gripper_link
from ik_controller.nodes.gripper_link import GripperLink


class Answer:
    """A future that the test completes."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Answer], None]] = []
        self._value: object = None

    def add_done_callback(self, callback: Callable[[Answer], None]) -> None:
        self._callbacks.append(callback)

    def result(self) -> object:
        return self._value

    def give(self, value: object) -> None:
        self._value = value
        for callback in self._callbacks:
            callback(self)


class Server:
    """Stands in for the action client: it keeps each goal's answer open."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def server_is_ready(self) -> bool:
        return True

    def send_goal_async(self, goal: object) -> Answer:
        self.answers.append(Answer())
        return self.answers[-1]

    def answer(self, number: int, *, accepted: bool) -> None:
        self.answers[number].give(SimpleNamespace(accepted=accepted, get_result_async=Answer))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(gripper_link, "ActionClient", lambda *_: server)
    return server


def test_what_goes_with_a_goal_is_not_sent_after_a_stop(server: Server) -> None:
    link = GripperLink(None, "/gripper")
    heard: list[str | None] = []
    link.send(0.02, 20.0, heard.append)
    assert link.waiting
    link.pass_over()
    assert not link.waiting
    server.answer(0, accepted=True)
    assert heard == []
    assert link.result == "passed over by a stop"


@pytest.mark.parametrize("accepted", [True, False])
def test_a_late_answer_is_not_taken_for_that_of_the_next_goal(server: Server, accepted: bool) -> None:
    link = GripperLink(None, "/gripper")
    link.send(0.02, 20.0, lambda _: None)
    link.pass_over()
    heard: list[str | None] = []
    link.send(0.08, 20.0, heard.append)
    server.answer(0, accepted=accepted)
    assert link.waiting and heard == []
    server.answer(1, accepted=True)
    assert heard == [None]
