"""``diagnostic_msgs/DiagnosticArray``: what a node says about its health."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header


class Level(Enum):
    """Severity, as ``rqt_robot_monitor`` and Foxglove show it."""

    OK = DiagnosticStatus.OK
    WARN = DiagnosticStatus.WARN
    ERROR = DiagnosticStatus.ERROR
    STALE = DiagnosticStatus.STALE


def encode_diagnostics(
    name: str, level: Level, message: str, values: Mapping[str, object], header: Header, hardware_id: str = ""
) -> DiagnosticArray:
    """One node's status; numbers keep six significant digits, and a value that is None is left out."""
    pairs = [KeyValue(key=key, value=_text(value)) for key, value in values.items() if value is not None]
    status = DiagnosticStatus(
        level=level.value, name=name, message=message, hardware_id=hardware_id, values=pairs
    )
    return DiagnosticArray(header=header, status=[status])


def decode_diagnostics(array: DiagnosticArray, name: str) -> tuple[Level, str, dict[str, str]] | None:
    """Level, message and values of the status called ``name``; None if the array does not hold it."""
    for status in array.status:
        if status.name == name:
            return Level(status.level), status.message, {pair.key: pair.value for pair in status.values}
    return None


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
