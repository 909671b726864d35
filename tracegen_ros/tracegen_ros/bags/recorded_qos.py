"""Publishers' delivery promises: as bags keep them, and the subscription that hears all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def qos_as_recorded(profile: QoSProfile) -> dict[str, Any]:
    """A publisher's profile as rosbag2 writes it into bags (metadata version 9)."""
    return {
        "history": _name(profile.history),
        "depth": profile.depth,
        "reliability": _name(profile.reliability),
        "durability": _name(profile.durability),
        "deadline": _duration(profile.deadline),
        "lifespan": _duration(profile.lifespan),
        "liveliness": _name(profile.liveliness),
        "liveliness_lease_duration": _duration(profile.liveliness_lease_duration),
        "avoid_ros_namespace_conventions": profile.avoid_ros_namespace_conventions,
    }


def qos_that_hears(offered: Sequence[QoSProfile], depth: int) -> QoSProfile:
    """The strongest promises that every publisher keeps, with room for ``depth`` messages."""
    reliable = all(profile.reliability is ReliabilityPolicy.RELIABLE for profile in offered)
    latched = all(profile.durability is DurabilityPolicy.TRANSIENT_LOCAL for profile in offered)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _name(policy: Any) -> str:
    return str(policy.name).lower()


def _duration(duration: Duration) -> dict[str, int]:
    seconds, nanoseconds = divmod(duration.nanoseconds, 10**9)
    return {"sec": seconds, "nsec": nanoseconds}
