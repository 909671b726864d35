"""Bags written here are read by other people's libraries, and up to the last chunk when nobody has finished them."""

from __future__ import annotations

import subprocess
import tracemalloc
from pathlib import Path

import pytest
from mcap.reader import make_reader
from mcap_ros2._dynamic import generate_dynamic
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_types_from_msg
from tests.unit.tracegen_ros.bags.made_bags import (
    HEADERS,
    START_NS,
    STEP_NS,
    WORDS,
    packed_header,
    packed_word,
)

from tracegen_ros.bags.bag_reader import open_bag
from tracegen_ros.bags.bag_writer import COMPRESSIONS, BagWriter, WrittenTopic
from tracegen_ros.bags.message_definition import (
    MessageDefinitionError,
    message_definition,
)
from tracegen_ros.bags.recorded import BagError
from tracegen_ros.bags.recorded_qos import qos_as_recorded
from tracegen_ros.qos import LATCHED, SENSOR

COUNT = 6
HEADER_HASH = "RIHS01_f49fb3ae2cf070f793645ff749683ac6b06203e41c891e17701b1cb597ce6a01"


def begun_bag(folder: Path, compression: str = "zstd", chunks_per_file: int = 1000) -> BagWriter:
    writer = BagWriter(folder, compression, chunks_per_file)
    writer.note_provenance({"git": {"revision": "abc"}, "model": {"id": "early"}})
    headers, words = "std_msgs/msg/Header", "std_msgs/msg/String"
    writer.add_topic(
        WrittenTopic(HEADERS, headers, message_definition(headers), [qos_as_recorded(SENSOR)], HEADER_HASH)
    )
    writer.add_topic(WrittenTopic(WORDS, words, message_definition(words), [qos_as_recorded(LATCHED)]))
    for number in range(COUNT):
        received_ns = START_NS + number * STEP_NS
        writer.write(HEADERS, received_ns, received_ns - 5, packed_header(number), number + 1)
        if number == 2:
            writer.write(WORDS, received_ns, received_ns, packed_word("hello"))
        writer.flush()
    writer.note_provenance({"model": {"id": "nano"}})
    return writer


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("chunks_per_file", [1000, 2])
def test_what_is_written_is_read_again(tmp_path: Path, compression: str, chunks_per_file: int) -> None:
    begun_bag(tmp_path / "run", compression, chunks_per_file).close()
    with open_bag(tmp_path / "run") as bag:
        numbers = [message.message().stamp.sec for message in bag.messages([HEADERS])]
        assert numbers == list(range(COUNT))
        assert [message.message().data for message in bag.messages([WORDS])] == ["hello"]
        assert (bag.topics[HEADERS].count, bag.topics[WORDS].count) == (COUNT, 1)
        assert (bag.topics[HEADERS].latched, bag.topics[WORDS].latched) == (False, True)
        assert bag.provenance == {"git": {"revision": "abc"}, "model": {"id": "nano"}}
        assert (bag.start_ns, bag.end_ns) == (START_NS, START_NS + (COUNT - 1) * STEP_NS)
        assert bag.problems == ()


@pytest.mark.parametrize("chunks_per_file", [1000, 2])
def test_rosbags_reads_what_is_written_and_finds_the_same_counts(
    tmp_path: Path, chunks_per_file: int
) -> None:
    begun_bag(tmp_path / "run", chunks_per_file=chunks_per_file).close()
    with Reader(tmp_path / "run") as reader:
        assert reader.message_count == COUNT + 1
        assert {topic: info.msgcount for topic, info in reader.topics.items()} == {HEADERS: COUNT, WORDS: 1}
        (profile,) = next(one for one in reader.connections if one.topic == WORDS).ext.offered_qos_profiles
        assert profile.durability.name == "TRANSIENT_LOCAL"
    with AnyReader([tmp_path / "run"]) as everything:
        numbers = [
            everything.deserialize(data, connection.msgtype).stamp.sec
            for connection, _, data in everything.messages()
            if connection.topic == HEADERS
        ]
    assert numbers == list(range(COUNT))


