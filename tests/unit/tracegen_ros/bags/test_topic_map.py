"""Mapping files: what they may say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracegen_ros.bags.topic_map import TopicMap, TopicMapError

CALIBRATION = """\
parent_frame: panda_link0
child_frame: camera
translation: [1.0, 2.0, 3.0]
rotation: [0.0, 0.0, 0.0, 1.0]
"""
MAPPING = """\
topics:
  colour: /rgb/image
  joint_states: /franka_state_controller/joint_states
camera_pose: cameras/front.yaml
intrinsics: {fx: 525.0, fy: 526.0, cx: 319.5, cy: 239.5, width: 640, height: 480}
joint_names: {panda_joint1: fr3_joint1}
depth_scale: 0.0002
instruction: put the red block in the green zone
"""


def test_a_mapping_file_says_what_is_where_and_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "cameras").mkdir()
    (tmp_path / "cameras" / "front.yaml").write_text(CALIBRATION)
    path = tmp_path / "map.yaml"
    path.write_text(MAPPING)
    topics = TopicMap.load(path)
    assert topics.colour == "/rgb/image"
    assert topics.joint_states == "/franka_state_controller/joint_states"
    assert topics.depth == TopicMap().depth
    assert topics.camera_pose is not None
    assert topics.camera_pose.camera_in_base[:3, 3].tolist() == [1.0, 2.0, 3.0]
    assert topics.intrinsics is not None
    assert topics.intrinsics.fy == 526.0
    assert topics.joint_names == {"panda_joint1": "fr3_joint1"}
    assert topics.depth_scale == 0.0002
    assert topics.instruction_text == "put the red block in the green zone"


def test_an_empty_mapping_file_is_this_projects_own(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("")
    assert TopicMap.load(path) == TopicMap()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "cannot read"),
        ("- one", "keys and values"),
        ("topic: {}", "topic in .* means nothing"),
        ("topics: {color: /rgb}", r"topics\.color in .* means nothing"),
        ("topics: {camera_pose: /rgb}", "means nothing"),
        ("topics: {colour: rgb}", "full name such as /rgb"),
        ("topics: [colour]", "names and names"),
        ("topics: {colour: 3}", "names and names"),
        ("camera_pose: nowhere.yaml", "camera_pose in .*nowhere"),
        ("intrinsics: {fx: 500}", "intrinsics in"),
        ("intrinsics: 3", "intrinsics in"),
        ("intrinsics: {fx: 0, fy: 1, cx: 1, cy: 1, width: 4, height: 4}", "focal lengths"),
        ("depth_scale: -1", "metres per unit"),
        ("depth_scale: true", "metres per unit"),
        ("depth_scale: .nan", "metres per unit"),
    ],
)
def test_a_wrong_mapping_file_is_refused_with_a_reason(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(TopicMapError, match=words):
        TopicMap.load(path)


def test_a_mapping_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TopicMapError, match="cannot read"):
        TopicMap.load(tmp_path / "nowhere.yaml")
