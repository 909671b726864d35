"""Bags of other people's libraries read as written: both storages, folders and single files."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcap.writer import CompressionType
from mcap.writer import IndexType as Index
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2.enums import CompressionMode
from tests.unit.tracegen_ros.bags.made_bags import (
    HEADERS,
    START_NS,
    STEP_NS,
    WORDS,
    expected,
    write_bag,
    write_mcap,
)

from tracegen_ros.bags.bag_reader import Bag, BagError, open_bag


def contents(bag: Bag) -> list[tuple[str, int]]:
    return [(message.topic, message.received_ns) for message in bag.messages()]


@pytest.mark.parametrize("storage", StoragePlugin)
@pytest.mark.parametrize("compression", [CompressionMode.NONE, CompressionMode.MESSAGE])
def test_a_bag_reads_as_written(tmp_path: Path, storage: StoragePlugin, compression: CompressionMode) -> None:
    with open_bag(write_bag(tmp_path / "bag", storage, compression=compression)) as bag:
        assert contents(bag) == expected(5)
        numbers = [message.message().stamp.sec for message in bag.messages([HEADERS])]
        (word,) = bag.messages([WORDS])
        assert numbers == [0, 1, 2, 3, 4]
        assert word.message().data == "hello"
        assert word.kind == bag.topics[WORDS].kind == "std_msgs/msg/String"
        assert (bag.topics[HEADERS].count, bag.topics[WORDS].count) == (5, 1)
        assert (bag.topics[HEADERS].latched, bag.topics[WORDS].latched) == (False, True)
        assert (bag.start_ns, bag.end_ns) == (START_NS, START_NS + 4 * STEP_NS)


@pytest.mark.parametrize("storage", StoragePlugin)
def test_a_file_of_a_bag_reads_without_its_folder(tmp_path: Path, storage: StoragePlugin) -> None:
    (file,) = (path for path in write_bag(tmp_path / "bag", storage).iterdir() if path.suffix != ".yaml")
    with open_bag(file) as bag:
        assert contents(bag) == expected(5)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"compression": CompressionType.LZ4},
        {"compression": CompressionType.NONE},
        {"use_chunking": False},
        {"index_types": Index.NONE},
        {"finish": True, "chunk_size": 10**6},
    ],
)
def test_every_way_of_writing_mcap_reads_the_same(tmp_path: Path, how: dict) -> None:
    with open_bag(write_mcap(tmp_path / "some.mcap", **how)) as bag:
        assert contents(bag) == expected(5)
        assert bag.topics[HEADERS].count == 5
        assert bag.topics[WORDS].latched
        assert bag.provenance == {"model": {"id": "nano"}, "git": "abc"}
        assert bag.problems == ()


def test_provenance_of_a_bag_that_cannot_hold_it_comes_from_the_metadata(tmp_path: Path) -> None:
    with open_bag(write_bag(tmp_path / "bag", provenance='{"git": "abc"}')) as bag:
        assert bag.provenance == {"git": "abc"}
    with open_bag(write_bag(tmp_path / "foreign")) as bag:
        assert bag.provenance == {}


def test_a_topic_that_is_not_there_has_no_messages(tmp_path: Path) -> None:
    with open_bag(write_bag(tmp_path / "bag")) as bag:
        assert list(bag.messages(["/nothing"])) == []


def test_a_bag_in_several_files_reads_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    write_mcap(folder / "bag_0.mcap", [START_NS, START_NS + 2])
    write_mcap(folder / "bag_1.mcap", [START_NS, START_NS + 3])
    (folder / "metadata.yaml").write_text(
        "rosbag2_bagfile_information:\n  relative_file_paths: [bag_0.mcap, bag_1.mcap]\n"
    )
    with open_bag(folder) as bag:
        assert [time - START_NS for _, time in contents(bag)] == [0, 0, 1, 1, 2, 3]
        assert bag.topics[HEADERS].count == 4


def test_a_message_of_an_unknown_type_says_so(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "some.mcap")
    with open_bag(path) as bag:
        (word,) = bag.messages([WORDS])
    for kind in ("other_msgs/msg/Word", "std_msgs/msg/Word", "nonsense"):
        with pytest.raises(BagError, match="not known here"):
            type(word)(word.topic, kind, word.received_ns, word.data).message()
    with pytest.raises(BagError, match="damaged"):
        type(word)(word.topic, "sensor_msgs/msg/Image", word.received_ns, word.data).message()
