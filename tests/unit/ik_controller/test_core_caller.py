"""Every call of the motion core is made once and said once, with its number."""

from __future__ import annotations

from typing import Any

import pytest

from ik_controller.follower import FollowerOutput, FollowerState
from ik_controller.nodes.core_caller import CoreCaller
from ik_controller.nodes.follower_health import follower_health
from tracegen_ros.messages import Level
from tracegen_ros.messages.core_calls import CallKind, CoreCall, decode_core_call


class Core:
    """Remembers what it was told; its updates fail."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def set_task(self, text: str) -> None:
        self.told.append(text)

    def enable(self, on: bool) -> None:
        self.told.append(on)

    def stop(self, reason: str) -> None:
        self.told.append(reason)

    def recover(self) -> bool:
        self.told.append("recover")
        return True

    def begin(self) -> None:
        self.told.append("begin")

    def update(self, inputs: object) -> None:
        raise RuntimeError("broken")


def test_calls_are_counted_and_recorded_ones_keep_their_numbers() -> None:
    core, said = Core(), []
    caller = CoreCaller(core, lambda message: said.append(decode_core_call(message)))
    caller.enable(True)
    caller.set_task("lift")
    caller.make(CoreCall(7, CallKind.STOP, "enough"))
    caller.make(CoreCall(0, CallKind.BEGIN))
    caller.stop("again")
    assert core.told == [True, "lift", "enough", "begin", "again"]
    assert [(call.number, call.kind) for call in said] == [
        (0, CallKind.ENABLE),
        (1, CallKind.TASK),
        (7, CallKind.STOP),
        (0, CallKind.BEGIN),
        (1, CallKind.STOP),
    ]
    core.told.clear()
    assert caller.recover()
    caller.begin()
    assert core.told == ["recover", "begin"] and caller.number == 0


def test_an_update_is_on_record_though_the_core_breaks() -> None:
    said: list[CoreCall] = []
    caller = CoreCaller(Core(), lambda message: said.append(decode_core_call(message)))
    call = CoreCall(caller.number, CallKind.UPDATE, now_ns=3)
    with pytest.raises(RuntimeError, match="broken"):
        caller.update(None, call)
    assert said == [call] and caller.number == 1


class Gate:
    """Open, closed or refusing."""

    reason = "the hand is seen elsewhere"

    def __init__(self, is_open: bool, refused: bool = False) -> None:
        self.is_open, self.refused = is_open, refused


HOLDING = FollowerOutput(FollowerState.HOLD, "no traces", None, 0.0)
FAULTY = FollowerOutput(FollowerState.FAULT, "the fingers are stuck", None, 0.0)
FOLLOWING = FollowerOutput(FollowerState.FOLLOW, "on its way", None, 0.0)


@pytest.mark.parametrize(
    ("errors", "gate", "output", "task", "expected"),
    [
        (["depth: none"], Gate(False), HOLDING, "", (Level.ERROR, "depth: none")),
        ([], Gate(False), HOLDING, "", (Level.WARN, "IDLE: the hand is seen elsewhere")),
        ([], Gate(False, True), HOLDING, "", (Level.ERROR, "IDLE: the hand is seen elsewhere")),
        ([], Gate(True), None, "", (Level.OK, "waiting for an instruction")),
        ([], Gate(True), None, "lift", (Level.OK, "waiting for traces")),
        ([], Gate(True), HOLDING, "lift", (Level.WARN, "HOLD: no traces")),
        ([], Gate(True), FAULTY, "lift", (Level.ERROR, "FAULT: the fingers are stuck")),
        ([], Gate(True), FOLLOWING, "lift", (Level.OK, "FOLLOW: on its way")),
    ],
)
def test_what_is_worst_is_said_first(
    errors: list[str], gate: Gate, output: FollowerOutput | None, task: str, expected: tuple[Level, str]
) -> None:
    assert follower_health(errors, gate, output, task) == expected
