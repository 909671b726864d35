"""Writes a simulated run as a bag, with the names of this project or those of another cell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from std_msgs.msg import Header, String
from tests.bag_evaluation.simulated_run import SimulatedRun
from tests.run_topics import INPUT_TOPICS, TRACE_TOPICS
from tf2_msgs.msg import TFMessage

from fr3_sim.camera import INTRINSICS
from fr3_sim.simulation import JOINT_NAMES
from tracegen_model.runtime import TracePredictor
from tracegen_ros.bags.mcap_file import PROVENANCE_RECORD
from tracegen_ros.messages import (
    encode_colour,
    encode_depth,
    encode_header,
    encode_intrinsics,
    encode_joint_state,
    encode_trace_grid,
    encode_transform,
    nanoseconds_from,
)

OPTICAL_FRAME = "camera_color_optical_frame"
START_NS = 1_700_000_000_000_000_000
"""When the recorder's clock says that the recording began [ns]."""

TOPICS = {**INPUT_TOPICS, **TRACE_TOPICS}
COLOUR, INFO, DEPTH, JOINTS, TF_STATIC, INSTRUCTION, TRACES = TOPICS

FOREIGN_TOPICS = {
    COLOUR: "/camera/rgb/image_color",
    DEPTH: "/camera/depth/image",
    JOINTS: "/franka_state_controller/joint_states",
}
FOREIGN_MAPPING = """topics:
  colour: /camera/rgb/image_color
  depth: /camera/depth/image
  joint_states: /franka_state_controller/joint_states
  gripper: /franka_state_controller/joint_states
camera_pose: calibration.yaml
intrinsics: {{fx: 615.0, fy: 615.0, cx: 319.5, cy: 239.5, width: 640, height: 480}}
joint_names: {{{joints}}}
instruction: {instruction}
"""


def write_bag(
    run: SimulatedRun,
    path: Path,
    camera_in_base: NDArray[np.float64] | None = None,
    instruction: str | None = None,
    predictor: TracePredictor | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """The run as this project records it, in MCAP.

    Args:
        run: What happened.
        path: Folder of the bag.
        camera_in_base: (4, 4) what is said of the camera's pose; the truth if None.
        instruction: What is said to be asked for; the truth if None.
        predictor: Its traces are recorded, too.
        provenance: What is said of the run; nothing if None.
    """
    messages = _messages(run, camera_in_base, instruction, predictor)
    return _write(path, StoragePlugin.MCAP, messages, {}, provenance)


def write_foreign_bag(run: SimulatedRun, path: Path) -> Path:
    """The run as another cell records it: sqlite3, other topics and joints, no camera info, no TF, no instruction."""
    messages = (
        (topic, time_ns, _foreign(message))
        for topic, time_ns, message in _messages(run, None, None)
        if topic in FOREIGN_TOPICS
    )
    return _write(path, StoragePlugin.SQLITE3, messages, FOREIGN_TOPICS)


def _foreign(message: Any) -> Any:
    if hasattr(message, "name"):
        message.name = [name.replace("fr3", "panda") for name in message.name]
    return message


def _messages(
    run: SimulatedRun,
    camera_in_base: NDArray[np.float64] | None,
    instruction: str | None,
    predictor: TracePredictor | None = None,
) -> Iterator[tuple[str, int, Any]]:
    pose = run.camera.in_base if camera_in_base is None else camera_in_base
    transform = encode_transform(pose, Header(frame_id="fr3_link0"), OPTICAL_FRAME)
    yield TF_STATIC, 0, TFMessage(transforms=[transform])
    yield INSTRUCTION, 1, String(data=run.frames[0].instruction if instruction is None else instruction)
    joints = iter(zip(run.joint_times_s, run.joint_positions, strict=True))
    waiting = next(joints, None)
    first_ns = run.frames[0].stamp_ns
    for frame in run.frames:
        while waiting is not None and waiting[0] <= frame.time_s + 0.021:
            stamp_ns = nanoseconds_from(waiting[0])
            header = encode_header(stamp_ns, "")
            state = encode_joint_state(JOINT_NAMES, waiting[1], np.zeros(len(JOINT_NAMES)), header)
            yield JOINTS, stamp_ns - first_ns + 2, state
            waiting = next(joints, None)
        header = encode_header(frame.stamp_ns, OPTICAL_FRAME)
        late_ns = frame.stamp_ns - first_ns + 25_000_000
        yield INFO, late_ns, encode_intrinsics(INTRINSICS, header)
        yield COLOUR, late_ns, encode_colour(frame.colour, header)
        yield DEPTH, late_ns, encode_depth(frame.depth_m, header)
        if predictor is not None:
            found = predictor.predict(frame.colour, frame.depth_m, INTRINSICS, frame.instruction)
            yield TRACES, late_ns + 30_000_000, encode_trace_grid(found.traces, header)


def _write(
    path: Path,
    storage: StoragePlugin,
    messages: Iterator[tuple[str, int, Any]],
    names: dict[str, str],
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {
            topic: writer.add_connection(names.get(topic, topic), kind, typestore=store)
            for topic, kind in TOPICS.items()
            if not names or topic in names
        }
        if provenance is not None:
            writer.set_custom_data(PROVENANCE_RECORD, json.dumps(provenance))
        for topic, time_ns, message in messages:
            writer.write(connections[topic], START_NS + time_ns, serialize_message(message))
    return path
