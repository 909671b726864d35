"""A short run of the real nodes in the simulated cell, in lockstep, and its recording."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import yaml
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosidl_runtime_py.utilities import get_message
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import String
from tests.run_topics import INPUT_TOPICS, MOTION_TOPICS, TRACE_TOPICS

from ik_controller.resources import resource_path
from tracegen_ros.messages import decode_intrinsics
from tracegen_ros.qos import LATCHED

SEED = 200_000
INSTRUCTION = "put the green block in the yellow zone"
FRAME_PERIOD_S = 0.2
COMMANDS = 30
"""Five images a second: the block is gripped, carried, and let go of."""

LEAST_TRACES = COMMANDS // 2
"""On a live clock some commands answer no traces, the more the busier the machine is."""

LONG_S = 200.0
"""A machine with other work takes so long for a run of a few seconds [s]."""

TOPICS = {**INPUT_TOPICS, **TRACE_TOPICS, **MOTION_TOPICS}
COLOUR_TOPIC = "/camera/camera/color/image_raw"
TRACES_TOPIC = "/tracegen/traces"
COMMANDS_TOPIC = "/joint_trajectory_controller/joint_trajectory"


@dataclass(frozen=True)
class Heard:
    """A message as it came over the wire."""

    topic: str
    received_ns: int
    data: bytes


def run_and_listen(tester, processes, *, lockstep: bool = True) -> list[Heard]:
    """Everything that was said until the follower had sent ``COMMANDS`` commands, half of them from traces."""
    heard: list[Heard] = []

    def count(topic: str) -> int:
        return sum(one.topic == topic for one in heard)

    subscriptions = [
        tester.node.create_subscription(
            get_message(kind),
            topic,
            lambda data, topic=topic: heard.append(Heard(topic, time.time_ns(), bytes(data))),
            _listening(topic),
            raw=True,
        )
        for topic, kind in TOPICS.items()
    ]
    started = [
        processes.node(
            "fr3_sim.nodes.sim_node", lockstep=lockstep, camera_rate_hz=1.0 / FRAME_PERIOD_S, seed=SEED
        ),
        processes.node("tracegen_ros.nodes.trace_node", use_sim_time=True),
        processes.node(
            "ik_controller.nodes.trace_follower_node",
            use_sim_time=True,
            enabled=True,
            lockstep=lockstep,
            input_timeout_s=10.0,
            gripper_timeout_s=30.0,
        ),
        processes.node(
            "tracegen_ros.nodes.camera_pose_node",
            calibration=resource_path("calibration/sim_camera.yaml"),
        ),
    ]
    # A decision is computed again from the joints that it was made on: they are to be heard here from the first one on.
    tester.wait(lambda: count("/joint_states") > 0, "the joints to be heard")
    tester.activate("trace_node", "trace_follower")
    instruction = tester.publisher(String, "/task_instruction", LATCHED)
    tester.wait(lambda: instruction.get_subscription_count() >= 5, "the nodes to listen to instructions")
    tester.wait(lambda: any(one.topic == "/tf_static" for one in heard), "the camera's pose")
    instruction.publish(String(data=INSTRUCTION))
    tester.wait(
        lambda: count(COMMANDS_TOPIC) >= COMMANDS and count(TRACES_TOPIC) >= LEAST_TRACES,
        f"{COMMANDS} commands, and traces",
        LONG_S,
    )
    for process in started:
        processes.end(process)
    # What was said until then waits in the queues still, maybe an image while its command is there.
    known = -1
    while known < len(heard):
        known = len(heard)
        for _ in range(len(subscriptions) + 1):
            tester.spin_once()
    tester.node.destroy_publisher(instruction)
    for subscription in subscriptions:
        tester.node.destroy_subscription(subscription)
    return heard


def write_bag(heard: list[Heard], path: Path) -> Path:
    """The recording as a rosbag2 folder, written by a library that is not this project's."""
    return _write(heard, path, dict(TOPICS), StoragePlugin.MCAP)


FOREIGN_NAMES = {
    "/camera/camera/color/image_raw": "/camera/rgb/image_color",
    "/camera/camera/aligned_depth_to_color/image_raw": "/camera/depth/image",
    "/joint_states": "/franka_state_controller/joint_states",
    "/tracegen/traces": "/old_run/traces",
    "/joint_trajectory_controller/joint_trajectory": "/old_run/trajectory",
}


def write_foreign_bag(heard: list[Heard], folder: Path) -> tuple[Path, Path]:
    """The same run as another cell would have recorded it, and its mapping file.

    sqlite3, other topics and joint names, no camera info, no transforms, no instruction.
    """
    renamed = [
        Heard(FOREIGN_NAMES[one.topic], one.received_ns, _foreign_joints(one))
        for one in heard
        if one.topic in FOREIGN_NAMES
    ]
    kinds = {foreign: TOPICS[own] for own, foreign in FOREIGN_NAMES.items()}
    bag = _write(renamed, folder / "foreign", kinds, StoragePlugin.SQLITE3)
    info = next(one for one in heard if one.topic.endswith("camera_info"))
    seen = decode_intrinsics(deserialize_message(info.data, CameraInfo))
    intrinsics = {name: getattr(seen, name) for name in ("fx", "fy", "cx", "cy", "width", "height")}
    mapping = folder / "map.yaml"
    mapping.write_text(
        yaml.safe_dump(
            {
                "topics": {
                    "colour": "/camera/rgb/image_color",
                    "depth": "/camera/depth/image",
                    "joint_states": "/franka_state_controller/joint_states",
                    "traces": "/old_run/traces",
                    "commands": "/old_run/trajectory",
                },
                "camera_pose": str(resource_path("calibration/sim_camera.yaml")),
                "intrinsics": intrinsics,
                "joint_names": {f"panda_{rest}": f"fr3_{rest}" for rest in JOINTS},
                "depth_scale": 0.001,
                "instruction": INSTRUCTION,
            }
        ),
        encoding="utf-8",
    )
    return bag, mapping


JOINTS = (*(f"joint{index}" for index in range(1, 8)), "finger_joint1", "finger_joint2")


def _foreign_joints(one: Heard) -> bytes:
    if one.topic != "/joint_states":
        return one.data
    states = deserialize_message(one.data, JointState)
    states.name = [name.replace("fr3_", "panda_") for name in states.name]
    return bytes(serialize_message(states))


def _write(heard: list[Heard], path: Path, kinds: dict[str, str], storage: StoragePlugin) -> Path:
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store) for topic, kind in kinds.items()
        }
        for one in heard:
            writer.write(connections[one.topic], one.received_ns, one.data)
    return path


def _listening(topic: str) -> QoSProfile:
    """A queue that loses nothing here."""
    latched = topic in (
        "/tf_static",
        "/task_instruction",
        "/trace_follower/state",
        "/trace_follower/core_calls",
    )
    camera = topic.startswith("/camera")
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=200,
        reliability=ReliabilityPolicy.BEST_EFFORT if camera else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