def test_the_command_line_of_rosbags_makes_the_same_bag_in_the_other_storage(tmp_path: Path) -> None:
    begun_bag(tmp_path / "run", chunks_per_file=2).close()
    words = ["--src", str(tmp_path / "run"), "--dst", str(tmp_path / "other"), "--dst-storage", "sqlite3"]
    subprocess.run(["rosbags-convert", *words], check=True, capture_output=True, timeout=120.0)
    with open_bag(tmp_path / "run") as ours, open_bag(tmp_path / "other") as theirs:
        assert list(theirs.messages()) == list(ours.messages())
        assert theirs.topics.keys() == ours.topics.keys()
        assert theirs.topics[WORDS].latched


def test_mcaps_own_reader_validates_and_decodes_what_is_written(tmp_path: Path) -> None:
    begun_bag(tmp_path / "run").close()
    (path,) = (tmp_path / "run").glob("*.mcap")
    with path.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        summary = reader.get_summary()
        decoded = [message.decoded_message for message in reader.iter_decoded_messages([HEADERS])]
        assert reader.get_header().profile == "ros2"
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == COUNT + 1
    assert [message.stamp.sec for message in decoded] == list(range(COUNT))


def test_what_was_flushed_is_read_when_nobody_finishes_the_bag(tmp_path: Path) -> None:
    writer = begun_bag(tmp_path / "run")
    writer.write(HEADERS, START_NS, START_NS, packed_header(99))
    with open_bag(tmp_path / "run") as bag:
        numbers = [message.message().stamp.sec for message in bag.messages([HEADERS])]
        assert numbers == list(range(COUNT))
        assert bag.provenance["model"] == {"id": "nano"}
        assert any("not finished" in problem for problem in bag.problems)
    writer.close()


def test_an_open_bag_keeps_its_messages_times_and_nothing_else_of_them(tmp_path: Path) -> None:
    count, kind = 20_000, "std_msgs/msg/String"
    writer = BagWriter(tmp_path / "run")
    writer.add_topic(WrittenTopic(WORDS, kind, message_definition(kind)))
    word = packed_word("hello")
    for number in range(count):
        writer.write(WORDS, START_NS + number, START_NS, word)
    writer.close()
    open_bag(tmp_path / "run").close()  # what is loaded once for all is not counted
    tracemalloc.start()
    try:
        with open_bag(tmp_path / "run") as bag:
            kept_bytes, _ = tracemalloc.get_traced_memory()
            assert bag.topics[WORDS].count == count
    finally:
        tracemalloc.stop()
    assert kept_bytes < 16 * count


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(BagError, match="exists already"):
        BagWriter(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(BagError, match="cannot make"):
        BagWriter(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    "kind",
    [
        "sensor_msgs/msg/Image",
        "sensor_msgs/msg/PointCloud2",
        "diagnostic_msgs/msg/DiagnosticArray",
        "trajectory_msgs/msg/JointTrajectory",
        "tf2_msgs/msg/TFMessage",
        "action_msgs/msg/GoalStatusArray",
        "rcl_interfaces/msg/Log",
        "visualization_msgs/msg/MarkerArray",
    ],
)
def test_a_definition_holds_all_that_reading_its_messages_needs(kind: str) -> None:
    definition = message_definition(kind)
    assert kind in get_types_from_msg(definition, kind)
    package, _, name = kind.split("/")
    assert kind in generate_dynamic(f"{package}/msg/{name}", definition)


@pytest.mark.parametrize("kind", ["other_msgs/msg/Word", "std_msgs/msg/Word", "nonsense", "a/b/c/d"])
def test_a_type_that_is_not_here_has_no_definition(kind: str) -> None:
    with pytest.raises(MessageDefinitionError, match="not on this machine"):
        message_definition(kind)
