"""Watches whether those who said where the camera stands are still there.

A fixed transform is said once and kept: its publisher's end cannot be heard. It can be seen in the graph. A camera
whose publisher is gone may be remounted while nobody says where it is, so the arm holds until somebody says it again.
Nodes may take another name each time they start, and others end that have nothing to do with the camera: so what
counts is not the name but the pose. A listener that begins after the loss hears fixed transforms only of publishers
that live.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rclpy.node import Node
from rclpy.time import Time
from tf2_ros import Buffer, TransformListener

FIXED_TRANSFORMS = "/tf_static"
MOVING_TRANSFORMS = "/tf"

_NAMELESS = "_NODE_NAME_UNKNOWN_"
"""What the graph says of publishers that are no ROS nodes."""


class PoseQuestion(Protocol):
    """Asks those who publish transforms now where the camera stands."""

    def is_answered(self) -> bool:
        """Somebody has said it since."""

    def close(self) -> None:
        """Ask no more."""


class FreshListener:
    """A ``PoseQuestion``: knows only what is said from its beginning on, and what living publishers keep for it.

    Args:
        node: Listens.
        frames: Base and camera frames whose poses are wanted.
    """

    def __init__(self, node: Node, frames: list[tuple[str, str]]) -> None:
        self._frames = frames
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)

    def is_answered(self) -> bool:
        """All poses have been said."""
        return all(self._buffer.can_transform(base, camera, Time()) for base, camera in self._frames)

    def close(self) -> None:
        """Listen no more."""
        self._listener.unregister()


class TransformWatch:
    """Remembers who published transforms when the camera's pose was found.

    Args:
        node: Whose view of the graph is used.
        ask: Asks anew where the camera stands.
    """

    def __init__(self, node: Node, ask: Callable[[], PoseQuestion]) -> None:
        self._node = node
        self._ask = ask
        self._needed: frozenset[str] | None = None
        self._gone: frozenset[str] = frozenset()
        self._question: PoseQuestion | None = None
        self._topics = (FIXED_TRANSFORMS,)

    def begin(self, pose_is_fixed: bool) -> None:
        """The camera's pose has been found; whoever publishes transforms now is needed from now on."""
        if self._needed is None:
            self._topics = (FIXED_TRANSFORMS,) if pose_is_fixed else (FIXED_TRANSFORMS, MOVING_TRANSFORMS)
            self._needed = self._publishers()

    def missing(self) -> list[str]:
        """Names of the nodes that are gone, until somebody says the pose again; empty before ``begin``."""
        if self._needed is None:
            return []
        here = self._publishers()
        lost = self._needed - here
        if lost - self._gone:
            # Whoever has answered before may be the one that is gone now.
            self._stop_asking()
            self._gone |= lost
            self._question = self._ask()
        elif self._question is not None and self._question.is_answered():
            self.forget()
            self._needed = here
        return sorted(self._gone)

    def forget(self) -> bool:
        """Nobody is needed until ``begin`` is called again; False where nobody was missing."""
        was_missing = bool(self._gone)
        self._stop_asking()
        self._needed, self._gone = None, frozenset()
        return was_missing

    def _stop_asking(self) -> None:
        if self._question is not None:
            self._question.close()
            self._question = None

    def _publishers(self) -> frozenset[str]:
        found = (info for topic in self._topics for info in self._node.get_publishers_info_by_topic(topic))
        return frozenset(
            f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            for info in found
            if info.node_name != _NAMELESS
        )
