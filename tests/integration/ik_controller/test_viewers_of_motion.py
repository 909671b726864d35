"""The nodes that show motion to people: markers of the follower, and the ghost ahead of the arm."""

from __future__ import annotations

import numpy as np
from nav_msgs.msg import Path
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState, PointCloud2
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from ik_controller.resources import resource_path
from ik_controller.robot_model import RobotModel
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.camera_calibration import read_camera_calibration
from tracegen_ros.messages import (
    decode_joint_state,
    encode_header,
    encode_joint_state,
    encode_joint_trajectory,
    encode_path,
    encode_trace_grid,
    encode_transform,
)
from tracegen_ros.qos import LATCHED, LATEST

ARM = tuple(f"fr3_joint{index}" for index in range(1, 8))
FINGERS = ("fr3_finger_joint1", "fr3_finger_joint2")
READY = np.array([0.0, -0.1289, 0.0, -2.5263, 0.0, 2.3974, 0.785])
STAMP_NS = 5_000_000_000
NEXT_STAMP_NS = STAMP_NS + 20_000_000
PATH = np.array([[0.5, 0.0, 0.4], [0.5, 0.0, 0.3], [0.5, 0.1, 0.1]])
STEPS = 8


def joint_state(stamp_ns: int) -> JointState:
    values = [*READY, 0.04, 0.04]
    return encode_joint_state((*ARM, *FINGERS), values, [0.0] * 9, encode_header(stamp_ns, ""))


def traces_of_hand_and_table() -> TraceGrid:
    """Three traces that start in the palm, two on the table; all rise in the base frame."""
    calibration = read_camera_calibration(resource_path("calibration/sim_camera.yaml"))
    palm = RobotModel.fr3().hand_in_base(READY)[:3, 3]
    aside = np.array([0.0, 0.02, 0.0])
    starts = np.array([palm, palm + aside, palm - aside, [0.5, 0.3, 0.0], [0.3, -0.3, 0.0]])
    rise = np.linspace(0.0, 0.2, STEPS + 1)[:, None, None] * np.array([0.0, 0.0, 1.0])
    base_in_camera = np.linalg.inv(calibration.camera_in_base)
    points = (starts + rise) @ base_in_camera[:3, :3].T + base_in_camera[:3, 3]
    return TraceGrid(points.astype(np.float32), np.zeros((STEPS + 1, 5, 2), np.float32))


def test_markers_show_what_the_follower_is_about_to_do_and_go_when_it_goes(tester, processes) -> None:
    processes.node("ik_controller.nodes.follower_markers_node", timeout_s=1.0, rate_hz=10.0)
    node = tester.node
    state = node.create_publisher(String, "/trace_follower/state", LATCHED)
    state.publish(String(data="FOLLOW: following towards a grasp"))
    task = node.create_publisher(String, "/task_instruction", LATCHED)
    task.publish(String(data="take it"))
    calibration = read_camera_calibration(resource_path("calibration/sim_camera.yaml"))
    transforms = node.create_publisher(TFMessage, "/tf_static", LATCHED)
    base = encode_header(0, calibration.parent_frame)
    camera = encode_transform(calibration.camera_in_base, base, calibration.child_frame)
    transforms.publish(TFMessage(transforms=[camera]))
    joints = node.create_publisher(JointState, "/joint_states", 50)
    paths = node.create_publisher(Path, "/trace_follower/hand_path", LATEST)
    clouds = node.create_publisher(PointCloud2, "/tracegen/traces", LATEST)
    tester.wait(lambda: node.count_publishers("/trace_follower/markers"), "the topic of the markers")
    assert clouds.get_subscription_count() == 0, "nobody looks: no traces are taken"

    arrays = tester.hear(MarkerArray, "/trace_follower/markers", LATEST)
    cloud = encode_trace_grid(traces_of_hand_and_table(), encode_header(STAMP_NS, calibration.child_frame))

    def shown() -> dict[str, Marker]:
        newest = arrays[-1].markers if arrays else []
        return {marker.ns: marker for marker in newest if marker.action == Marker.ADD}

    def everything_shown() -> bool:
        joints.publish(joint_state(STAMP_NS))
        joints.publish(joint_state(NEXT_STAMP_NS))
        paths.publish(encode_path(PATH, base))
        clouds.publish(cloud)
        return len(shown()) == 6

    tester.wait(everything_shown, "all six kinds of markers")
    markers = shown()
    assert {marker.header.frame_id for marker in markers.values()} == {"fr3_link0"}
    assert len(markers["hand_traces"].points) == 2 * 3 * STEPS, "those of the palm, not those of the table"
    rise = [(start.z, end.z) for start, end in zip(*[iter(markers["hand_traces"].points)] * 2, strict=True)]
    assert all(end > start for start, end in rise)
    assert [(point.x, point.y, point.z) for point in markers["path"].points] == [
        tuple(row) for row in PATH.tolist()
    ]
    assert markers["events"].points[0] == markers["path"].points[-1]
    assert markers["event_names"].text == "grasp"
    assert markers["state"].text == "take it\nFOLLOW: following towards a grasp"

    tester.wait(lambda: set(shown()) == {"workspace", "state"}, "the removal of stale path and traces")
    node.destroy_publisher(state)
    tester.wait(
        lambda: arrays[-1].markers[0].action == Marker.DELETEALL,
        "the removal of all when the follower is gone",
    )


def test_the_ghost_is_ahead_of_the_arm_on_its_way(tester, processes) -> None:
    processes.node("ik_controller.nodes.ghost_node", ahead_s=1.0, trajectory_topic="/commands")
    node = tester.node
    descriptions = tester.hear(String, "/ghost/robot_description", LATCHED)
    ghosts = tester.hear(JointState, "/ghost/joint_states", LATEST)
    joints = node.create_publisher(JointState, "/joint_states", 50)
    commands = tester.publisher(JointTrajectory, "/commands", LATEST)
    frames: dict[str, str] = {}
    node.create_subscription(
        TFMessage,
        "/tf",
        lambda message: frames.update(
            {part.child_frame_id: part.header.frame_id for part in message.transforms}
        ),
        QoSProfile(depth=100, durability=DurabilityPolicy.VOLATILE),
    )

    def arm_of_ghost() -> np.ndarray:
        joints.publish(joint_state(STAMP_NS))
        return decode_joint_state(ghosts[-1], ARM).positions if ghosts else np.full(7, np.inf)

    tester.wait(lambda: np.allclose(arm_of_ghost(), READY), "a ghost where the robot is")
    goal = READY + 0.4
    rest = np.zeros((2, 7))
    motion = encode_joint_trajectory(
        ARM, np.array([0.0, 30.0]), np.array([READY, goal]), rest, rest, encode_header(0, "")
    )
    commands.publish(motion)
    tester.wait(lambda: (arm_of_ghost() - READY).min() > 1e-4, "a ghost that is under way")
    assert (arm_of_ghost() < goal).all()
    assert frames["ghost/fr3_hand_tcp"] == "ghost/fr3_link0"
    assert descriptions and "<robot" in descriptions[-1].data
    assert node.count_publishers("/ghost/gripper_action/_action/status") == 0, "no gripper is stood in for"
