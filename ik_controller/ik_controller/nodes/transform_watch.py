"""Watches whether those who said where the camera stands are still there.

A fixed transform is said once and kept: its publisher's end cannot be heard. It can be seen in the graph. A camera
whose publisher is gone may be remounted while nobody says where it is, so the arm holds until it is back.
"""

from __future__ import annotations

from rclpy.node import Node

FIXED_TRANSFORMS = "/tf_static"
MOVING_TRANSFORMS = "/tf"

_NAMELESS = "_NODE_NAME_UNKNOWN_"
"""What the graph says of publishers that are no ROS nodes."""


class TransformWatch:
    """Remembers who published transforms when the camera's pose was found.

    Args:
        node: Whose view of the graph is used.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._needed: frozenset[str] | None = None
        self._topics = (FIXED_TRANSFORMS,)

    def begin(self, pose_is_fixed: bool) -> None:
        """The camera's pose has been found; whoever publishes transforms now is needed from now on."""
        if self._needed is None:
            self._topics = (FIXED_TRANSFORMS,) if pose_is_fixed else (FIXED_TRANSFORMS, MOVING_TRANSFORMS)
            self._needed = self._publishers()

    def missing(self) -> list[str]:
        """Names of the nodes that are needed and gone; empty before ``begin``."""
        return sorted(self._needed - self._publishers()) if self._needed else []

    def _publishers(self) -> frozenset[str]:
        found = (info for topic in self._topics for info in self._node.get_publishers_info_by_topic(topic))
        return frozenset(
            f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            for info in found
            if info.node_name != _NAMELESS
        )
