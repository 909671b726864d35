"""What the live nodes last said of themselves in their diagnostics."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray

from tracegen_ros.messages import Level, decode_diagnostics, decode_stamp

TRACE_HEALTH = "trace_node: inference"
MOTION_HEALTH = "trace_follower: motion"

_INSTRUCTION_KEYS = {TRACE_HEALTH: "instruction", MOTION_HEALTH: "task"}
"""Where in their diagnostics the nodes tell the instruction that they have heard."""


@dataclass(frozen=True)
class Health:
    """One node's word.

    Attributes:
        heard_s: When it was heard [s of wall time]; 0 = never.
        level: How the node is.
        words: Why.
        values: Its numbers.
        stamp_ns: The node's own time then [ns].
    """

    heard_s: float = 0.0
    level: Level = Level.OK
    words: str = ""
    values: dict[str, str] = field(default_factory=dict)
    stamp_ns: int = 0


class NodeWords:
    """Of the nodes that answer to a replay.

    Args:
        names: Their diagnostics' names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._health = dict.fromkeys(names, Health())

    @property
    def names(self) -> tuple[str, ...]:
        """The diagnostics' names of the nodes."""
        return tuple(self._health)

    def hear(self, message: DiagnosticArray) -> None:
        """Diagnostics of these nodes or of others."""
        for name in self._health:
            status = decode_diagnostics(message, name)
            if status is not None:
                self._health[name] = Health(time.monotonic(), *status, decode_stamp(message.header.stamp))

    def of(self, name: str) -> Health:
        """What the node ``name`` last said."""
        return self._health[name]

    @property
    def all_active(self) -> bool:
        """Every node was heard and is at work."""
        return all(health.heard_s > 0.0 and health.words != "inactive" for health in self._health.values())

    def all_took(self, instruction: str, since_s: float) -> bool:
        """Every node has said since ``since_s`` [s of wall time] that ``instruction`` is its own."""
        return all(
            health.heard_s > since_s and health.values.get(_INSTRUCTION_KEYS[name], "") == instruction
            for name, health in self._health.items()
        )

    def all_at_most(self, time_ns: int, since_s: float) -> bool:
        """Every node has spoken since ``since_s`` [s of wall time], at ``time_ns`` [ns] or before on its clock."""
        return all(
            health.heard_s > since_s and health.stamp_ns <= time_ns for health in self._health.values()
        )

    def __str__(self) -> str:
        return "; ".join(
            f"{name} says {health.words!r}" if health.heard_s else f"{name} says nothing; is it running?"
            for name, health in self._health.items()
        )
