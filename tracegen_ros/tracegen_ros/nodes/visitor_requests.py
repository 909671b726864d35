"""What people in front of the browser viewer ask of the robot: an instruction, stop, enable, recover.

It goes the way it goes from a shell: an instruction on its topic, all else through the follower's services.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from tracegen_ros.instruction import InstructionTextError, clean_instruction
from tracegen_ros.qos import LATCHED

_ANSWER_TIMEOUT_S = 3.0
"""How long a service may take to answer [s]."""

_LOOK_PERIOD_S = 0.1
"""How often answers that are waited for are looked for [s]."""


class Notify(Protocol):
    """Tells everybody who looks, which may be nobody."""

    def __call__(self, title: str, text: str, *, bad: bool = False) -> None:
        """Show ``text`` under ``title``, as a failure where ``bad``."""


@dataclass(frozen=True)
class _Awaited:
    name: str
    answer: Future
    deadline_s: float
    otherwise: Callable[[], None]


class VisitorRequests:
    """Passes on what visitors ask for, and tells them what came of it.

    What was asked for is seen through to its end, whether or not the one who asked still looks: answers are waited for
    by a timer of their own, which runs only while there are any to wait for.

    Args:
        node: Publishes, calls and waits; every function here is called in its thread.
        follower: Name of the node whose services are called.
        instruction_topic: Where instructions go.
        notify: Shows what came of a request.
    """

    def __init__(self, node: Node, follower: str, instruction_topic: str, notify: Notify) -> None:
        self._logger = node.get_logger()
        self._notify = notify
        self._instructions = node.create_publisher(String, instruction_topic, LATCHED)
        self._stop = node.create_client(Trigger, f"{follower}/stop")
        self._enable = node.create_client(SetBool, f"{follower}/enable")
        self._recover = node.create_client(Trigger, f"{follower}/recover")
        self._awaited: list[_Awaited] = []
        self._timer = node.create_timer(
            _LOOK_PERIOD_S, self._look_for_answers, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._timer.cancel()

    def instruct(self, text: str) -> None:
        """Publish ``text`` as the instruction; what cannot be one is refused."""
        try:
            sentence = clean_instruction(text)
        except InstructionTextError as error:
            self._notify("Not sent", str(error), bad=True)
            return
        if not sentence:
            self._notify("Not sent", "say what to do; the stop button stops", bad=True)
            return
        self._logger.info(f"from the browser: {sentence!r}")
        self._instructions.publish(String(data=sentence))

    def stop(self) -> None:
        """Call the stop service; an empty instruction goes out if it is missing or silent."""
        self._logger.warning("from the browser: stop")

        def say_nothing_to_do() -> None:
            # The instruction topic is the other way to a stop: an empty one.
            self._logger.warning("no answer of the stop service: stopping by an empty instruction instead")
            self._instructions.publish(String(data=""))

        self._call("Stop", self._stop, Trigger.Request(), say_nothing_to_do)

    def enable(self, value: bool) -> None:
        """Call the enable service: whether the robot may move."""
        name = "Enable" if value else "Disable"
        self._logger.info(f"from the browser: {name.lower()}")
        self._call(name, self._enable, SetBool.Request(data=value), lambda: None)

    def recover(self) -> None:
        """Call the recover service: somebody has looked at what led to a fault."""
        self._logger.warning("from the browser: recover")
        self._call("Recover", self._recover, Trigger.Request(), lambda: None)

    def _call(self, name: str, client: Client, request: Any, otherwise: Callable[[], None]) -> None:
        if not client.service_is_ready():
            self._notify(name, f"{client.srv_name} is not there", bad=True)
            otherwise()
            return
        deadline_s = time.monotonic() + _ANSWER_TIMEOUT_S
        self._awaited.append(_Awaited(name, client.call_async(request), deadline_s, otherwise))
        self._timer.reset()

    def _look_for_answers(self) -> None:
        now_s = time.monotonic()
        looked_at, self._awaited = self._awaited, []
        for one in looked_at:
            if one.answer.done():
                answer = one.answer.result()
                self._notify(one.name, answer.message, bad=not answer.success)
            elif now_s > one.deadline_s:
                # First what matters: the robot is to stop whether or not anybody can be told.
                one.otherwise()
                one.answer.cancel()
                self._notify(one.name, f"no answer for {_ANSWER_TIMEOUT_S:g} s", bad=True)
            else:
                self._awaited.append(one)
        if not self._awaited:
            self._timer.cancel()
