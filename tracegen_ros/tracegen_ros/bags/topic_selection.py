"""Which of the topics that are there belong into a recording."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tracegen_ros.bags.topic_map import TopicMap

ALL = "all"

_OWN = frozenset(value for value in vars(TopicMap()).values() if isinstance(value, str)) | {
    "/rosout",
    "/fr3_gripper/gripper_action/_action/status",
    "/fr3_gripper/joint_states",
}
_OWN_NODES = ("/trace_follower/", "/fr3_driver/", "/joint_trajectory_controller/", "/ghost/")


class SelectionError(ValueError):
    """A list of topics that cannot be used."""


@dataclass(frozen=True)
class TopicSelection:
    """What is recorded.

    Attributes:
        topics: Names; empty means what this project's nodes see, say and do, ``all`` means everything.
        also: Names that are recorded besides.
        never: Names that are not recorded, whatever the others say.
    """

    topics: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            for name in getattr(self, field.name) - {ALL}:
                if not name.startswith("/"):
                    raise SelectionError(
                        f"'{field.name}' must be full names such as /{name}, separated by spaces; got {name!r}"
                    )

    @classmethod
    def from_words(cls, topics: str, also: str, never: str) -> TopicSelection:
        """The selection that three lists of names, separated by spaces, stand for.

        Raises:
            SelectionError: A name that is no topic's full name.
        """
        return cls(frozenset(topics.split()), frozenset(also.split()), frozenset(never.split()))

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or name in self.never:
            return False
        if name in self.also or name in self.topics or ALL in self.topics:
            return True
        if self.topics:
            return False
        return name in _OWN or (name.startswith(_OWN_NODES) and "/_action/" not in name)
