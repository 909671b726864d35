"""A bag as the nodes would hear it: roles, places in time, and live messages in place of recorded ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from std_msgs.msg import String

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.bags.bag_reader import open_bag
from tracegen_ros.bags.recorded import BagError
from tracegen_ros.bags.recording import Entry, Recording, Role
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.camera_calibration import CameraCalibration
from tracegen_ros.messages import (
    decode_colour,
    decode_depth,
    decode_joint_state,
    decode_transform,
    encode_colour,
    encode_depth,
    encode_header,
    encode_intrinsics,
    encode_joint_state,
)
from tracegen_ros.messages.compressed_images import encode_compressed_colour

MS = 1_000_000
INTRINSICS = CameraIntrinsics(10.0, 10.0, 3.5, 2.5, 8, 6)
RGB = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(6, 8, 3)
DEPTH = np.full((6, 8), 1.5, np.float32)
NAMES = TopicMap()
FRAME = "camera_color_optical_frame"


def camera_messages(stamp_ms: int) -> list[tuple[str, Any]]:
    header = encode_header(stamp_ms * MS, FRAME)
    return [
        (NAMES.colour, encode_colour(RGB, header)),
        (NAMES.colour_info, encode_intrinsics(INTRINSICS, header)),
        (NAMES.depth, encode_depth(DEPTH, header)),
    ]


@contextmanager
def recording(
    folder: Path, said: list[tuple[str, Any]], topic_map: TopicMap | None = None
) -> Iterator[Recording]:
    """A recording of messages, or of bytes of a colour image, one a millisecond."""
    store = get_typestore(Stores.ROS2_JAZZY)
    path = folder / "bag"
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections: dict[str, Any] = {}
        for number, (topic, message) in enumerate(said):
            kind = type(message)
            if topic not in connections:
                package = kind.__module__.split(".")[0]
                connections[topic] = writer.add_connection(
                    topic, f"{package}/msg/{kind.__name__}", typestore=store
                )
            data = message if isinstance(message, bytes) else bytes(serialize_message(message))
            writer.write(connections[topic], 10**18 + number * MS, data)
    with open_bag(path) as bag:
        yield Recording(bag, topic_map)


def of_role(entries: list[Entry], role: Role) -> list[Entry]:
    return [entry for entry in entries if entry.role is role]


def test_what_has_no_stamp_has_the_time_of_what_came_before_it(tmp_path: Path) -> None:
    words = (NAMES.instruction, String(data="lift"))
    said = [words, *camera_messages(100), words, *camera_messages(200), words]
    with recording(tmp_path, said) as recorded:
        times = [entry.time_ns // MS for entry in of_role(list(recorded.entries()), Role.INSTRUCTION)]
    assert times == [100, 100, 200]


def test_a_clock_that_was_set_back_is_followed_and_a_late_message_is_not(tmp_path: Path) -> None:
    said = [one for stamp in (5000, 4990, 100) for one in camera_messages(stamp)]
    with recording(tmp_path, said) as recorded:
        times = [entry.time_ns // MS for entry in of_role(list(recorded.entries()), Role.COLOUR)]
    assert times == [5000, 5000, 100]


def test_compressed_colour_and_other_units_joints_and_topics_become_what_the_nodes_hear(
    tmp_path: Path,
) -> None:
    header = encode_header(100 * MS, "their_camera")
    units = encode_depth(DEPTH, header)
    names = ["panda_joint1", "other"]
    said = [
        ("/theirs/compressed", encode_compressed_colour(RGB, header, "png")),
        ("/their_depth", units),
        ("/their_joints", encode_joint_state(names, [0.5, 1.0], [0.0, 0.0], header)),
    ]
    pose = np.eye(4)
    pose[:3, 3] = 1.0, 2.0, 3.0
    mapped = TopicMap(
        colour="/theirs",
        depth="/their_depth",
        joint_states="/their_joints",
        intrinsics=INTRINSICS,
        joint_names={"panda_joint1": "fr3_joint1"},
        depth_scale=2e-4,
        camera_pose=CameraCalibration("panda_link0", "anything", pose),
        instruction_text="lift",
    )
    with recording(tmp_path, said, mapped) as recorded:
        live = {entry.role: recorded.decoded(entry) for entry in recorded.entries()}
        assert recorded.lacks_for_commands is None
        assert recorded.live_name("/theirs/compressed") == NAMES.colour
        transform = recorded.camera_transform(recorded.camera_frame())
    np.testing.assert_array_equal(decode_colour(live[Role.COLOUR]), RGB)
    np.testing.assert_allclose(decode_depth(live[Role.DEPTH]), 1500 * 2e-4, rtol=1e-6)
    assert decode_joint_state(live[Role.JOINT_STATES], ["fr3_joint1"]).positions == [0.5]
    assert transform is not None
    assert (transform.header.frame_id, transform.child_frame_id) == ("fr3_link0", "their_camera")
    np.testing.assert_allclose(decode_transform(transform.transform), pose)


def test_what_is_missing_is_named_with_what_there_is(tmp_path: Path) -> None:
    words = r"no colour images on /camera.*it has /words \(std_msgs/msg/String\)"
    with pytest.raises(BagError, match=words), recording(tmp_path, [("/words", String(data="x"))]):
        pass


def test_without_joint_states_there_are_traces_and_no_commands(tmp_path: Path) -> None:
    with recording(tmp_path, camera_messages(100)) as recorded:
        reason = recorded.lacks_for_commands
    assert reason is not None and "no joint states on /joint_states" in reason


def test_damaged_messages_are_left_out_and_counted(tmp_path: Path) -> None:
    good = camera_messages(100)
    broken = bytes(serialize_message(good[0][1]))[:6]
    with recording(tmp_path, [*good, (NAMES.colour, broken), *camera_messages(200)]) as recorded:
        assert len(of_role(list(recorded.entries()), Role.COLOUR)) == 2
        assert any("1 message on /camera/camera/color/image_raw left out" in one for one in recorded.problems)
