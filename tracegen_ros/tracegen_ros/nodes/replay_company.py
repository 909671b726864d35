"""Whom a replay must not meet on the graph: cameras, robots, the live nodes, another replay."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from rclpy.node import Node

from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.nodes.patience import ReplayError
from tracegen_ros.nodes.replay_clock import CLOCK_TOPIC

CHECK_NAME = "replay_check"

QUIET_S = 7.0
"""Nobody is there when nobody new was seen for this long [s].

Fast DDS announces processes, and then what they publish, again each 3 s; on a busy machine the first of either is lost.
"""

STAY_S = 2.0
"""Who is still there after this long [s] is not about to leave."""

LONGEST_WATCH_S = 60.0
"""A graph that goes on changing for this long [s] is not waited for any longer."""

_LOOK_S = 0.1
"""Between two looks at the graph [s]."""

_LIVE = TopicMap()

TOPICS = tuple(
    dict.fromkeys(
        (
            _LIVE.colour,
            _LIVE.colour_info,
            _LIVE.depth,
            _LIVE.depth_info,
            _LIVE.joint_states,
            _LIVE.gripper,
            _LIVE.traces,
            _LIVE.commands,
            _LIVE.follower_state,
            _LIVE.core_calls,
            CLOCK_TOPIC,
        )
    )
)
"""What the replay and its nodes publish, and what moves a robot."""

NODES = (
    "/trace_node",
    "/trace_follower",
    "/replay",
    f"/{CHECK_NAME}",
    "/fr3_driver",
    "/fr3_sim",
    "/controller_manager",
)
"""Nodes that there must be one of at most, and robots."""

ADVICE = "replay in a domain of its own: ROS_DOMAIN_ID=42 ros2 launch ..."


def company(node: Node, own: Mapping[str, int]) -> list[str]:
    """Who is on the graph whom a replay must not meet, as parts of a sentence.

    Args:
        node: Looks.
        own: By full name of a topic or a node: how many publishers, or nodes, are the replay's own.
    """
    found = []
    for topic in TOPICS:
        publishers = node.get_publishers_info_by_topic(topic)
        if len(publishers) > own.get(topic, 0):
            names = {_full_name(one.node_namespace, one.node_name) for one in publishers}
            found.append(f"{' and '.join(sorted(names))} publish{'es' * (len(names) == 1)} {topic}")
    names = [_full_name(namespace, name) for name, namespace in node.get_node_names_and_namespaces()]
    for name in NODES:
        if names.count(name) > own.get(name, 0):
            found.append(f"{name} is running")
    return found


def refuse(found: Collection[str]) -> None:
    """Two cameras or two arms on the same topics make no sense of either.

    Raises:
        ReplayError: Somebody was ``found``.
    """
    if found:
        raise ReplayError(
            f"a robot, a camera or another replay is there already: {', '.join(found)}; {ADVICE}"
        )


def refuse_company_when_quiet(node: Node) -> None:
    """Look until the graph has been quiet for ``QUIET_S``, from a node that is all there is of the replay so far.

    Raises:
        ReplayError: Somebody is there and stays, or the graph does not come to rest.
    """
    own = {f"/{CHECK_NAME}": 1}
    began_s = changed_s = time.monotonic()
    seen: object = None
    while (now_s := time.monotonic()) - changed_s < QUIET_S:
        if now_s - began_s > LONGEST_WATCH_S:
            refuse(company(node, own))
            raise ReplayError(
                f"nodes came and went for {LONGEST_WATCH_S:g} s, so nobody can tell who is there; {ADVICE}"
            )
        found = company(node, own)
        look = (sorted(node.get_node_names_and_namespaces()), found)
        if look != seen:
            seen, changed_s = look, now_s
        elif now_s - changed_s > STAY_S:
            refuse(found)
        time.sleep(_LOOK_S)
    refuse(company(node, own))


def _full_name(namespace: str, name: str) -> str:
    return f"{namespace.rstrip('/')}/{name}"
