"""``record`` beside other processes: everything said is in the bag, however the recorder ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String

from tracegen_ros.bags.bag_reader import Bag, open_bag
from tracegen_ros.bags.recorded import BagError
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.messages import (
    Level,
    encode_colour,
    encode_depth,
    encode_header,
)
from tracegen_ros.messages.compressed_images import decode_compressed_colour
from tracegen_ros.qos import LATCHED, SENSOR

if TYPE_CHECKING:
    from tests.integration.conftest import Processes, Tester

RECORDER = "tracegen_ros.nodes.record_node"
HEALTH = "record: bag"
TOPICS = TopicMap()
HEALTH_TOPICS = "/diagnostics /rosout"
"""Not recorded, so that messages can be counted."""

# Topics of their own: a recorder that was killed counts as a listener for some time.
WEAKENED = "/weakened/joint_states"
DISPUTED = "/disputed/joint_states"

QUEUE = 500
"""Messages that wait for a recorder that comes late to its work; none is to be lost."""

SENTENCE = "put the red block in the green zone"


@pytest.fixture(scope="module")
def instruction(tester: Tester) -> Iterator[Publisher]:
    """Said before any recorder is there."""
    publisher = tester.node.create_publisher(String, TOPICS.instruction, LATCHED)
    publisher.publish(String(data=SENTENCE))
    yield publisher
    tester.node.destroy_publisher(publisher)


def recorded(tester: Tester, count: int, level: Level = Level.OK) -> dict[str, str]:
    """The recorder's health once ``count`` messages have been written."""
    while True:
        values = tester.wait_for_health(HEALTH, level, "")
        if int(values["messages"]) >= count:
            return values


def say(tester: Tester, publisher: Publisher, messages: list[Any]) -> None:
    """Publish one after the other."""
    for message in messages:
        publisher.publish(message)
        tester.spin_once()


def joint_states(count: int) -> list[JointState]:
    return [JointState(name=["fr3_joint1"], position=[float(number)]) for number in range(count)]


def positions(bag: Bag, topic: str = TOPICS.joint_states) -> list[float]:
    return [message.message().position[0] for message in bag.messages([topic])]


def on_disk(folder: Path) -> int:
    """How many joint states can be read from a bag that is not finished."""
    try:
        with open_bag(folder) as bag:
            return len(positions(bag))
    except BagError:
        return 0


def finish(process: subprocess.Popen, how: signal.Signals) -> int:
    process.send_signal(how)
    return process.wait(60.0)


