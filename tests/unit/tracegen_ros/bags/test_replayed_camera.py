"""A replay's camera stands and sees as it was recorded, unless the topic map knows better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo
from tests.unit.tracegen_ros.bags.test_recording import (
    FRAME,
    INTRINSICS,
    MS,
    NAMES,
    camera_messages,
    of_role,
    recording,
)
from tf2_msgs.msg import TFMessage

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.bags.recording import Role
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.camera_calibration import CameraCalibration
from tracegen_ros.messages import (
    decode_intrinsics,
    decode_transform,
    encode_header,
    encode_intrinsics,
    encode_transform,
)
from tracegen_ros.nodes.replayed_camera import ReplayedCamera

OTHER = CameraIntrinsics(20.0, 20.0, 3.5, 2.5, 8, 6)


def placed(frame: str, x: float) -> TFMessage:
    pose = np.eye(4)
    pose[0, 3] = x
    return TFMessage(transforms=[encode_transform(pose, encode_header(0, "fr3_link0"), frame)])


def poses(camera: ReplayedCamera) -> dict[str, float]:
    return {
        one.child_frame_id: decode_transform(one.transform)[0, 3] for one in camera.transforms().transforms
    }


def test_recorded_intrinsics_hold_from_the_beginning_until_others_come(tmp_path: Path) -> None:
    later = (NAMES.colour_info, encode_intrinsics(OTHER, encode_header(200 * MS, FRAME)))
    with recording(tmp_path, [*camera_messages(100), later]) as recorded:
        camera = ReplayedCamera(recorded)
        [(topic, data)] = camera.infos(0)
        assert topic == NAMES.colour_info
        assert decode_intrinsics(deserialize_message(data, CameraInfo)) == INTRINSICS
        camera.note_info(of_role(list(recorded.entries()), Role.COLOUR_INFO)[-1])
        [(_, data)] = camera.infos(0)
        assert decode_intrinsics(deserialize_message(data, CameraInfo)) == OTHER


def test_the_topic_maps_camera_takes_the_place_of_the_recorded_one(tmp_path: Path) -> None:
    statics = [(NAMES.tf_static, placed(FRAME, 1.0)), (NAMES.tf_static, placed("table", 2.0))]
    said = [*statics, *camera_messages(100)]
    (tmp_path / "as_recorded").mkdir()
    with recording(tmp_path / "as_recorded", said) as recorded:
        assert poses(ReplayedCamera(recorded)) == {FRAME: 1.0, "table": 2.0}
    pose = np.eye(4)
    pose[0, 3] = 3.0
    fixed = TopicMap(camera_pose=CameraCalibration("fr3_link0", FRAME, pose), intrinsics=OTHER)
    with recording(tmp_path, said, fixed) as recorded:
        camera = ReplayedCamera(recorded)
        assert poses(camera) == {FRAME: 3.0, "table": 2.0}
        [(topic, info)] = camera.infos(100 * MS)
        assert topic == NAMES.colour_info and info.header.frame_id == FRAME
        assert decode_intrinsics(info) == OTHER
