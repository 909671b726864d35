"""Our RViz configuration, read as RViz reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from tests.rviz_config.catalogue import DISPLAYS

CONFIG = Path(__file__).parents[2] / "launch" / "rviz" / "fr3_demo.rviz"

_RELIABILITY = {"Reliable": ReliabilityPolicy.RELIABLE, "Best Effort": ReliabilityPolicy.BEST_EFFORT}
_DURABILITY = {"Transient Local": DurabilityPolicy.TRANSIENT_LOCAL, "Volatile": DurabilityPolicy.VOLATILE}


@dataclass(frozen=True)
class Subscription:
    """What a display asks for."""

    display: str
    topic: str
    message_type: str
    qos: QoSProfile
    namespaces: frozenset[str]
    enabled: bool


def read_config() -> dict[str, Any]:
    """The file's content."""
    content = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def displays() -> list[dict[str, Any]]:
    """The entries of all displays."""
    return list(read_config()["Visualization Manager"]["Displays"])


def subscriptions() -> list[Subscription]:
    """What all displays together subscribe to."""
    found = []
    for display in displays():
        known = DISPLAYS[display["Class"]]
        if known.message_type is None:
            continue
        topic = display[known.topic_property]
        found.append(
            Subscription(
                display=display["Name"],
                topic=topic["Value"],
                message_type=known.message_type,
                qos=QoSProfile(
                    history=HistoryPolicy.KEEP_LAST,
                    depth=topic["Depth"],
                    reliability=_RELIABILITY[topic["Reliability Policy"]],
                    durability=_DURABILITY[topic["Durability Policy"]],
                ),
                namespaces=frozenset(display.get("Namespaces", {})),
                enabled=display["Enabled"],
            )
        )
    return found
