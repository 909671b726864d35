"""``std_msgs/String`` <-> ``CoreCall``: with what the follower called its motion core, as JSON that people can read.

Live, a decision depends on when its inputs arrived. A recording of the calls, each naming its inputs by their stamps,
lets a replay make the same decisions again, however long everything takes there.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum

from std_msgs.msg import String

from tracegen_ros.messages.errors import MessageError


class CallKind(StrEnum):
    """What was called."""

    UPDATE = "update"
    TASK = "task"
    ENABLE = "enable"
    STOP = "stop"
    RECOVER = "recover"
    BEGIN = "begin"
    """From a replay: the calls of a recorded run follow, from its beginning."""
    END = "end"
    """From a replay: no more calls follow; decide freely."""


@dataclass(frozen=True)
class CoreCall:
    """One call.

    Attributes:
        number: Counts the calls since the node was activated.
        kind: What was called.
        text: The task, or the reason of a stop.
        on: Whether motion was allowed, of ``enable``.
        now_ns: The core's time, of ``update`` [ns].
        traces_ns: Stamp of the traces [ns]; None = a call without traces, as the watchdog's.
        joints_ns: Stamp of the joint state that counted as newest [ns].
        fingers_ns: Stamp of the fingers' opening that counted as newest [ns].
        has_depth: The depth image of the traces' stamp was there.
        has_camera: The camera's intrinsics and its pose were there.
        knows_joints: The joints at the traces' stamp were known.
        gripper_busy: A gripper goal was being carried out.
        silent: Inputs that should have been coming and had gone silent.
    """

    number: int
    kind: CallKind
    text: str = ""
    on: bool = False
    now_ns: int = 0
    traces_ns: int | None = None
    joints_ns: int | None = None
    fingers_ns: int | None = None
    has_depth: bool = False
    has_camera: bool = False
    knows_joints: bool = False
    gripper_busy: bool = False
    silent: tuple[str, ...] = ()


def encode_core_call(call: CoreCall) -> String:
    """Message of ``call``."""
    values = dataclasses.asdict(call)
    defaults = {field.name: field.default for field in dataclasses.fields(CoreCall)}
    return String(data=json.dumps({name: value for name, value in values.items() if value != defaults[name]}))


def decode_core_call(message: String) -> CoreCall:
    """The call that ``message`` tells of.

    Raises:
        MessageError: It tells of none.
    """
    try:
        values = json.loads(message.data)
        kind = CallKind(values["kind"])
        return CoreCall(**{**values, "kind": kind, "silent": tuple(values.get("silent", ()))})
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise MessageError(f"{message.data[:80]!r} tells of no call of the motion core: {error}") from error
