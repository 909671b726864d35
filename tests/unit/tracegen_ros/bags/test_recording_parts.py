"""What is chosen, counted and noted around a recording."""

from __future__ import annotations

from pathlib import Path

import pytest
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from tracegen_ros.bags.provenance import files_in_force, software_provenance
from tracegen_ros.bags.recorded_qos import qos_as_recorded, qos_that_hears
from tracegen_ros.bags.sequence_gaps import SequenceGaps
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.bags.topic_selection import SelectionError, TopicSelection
from tracegen_ros.nodes.record_node import ros_arguments
from tracegen_ros.parameters import ParameterError
from tracegen_ros.qos import LATCHED, LATEST, SENSOR


def test_numbers_that_are_missing_are_counted_and_a_new_publisher_begins_anew() -> None:
    gaps = SequenceGaps()
    for number in (5, 6, 9, 10, 1, 2, 4):
        gaps.note(number)
    assert gaps.lost == 3
    gaps.forget()
    gaps.note(100)
    assert gaps.lost == 3
    gaps.expect_first()
    gaps.note(5)
    assert gaps.lost == 7


def test_what_is_recorded_by_default_is_what_the_robot_sees_says_and_does() -> None:
    selection = TopicSelection.from_words("", "/also", "/tf")
    own = TopicMap()
    for name in (
        own.colour,
        own.depth,
        own.traces,
        own.commands,
        own.instruction,
        "/trace_follower/hand_path",
    ):
        assert name in selection
    assert "/also" in selection
    for name in ("/tf", "/tracegen/markers", "/tracegen/overlay", "/trace_follower/x/_action/feedback"):
        assert name not in selection


def test_topics_can_be_named_or_all_be_taken() -> None:
    named = TopicSelection.from_words("/one /two", "", "")
    assert "/one" in named
    assert TopicMap().colour not in named
    everything = TopicSelection.from_words("all", "", "/two")
    assert "/three" in everything
    assert "/two" not in everything
    with pytest.raises(SelectionError, match="'also' must be full names such as /word"):
        TopicSelection.from_words("", "word", "")


def test_a_subscription_asks_for_no_more_than_every_publisher_keeps() -> None:
    qos = qos_that_hears([LATCHED, LATEST], 7)
    assert qos.reliability is ReliabilityPolicy.RELIABLE
    assert qos.durability is DurabilityPolicy.VOLATILE
    assert qos.depth == 7
    assert qos_that_hears([LATCHED], 1).durability is DurabilityPolicy.TRANSIENT_LOCAL
    assert qos_that_hears([LATCHED, SENSOR], 1).reliability is ReliabilityPolicy.BEST_EFFORT


def test_a_profile_is_written_by_the_names_that_rosbag2_uses() -> None:
    written = qos_as_recorded(LATCHED)
    assert (written["history"], written["depth"]) == ("keep_last", 1)
    assert (written["reliability"], written["durability"]) == ("reliable", "transient_local")


def test_provenance_names_revision_and_versions() -> None:
    provenance = software_provenance()
    assert provenance["software"]["packages"]["numpy"]
    assert set(provenance["git"]) <= {"revision", "modified"}
    assert provenance["recorded_at"].endswith("+00:00")


def test_provenance_holds_the_files_that_nodes_were_given(tmp_path: Path) -> None:
    calibration = tmp_path / "camera.yaml"
    calibration.write_text("parent_frame: base\n")
    found = files_in_force(
        {
            "/follower": {"limits": str(tmp_path / "nowhere.yaml"), "enabled": True},
            "/camera_pose_node": {"calibration": str(calibration)},
            "/driver": {"limits": "fr3_rectangular"},
        }
    )
    assert found["calibration"]["text"] == "parent_frame: base\n"
    assert len(found["calibration"]["sha256"]) == 64
    assert "position_upper" in found["limits"]["text"]
    assert files_in_force({}) == {}


def test_the_folder_of_the_bag_may_stand_first_on_the_command_line() -> None:
    assert ros_arguments(["--ros-args", "-p", "never:=/tf"]) == ["--ros-args", "-p", "never:=/tf"]
    assert ros_arguments(["run", "--ros-args", "-p", "never:=/tf"]) == [
        *("--ros-args", "-p", "never:=/tf"),
        *("--ros-args", "-p", "bag:=run"),
    ]
    for words in (["one", "two"], ["--compress"]):
        with pytest.raises(ParameterError, match="at most the folder"):
            ros_arguments(words)
