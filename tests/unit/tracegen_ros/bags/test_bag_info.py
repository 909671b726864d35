"""``bag_info`` tells what is in a bag, and by its exit code whether that is all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.tracegen_ros.bags.made_bags import HEADERS, START_NS, packed_word, write_mcap

from tracegen_ros.bags.bag_writer import BagWriter, WrittenTopic
from tracegen_ros.bags.message_definition import message_definition
from tracegen_ros.nodes.bag_info import main


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def test_a_whole_bag_is_told_by_topics_and_provenance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words = told(capsys, str(write_mcap(tmp_path / "run.mcap")), "--check")
    assert code == 0
    assert "5  /headers  std_msgs/msg/Header" in words
    assert "1  /words  std_msgs/msg/String  latched" in words
    assert "git: abc" in words
    assert "every message can be read" in words


def test_a_bag_that_was_cut_off_is_told_with_its_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words = told(capsys, str(write_mcap(tmp_path / "run.mcap", finish=False)))
    assert code == 1
    assert "PROBLEM: run.mcap was not finished" in words


def test_messages_of_another_type_than_their_topic_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = "sensor_msgs/msg/Image"
    writer = BagWriter(tmp_path / "run")
    writer.add_topic(WrittenTopic(HEADERS, kind, message_definition(kind)))
    writer.write(HEADERS, START_NS, START_NS, packed_word("no image"))
    writer.close()
    code, words = told(capsys, str(tmp_path / "run"), "--check")
    assert code == 1
    assert "1 messages on /headers cannot be read" in words


def test_what_is_no_bag_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, words = told(capsys, str(tmp_path / "nowhere"))
    assert code == 2
    assert "there is no bag" in words
