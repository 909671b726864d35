"""Damaged bags end in one clear error or in what is left, with a sentence about what is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin
from std_msgs.msg import String
from tests.unit.tracegen_ros.bags.made_bags import (
    START_NS,
    WORDS,
    expected,
    packed_word,
    write_bag,
    write_mcap,
)

from tracegen_ros.bags.bag_reader import Bag, BagError, open_bag
from tracegen_ros.bags.recorded import RecordedMessage

S = 1_000_000_000


def received(bag: Bag) -> list[int]:
    return [message.received_ns for message in bag.messages()]


def test_a_bag_that_was_not_finished_reads_up_to_its_last_chunk(tmp_path: Path) -> None:
    with open_bag(write_mcap(tmp_path / "some.mcap", finish=False)) as bag:
        times = received(bag)
        assert times == [time for _, time in expected(5)][: len(times)]
        assert len(times) >= 3
        assert bag.provenance["git"] == "abc"
        assert any("not finished" in problem for problem in bag.problems)


def test_a_file_cut_off_anywhere_reads_up_to_there_or_says_why_not(tmp_path: Path) -> None:
    whole = write_mcap(tmp_path / "whole.mcap", count=12).read_bytes()
    cut = tmp_path / "cut.mcap"
    read_before = 0
    for size in range(0, len(whole), 7):
        cut.write_bytes(whole[:size])
        try:
            with open_bag(cut) as bag:
                times = received(bag)
                assert bag.problems
        except BagError:
            times = []
        assert times == [time for _, time in expected(12)][: len(times)]
        assert len(times) >= read_before
        read_before = len(times)
    assert read_before == 13


@pytest.mark.parametrize("storage", StoragePlugin)
def test_a_file_with_wrong_bytes_anywhere_never_ends_in_a_traceback(
    tmp_path: Path, storage: StoragePlugin
) -> None:
    folder = write_bag(tmp_path / "bag", storage, count=30)
    (file,) = (path for path in folder.iterdir() if path.suffix != ".yaml")
    whole = file.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(150):
        damaged = np.frombuffer(whole, np.uint8).copy()
        at = generator.integers(len(whole))
        span = damaged[at : at + int(generator.integers(1, 40))]
        span[:] = generator.integers(0, 256, size=span.size)
        file.write_bytes(damaged.tobytes())
        try:
            with open_bag(folder) as bag:
                for message in bag.messages():
                    message.message()
        except BagError:
            pass


def test_a_damaged_chunk_is_left_out_and_named(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "some.mcap", count=40, padding=100)
    content = bytearray(path.read_bytes())
    content[content.index(b"zstd", len(content) // 3) + 60] ^= 0xFF
    path.write_bytes(content)
    with open_bag(path) as bag:
        times = received(bag)
        assert any("is damaged" in problem and "left out" in problem for problem in bag.problems)
        assert 30 < len(times) < 41
        assert len(bag.problems) == 1
        received(bag)
        assert len(bag.problems) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nothing.mcap", b"", "is empty"),
        ("nothing.db3", b"", "is empty"),
        ("text.mcap", b"this is a text, not a bag", "not an MCAP file"),
        ("text.db3", b"this is a text, not a bag" * 100, "not a rosbag2 sqlite3 file"),
        ("video.mp4", b"1234", "is not a bag"),
        ("bag.mcap.zstd", b"1234", "unpack it first"),
    ],
)
def test_what_is_no_bag_is_refused_with_a_reason(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BagError, match=words):
        open_bag(path)


def test_a_path_where_nothing_is_and_a_folder_without_a_bag_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="there is no bag"):
        open_bag(tmp_path / "nowhere")
    with pytest.raises(BagError, match="holds no bag"):
        open_bag(tmp_path)


def test_another_sqlite_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db3") as database:
        database.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(BagError, match="not a rosbag2 sqlite3 file"):
        open_bag(tmp_path / "other.db3")


@pytest.mark.parametrize("storage", StoragePlugin)
def test_a_bag_without_messages_is_refused(tmp_path: Path, storage: StoragePlugin) -> None:
    folder = write_bag(tmp_path / "bag", storage)
    if storage is StoragePlugin.SQLITE3:
        with sqlite3.connect(folder / "bag.db3") as database:
            database.execute("DELETE FROM messages")
    else:
        write_mcap(folder / "bag.mcap", [])
    with pytest.raises(BagError, match="holds no messages"):
        open_bag(folder)


def test_files_are_read_without_metadata_and_missing_ones_are_named(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", StoragePlugin.MCAP)
    metadata = folder / "metadata.yaml"
    whole = metadata.read_text()
    metadata.write_text(whole.replace("  - bag.mcap", "  - bag.mcap\n  - other.mcap", 1))
    with open_bag(folder) as bag:
        assert any("other.mcap is named" in problem for problem in bag.problems)
    for text in ("", "a: [", "rosbag2_bagfile_information: {}"):
        metadata.write_text(text)
        with open_bag(folder) as bag:
            assert len(received(bag)) == 6
            assert any("without it" in problem for problem in bag.problems)


def test_messages_of_another_encoding_are_left_out_and_named(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="holds no messages"):
        open_bag(write_mcap(tmp_path / "some.mcap", encoding="json"))


@pytest.mark.parametrize(
    ("times_s", "words"),
    [
        ([0.0, 0.2, 0.1, 0.3], "out of order once, by up to 0.1"),
        ([0.0, 1.0, 2.0, -3600.0, -3599.0], "jumped back once, by up to 3602"),
        ([0.0, 1.0, 120.0], "nothing was recorded for 119.000 s from 1.000 s on"),
    ],
)
def test_times_that_are_odd_are_told_and_messages_come_in_the_order_of_their_times(
    tmp_path: Path, times_s: list[float], words: str
) -> None:
    times_ns = [START_NS + int(time * S) for time in times_s]
    with open_bag(write_mcap(tmp_path / "some.mcap", times_ns)) as bag:
        assert any(words in problem for problem in bag.problems), bag.problems
        assert received(bag) == sorted([*times_ns, START_NS + 1])


def test_an_ordinary_bag_has_no_problems(tmp_path: Path) -> None:
    for storage in StoragePlugin:
        with open_bag(write_bag(tmp_path / f"bag_{storage.value}", storage)) as bag:
            assert received(bag) == [time for _, time in expected(5)]
            assert bag.problems == ()


def test_a_ctrl_c_while_a_message_is_decoded_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **fields: object) -> None:
        raise KeyboardInterrupt

    message = RecordedMessage(WORDS, "std_msgs/msg/String", START_NS, packed_word("hello"))
    monkeypatch.setattr(String, "__init__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        message.message()
