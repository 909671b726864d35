"""Every topic of the RViz configuration is published by the running nodes, with the type and QoS that RViz asks for."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rosidl_runtime_py.utilities import get_message
from tests.closed_loop.cell import Cell, RosSession
from tests.closed_loop.stack import Stack
from tests.rviz_config.config import Subscription, read_config, subscriptions
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker

from ik_controller.resources import resource_path
from tracegen_ros.qos import LATCHED

DEADLINE_S = 90.0

OF_OTHERS = {"/robot_description": ("robot_state_publisher", "std_msgs/msg/String", LATCHED)}
"""Published by programs of ROS, where they are installed: package, and type and QoS as its documentation has them."""


def has_executable(package: str) -> bool:
    """The program is really there; the wheel's ROS has only the descriptions of some packages."""
    try:
        return (Path(get_package_prefix(package)) / "lib" / package / package).exists()
    except PackageNotFoundError:
        return False


def is_missing(topic: str) -> bool:
    """Who publishes ``topic`` is not installed here."""
    return topic in OF_OTHERS and not has_executable(OF_OTHERS[topic][0])


class Viewer:
    """Listens as RViz would, once told to.

    Attributes:
        heard: Messages of each topic.
        frames: Parent of each frame that was heard of on TF.
    """

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.heard: dict[str, list[Any]] = {}
        self.frames: dict[str, str] = {}
        transforms_qos = QoSProfile(depth=100, durability=LATCHED.durability)
        cell.node.create_subscription(TFMessage, "/tf", self._on_transforms, 100)
        cell.node.create_subscription(TFMessage, "/tf_static", self._on_transforms, transforms_qos)

    def _on_transforms(self, message: TFMessage) -> None:
        for transform in message.transforms:
            self.frames[transform.child_frame_id] = transform.header.frame_id

    def listen(self, subscription: Subscription) -> None:
        messages = self.heard.setdefault(subscription.topic, [])
        kind = get_message(subscription.message_type)
        self.cell.node.create_subscription(kind, subscription.topic, messages.append, subscription.qos)

    def wait(self, happened: Callable[[], Any], what: str) -> None:
        assert self.cell.spin_until(lambda: bool(happened()), DEADLINE_S), f"waited in vain for {what}"

    def offers(self, topic: str) -> list[tuple[str, QoSProfile]]:
        """Type and QoS of each publisher of ``topic``, of which there is one at least."""
        node = self.cell.node
        self.wait(lambda: node.count_publishers(topic), f"a publisher of {topic}")
        return [(offer.topic_type, offer.qos_profile) for offer in node.get_publishers_info_by_topic(topic)]

    def newest(self, topic: str) -> Any:
        """The newest message of ``topic``."""
        messages = self.heard[topic]
        self.wait(lambda: messages, f"a message of {topic}")
        return messages[-1]

    def wait_for_frame(self, frame: str, root: str) -> None:
        """Until ``frame`` hangs on ``root``."""
        self.wait(lambda: self.reaches(frame, root), f"a transform from {frame} to {root}")

    def wait_for_namespaces(self, topic: str, wanted: frozenset[str]) -> None:
        """Until each of the namespaces ``wanted`` showed something, and no other did."""
        shown: set[str] = set()

        def all_shown() -> bool:
            for message in self.heard[topic]:
                shown.update(marker.ns for marker in message.markers if marker.action == Marker.ADD)
            self.heard[topic].clear()
            return shown >= wanted

        try:
            self.wait(all_shown, f"markers of {topic} in {set(wanted)}")
        finally:
            assert shown == wanted

    def reaches(self, frame: str, root: str) -> bool:
        """``frame`` hangs on ``root``."""
        while frame != root:
            if frame not in self.frames:
                return False
            frame = self.frames[frame]
        return True


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    """Everything runs and the robot is told to do something; RViz's own nodes too, but not RViz."""
    logs = tmp_path_factory.mktemp("rviz")
    robot = str(has_executable("robot_state_publisher")).lower()
    arguments = {"rviz": "false", "publish_robot": robot}
    with (
        Stack({"seed": "3"}, logs / "stack.log") as stack,
        Stack(arguments, logs / "rviz.log", "rviz.launch.py") as views,
        RosSession(),
    ):

        def check() -> None:
            stack.check()
            views.check()

        cell = Cell(check)
        try:
            cell.wait_until_ready()
            scene = cell.make_scene({"seed": 300_000, "block": -1, "zone": -1})
            block, zone = scene["block_colours"][scene["block"]], scene["zone_colours"][scene["zone"]]
            cell.instruct(f"put the {block} block in the {zone} zone")
            yield Viewer(cell)
        finally:
            cell.close()


@pytest.mark.timeout(300)
def test_every_topic_is_offered_with_the_type_and_the_qos_that_rviz_asks_for(viewer: Viewer) -> None:
    for wanted in subscriptions():
        if is_missing(wanted.topic):
            _, *known = OF_OTHERS[wanted.topic]
            offers = [tuple(known)]
        else:
            offers = viewer.offers(wanted.topic)
        for kind, qos in offers:
            assert kind == wanted.message_type, wanted.display
            compatibility, reason = qos_check_compatible(qos, wanted.qos)
            assert compatibility != QoSCompatibility.ERROR, f"{wanted.display}: {reason}"


@pytest.mark.timeout(400)
def test_what_rviz_listens_to_arrives_in_frames_that_hang_on_the_fixed_frame(viewer: Viewer) -> None:
    for topic in ("/tracegen/cloud", "/tracegen/overlay", "/trace_follower/markers"):
        # But nodes of an earlier test that had to be killed seem to be there for some time.
        viewer.wait(lambda topic=topic: viewer.cell.node.count_subscribers(topic) == 0, "nobody to look yet")
    present = [wanted for wanted in subscriptions() if not is_missing(wanted.topic)]
    for wanted in present:
        viewer.listen(wanted)
    fixed = read_config()["Visualization Manager"]["Global Options"]["Fixed Frame"]
    for wanted in present:
        message = viewer.newest(wanted.topic)
        for part in getattr(message, "markers", [message]):
            if hasattr(part, "header"):
                viewer.wait_for_frame(part.header.frame_id, fixed)
    for wanted in present:
        if wanted.namespaces:
            viewer.wait_for_namespaces(wanted.topic, wanted.namespaces)


@pytest.mark.timeout(300)
def test_the_ghost_has_every_link_of_the_robot(viewer: Viewer) -> None:
    for link in ElementTree.parse(resource_path("fr3.urdf")).getroot().iter("link"):
        viewer.wait_for_frame(f"ghost/{link.attrib['name']}", "fr3_link0")
