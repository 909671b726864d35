"""A replay beside a running robot is refused before any node of it is on the graph."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import Image, PointCloud2
from tests.integration.launch_file import DEADLINE_S, run_launch_file

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.messages import encode_colour, encode_depth, encode_header, encode_intrinsics
from tracegen_ros.nodes import replay_company
from tracegen_ros.nodes.patience import ReplayError
from tracegen_ros.nodes.replay_company import refuse_company_when_quiet

LIVE = TopicMap()
INTRINSICS = CameraIntrinsics(fx=60.0, fy=60.0, cx=31.5, cy=23.5, width=64, height=48)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One frame: enough to begin a replay of the traces."""
    path = tmp_path_factory.mktemp("recorded") / "bag"
    header = encode_header(1_000_000_000, "camera")
    frame = {
        LIVE.colour_info: ("CameraInfo", encode_intrinsics(INTRINSICS, header)),
        LIVE.colour: ("Image", encode_colour(np.zeros((48, 64, 3), np.uint8), header)),
        LIVE.depth: ("Image", encode_depth(np.ones((48, 64), np.float32), header)),
    }
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, (kind, message) in frame.items():
            connection = writer.add_connection(topic, f"sensor_msgs/msg/{kind}", typestore=store)
            writer.write(connection, 1_000_000_000, serialize_message(message))
    return path


def camera() -> Node:
    node = Node("camera_stand_in")
    node.create_publisher(Image, LIVE.colour, 10)
    return node


def follower() -> Node:
    return Node("trace_follower")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("stand_in", "words"),
    [
        (camera, f"/camera_stand_in publishes {LIVE.colour}"),
        (follower, "/trace_follower is running"),
    ],
)
def test_beside_a_camera_or_a_live_node_not_one_node_of_a_replay_starts(
    stand_in: Callable[[], Node], words: str, tester, bag: Path
) -> None:
    there = stand_in()
    traces: list[PointCloud2] = []
    tester.node.create_subscription(PointCloud2, LIVE.traces, traces.append, 10)
    intruders: set[str] = set()

    def look() -> None:
        names = {name for name, _ in tester.node.get_node_names_and_namespaces()}
        intruders.update(names & {"trace_node", "trace_markers_node", "replay"})
        if tester.node.count_publishers(LIVE.traces):
            intruders.add(LIVE.traces)

    try:
        with ThreadPoolExecutor(1) as pool:
            launch = pool.submit(run_launch_file, "replay.launch.py", f"bag:={bag}")
            tester.wait(lambda: look() or launch.done(), "the launch to end", DEADLINE_S)
        code, output = launch.result()
    finally:
        there.destroy_node()
    assert code != 0
    assert words in output and "ROS_DOMAIN_ID" in output, output
    assert output.count("process started") == 1, output
    assert "Traceback" not in output
    assert not intruders and not traces


def test_who_is_alone_may_replay_and_a_graph_without_rest_is_not_trusted(
    tester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_company, "QUIET_S", 0.5)
    check = Node(replay_company.CHECK_NAME)
    try:
        refuse_company_when_quiet(check)
        monkeypatch.setattr(replay_company, "LONGEST_WATCH_S", 0.2)
        with pytest.raises(ReplayError, match="nodes came and went"):
            refuse_company_when_quiet(check)
    finally:
        check.destroy_node()
