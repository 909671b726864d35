"""In lockstep the simulator waits for the command that was computed from its image."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo, JointState
from trajectory_msgs.msg import JointTrajectory

from fr3_sim.nodes.frame_publisher import COLOUR_INFO_TOPIC
from fr3_sim.nodes.sim_node import TRAJECTORY_TOPIC
from tracegen_ros.messages import (
    decode_joint_state,
    decode_stamp,
    encode_header,
    encode_joint_trajectory,
)
from tracegen_ros.qos import SENSOR

ARM = [f"fr3_joint{index}" for index in range(1, 8)]
PERIOD_NS = 200_000_000


def test_physics_waits_for_a_command_with_the_images_stamp_or_a_later_one(tester, processes) -> None:
    processes.node("fr3_sim.nodes.sim_node", lockstep=True, camera_rate_hz=5.0)
    infos = tester.hear(CameraInfo, COLOUR_INFO_TOPIC, SENSOR)
    states = tester.hear(JointState, "/joint_states", 50)
    trajectories = tester.publisher(JointTrajectory, TRAJECTORY_TOPIC, 10)

    def newest() -> int:
        return decode_stamp(infos[-1].header.stamp)

    def answer(stamp_ns: int) -> None:
        joints = decode_joint_state(states[-1], ARM).positions
        rest = np.zeros((2, 7))
        trajectories.publish(
            encode_joint_trajectory(
                ARM, [0.0, 0.1], np.array([joints, joints]), rest, rest, encode_header(stamp_ns, "fr3_link0")
            )
        )

    # The waiting image is shown again, with the joint states of its stamp.
    tester.wait(lambda: len(infos) >= 2 and states, "the same image twice")
    first = newest()
    assert {decode_stamp(info.header.stamp) for info in infos} == {first}
    assert decode_stamp(states[-1].header.stamp) == first

    answer(first - 1)
    heard = len(infos)
    tester.wait(lambda: len(infos) > heard, "the image once more")
    assert newest() == first

    answer(first)
    tester.wait(lambda: newest() > first, "the next image")
    assert newest() - first == PERIOD_NS
    tester.wait(lambda: decode_stamp(states[-1].header.stamp) == newest(), "the joint states of the image")
