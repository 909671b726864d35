"""The text that describes a message type in a bag: its definition and those of all types in it.

Files are read without the packages' sources by what stands here, so it has to be complete. The form is that of rosbag2:
https://mcap.dev/spec/registry#ros2msg
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

ENCODING = "ros2msg"

_SEPARATOR = "=" * 80
_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_PRIMITIVES = _INTEGERS | {"bool", "byte", "char", "string", "wstring", "float32", "float64"}
_FIELD = re.compile(r"^(?P<kind>[A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*")


class MessageDefinitionError(LookupError):
    """A message type whose definition is not on this machine."""


def message_definition(kind: str) -> str:
    """The definition of the message type ``kind``, such as ``sensor_msgs/msg/Image``.

    Raises:
        MessageDefinitionError: Not a message type, or its package is not installed here.
    """
    parts: list[str] = []
    seen = {kind}
    waiting = deque([kind])
    while waiting:
        current = waiting.popleft()
        package, _, name = current.split("/") if current.count("/") == 2 else ("", "", "")
        text = _own_definition(package, name, kind)
        parts.append(text if current == kind else f"{_SEPARATOR}\nMSG: {package}/{name}\n{text}")
        for inner in _inner_kinds(text, package):
            if inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    return "\n".join(parts)


def _own_definition(package: str, name: str, wanted: str) -> str:
    try:
        return (Path(get_package_share_directory(package)) / "msg" / f"{name}.msg").read_text(
            encoding="utf-8"
        )
    except (OSError, PackageNotFoundError, ValueError) as error:
        raise MessageDefinitionError(
            f"the definition of {wanted} is not on this machine ({error}); install or source the package that has it"
        ) from error


def _inner_kinds(text: str, package: str) -> list[str]:
    """Types of the fields that are messages themselves."""
    kinds = []
    for line in text.splitlines():
        field = _FIELD.match(line.split("#", 1)[0].strip())
        if field is None or field["kind"] in _PRIMITIVES:
            continue
        *path, name = field["kind"].split("/")
        kinds.append(f"{path[0] if path else package}/msg/{name}")
    return kinds
