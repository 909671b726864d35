"""Who is on the graph beside a replay: the nodes that answer have to be, other robots and cameras must not."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node

from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.nodes.node_words import NodeWords
from tracegen_ros.nodes.recorded_publishers import RecordedPublishers
from tracegen_ros.nodes.replay_clock import CLOCK_TOPIC
from tracegen_ros.nodes.replay_company import TOPICS, company, refuse
from tracegen_ros.nodes.replay_parameters import CALLS_TOPIC, ReplayParameters

_LIVE = TopicMap()


class LiveGraph:
    """Looks around before anything is shown.

    Args:
        node: The replay.
        publishers: What it publishes.
        words: What the nodes that answer say of themselves.
        parameters: Whether there are commands, and where the gripper's goals go.
        repeats_calls: Whether the follower is to decide on the recorded run's own inputs.
    """

    def __init__(
        self,
        node: Node,
        publishers: RecordedPublishers,
        words: NodeWords,
        parameters: ReplayParameters,
        repeats_calls: Callable[[], bool],
    ) -> None:
        self._node = node
        self._publishers = publishers
        self._words = words
        self._parameters = parameters
        self._repeats_calls = repeats_calls

    def is_ready(self) -> bool:
        """The nodes that answer are active and hear what they need.

        Raises:
            ReplayError: Somebody is there beside them.
        """
        self._refuse_company()
        listeners, nodes = self._publishers.listeners, len(self._words.names)
        return (
            self._words.all_active
            and listeners(_LIVE.colour) >= 1
            and listeners(_LIVE.depth) >= nodes
            and listeners(_LIVE.colour_info) >= nodes
            # Each node listens to latched and to ordinary publishers, and so does the replay.
            and listeners(_LIVE.instruction) >= 2 * (nodes + 1)
            and (not self._parameters.commands or self._follower_is_connected())
        )

    def _follower_is_connected(self) -> bool:
        goals = f"{self._parameters.gripper_action}/_action/send_goal"
        return (
            self._publishers.listeners(_LIVE.joint_states) >= 1
            and self._node.count_clients(goals) >= 1
            and (not self._repeats_calls() or self._publishers.listeners(CALLS_TOPIC) >= 1)
            and (not self._repeats_calls() or self._node.count_publishers(_LIVE.core_calls) >= 1)
        )

    def _refuse_company(self) -> None:
        own = {topic: int(topic in self._publishers) for topic in TOPICS}
        own |= {CLOCK_TOPIC: 1, _LIVE.traces: 1, "/replay": 1, "/trace_node": 1}
        if self._parameters.commands:
            own |= {_LIVE.follower_state: 1, _LIVE.core_calls: 1, "/trace_follower": 1}
        refuse(company(self._node, own))