def test_what_is_said_is_in_the_bag_after_ctrl_c_with_what_made_it(
    tester: Tester, processes: Processes, instruction: Publisher, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = processes.node(RECORDER, bag=folder, never=HEALTH_TOPICS)
    colour = tester.publisher(Image, TOPICS.colour, 10)
    depth = tester.publisher(Image, TOPICS.depth, 10)
    joints = tester.publisher(JointState, TOPICS.joint_states, QUEUE)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    metres = (np.arange(48 * 64).reshape(48, 64) * 1e-3).astype(np.float32)
    colour_image = encode_colour(pixels, encode_header(7, "camera"))
    depth_image = encode_depth(metres, encode_header(7, "camera"))
    say(tester, colour, [colour_image])
    say(tester, depth, [depth_image])
    say(tester, joints, joint_states(200))
    recorded(tester, 203)
    assert finish(process, signal.SIGINT) == 0
    for publisher in (colour, depth, joints):
        tester.node.destroy_publisher(publisher)

    with open_bag(folder) as bag:
        assert bag.problems == ()
        assert positions(bag) == [float(number) for number in range(200)]
        (image,) = bag.messages([TOPICS.colour])
        assert image.message() == colour_image
        (image,) = bag.messages([TOPICS.depth])
        assert image.message() == depth_image
        (sentence,) = bag.messages([TOPICS.instruction])
        assert sentence.message().data == SENTENCE
        assert bag.topics[TOPICS.instruction].latched
        assert bag.provenance["software"]["python"]
        assert bag.provenance["recording"]["dropped"] == bag.provenance["recording"]["lost"] == 0


def test_a_recorder_that_is_killed_leaves_what_it_has_written(
    tester: Tester, processes: Processes, instruction: Publisher, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = processes.node(RECORDER, bag=folder, topics=TOPICS.joint_states)
    joints = tester.publisher(JointState, TOPICS.joint_states, QUEUE)
    say(tester, joints, joint_states(100))
    recorded(tester, 100)
    tester.wait(lambda: on_disk(folder) == 100, "what was recorded to reach the disk")
    assert finish(process, signal.SIGKILL) == -signal.SIGKILL
    tester.node.destroy_publisher(joints)

    assert not (folder / "metadata.yaml").exists()
    with open_bag(folder) as bag:
        assert positions(bag) == [float(number) for number in range(100)]
        assert any("not finished" in problem for problem in bag.problems)
        assert set(bag.topics) == {TOPICS.joint_states}


def test_a_publisher_that_comes_back_with_weaker_promises_is_recorded_and_what_was_missed_is_counted(
    tester: Tester, processes: Processes, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = processes.node(RECORDER, bag=folder, topics=WEAKENED)
    states = joint_states(4000)
    reliable = tester.publisher(JointState, WEAKENED, QUEUE)
    say(tester, reliable, states[:20])
    recorded(tester, 20)
    tester.node.destroy_publisher(reliable)
    back = tester.node.create_publisher(JointState, WEAKENED, SENSOR)
    said = 20

    def heard_again() -> bool:
        nonlocal said
        say(tester, back, states[said : said + 5])
        said += 5
        return back.get_subscription_count() > 0

    # The old, reliable subscription does not fit: the first that fits is the recorder's new one.
    tester.wait(heard_again, "the recorder to hear the weaker publisher")
    say(tester, back, states[said : said + 50])
    said += 50
    recorded(tester, 21, Level.WARN)
    recorded(tester, 21, Level.WARN)
    tester.node.destroy_publisher(back)
    assert finish(process, signal.SIGINT) == 0
    with open_bag(folder) as bag:
        numbers = positions(bag, WEAKENED)
        outcome = bag.provenance["recording"]
    assert numbers[:20] == [float(number) for number in range(20)]
    assert len(numbers) > 20
    # Best effort: the last ones may be missing without a later one telling it.
    missing = int(numbers[-1]) + 1 - len(numbers)
    assert missing > 0
    assert outcome["lost"] == missing


def test_a_publisher_of_another_type_on_a_recorded_topic_is_told(
    tester: Tester, processes: Processes, tmp_path: Path
) -> None:
    process = processes.node(RECORDER, bag=tmp_path / "run", topics=DISPUTED)
    joints = tester.publisher(JointState, DISPUTED, QUEUE)
    say(tester, joints, joint_states(1))
    recorded(tester, 1)
    context = rclpy.Context()
    context.init()
    # A participant of its own: within one the middleware refuses two types on one topic.
    stranger = Node("stranger", context=context)
    try:
        stranger.create_publisher(String, DISPUTED, 10)
        values = tester.wait_for_health(HEALTH, Level.WARN, "not everything")
        assert "std_msgs/msg/String is published there too" in values["not_recorded"]
    finally:
        stranger.destroy_node()
        context.shutdown()
    recorded(tester, 1)
    tester.node.destroy_publisher(joints)
    assert finish(process, signal.SIGINT) == 0


def test_colour_is_compressed_on_request_and_nothing_else_changes(
    tester: Tester, processes: Processes, instruction: Publisher, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = processes.node(RECORDER, bag=folder, never=HEALTH_TOPICS, compress_colour="png")
    colour = tester.publisher(Image, TOPICS.colour, 10)
    depth = tester.publisher(Image, TOPICS.depth, 10)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    header = encode_header(7, "camera")
    say(tester, colour, [encode_colour(pixels, header)])
    say(tester, depth, [encode_depth(np.ones((48, 64), np.float32), header)])
    recorded(tester, 3)
    assert finish(process, signal.SIGINT) == 0
    tester.node.destroy_publisher(colour)
    tester.node.destroy_publisher(depth)

    with open_bag(folder) as bag:
        assert TOPICS.colour not in bag.topics
        (image,) = bag.messages([f"{TOPICS.colour}/compressed"])
        message = image.message()
        assert isinstance(message, CompressedImage)
        assert message.header == header
        np.testing.assert_array_equal(decode_compressed_colour(message), pixels)
        assert bag.topics[TOPICS.depth].kind == "sensor_msgs/msg/Image"


def test_a_full_bag_ends_the_recording_and_not_the_recorder(
    tester: Tester, processes: Processes, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = processes.node(
        RECORDER, bag=folder, largest_bag_gb=0.001, compression="none", topics=TOPICS.colour
    )
    colour = tester.publisher(Image, TOPICS.colour, SENSOR)
    frame = encode_colour(np.zeros((480, 640, 3), np.uint8), encode_header(7, "camera"))

    def full() -> bool:
        say(tester, colour, [frame])
        return bool(list(folder.glob("*.yaml")))

    tester.wait(full, "the end of the recording")
    values = tester.wait_for_health(HEALTH, Level.ERROR, "the largest size allowed")
    assert values["end_reason"]
    assert process.poll() is None
    assert finish(process, signal.SIGINT) == 0
    tester.node.destroy_publisher(colour)
    with open_bag(folder) as bag:
        assert bag.problems == ()
        assert TOPICS.colour in bag.topics
        outcome = bag.provenance["recording"]
        assert outcome["messages"] == bag.topics[TOPICS.colour].count
        assert "the largest size allowed" in outcome["end_reason"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ros-args", "-p", "topics:=joint_states"], "full names"),
        (["here"], "exists already"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_a_reason(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "here").mkdir()
    done = subprocess.run(
        ["ros2", "run", "tracegen_ros", "record", *arguments],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120.0,
    )
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
