"""A node that dies leaves the arm in a smooth hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sensor_msgs.msg import Image
from tests.integration.ik_controller.cell import ARM, Cell

from ik_controller.joint_limits import find_violations
from tracegen_ros.messages import decode_joint_trajectory
from tracegen_ros.qos import SENSOR

TRACE_NODE = Path(__file__).parents[1] / "tracegen_ros" / "straight_trace_node.py"


def test_the_arm_comes_to_a_smooth_hold_when_trace_node_is_killed(tester, processes) -> None:
    simulated = ("--ros-args", "-p", "use_sim_time:=true")
    trace_node = processes.python(TRACE_NODE, *simulated)
    processes.node(
        "ik_controller.nodes.trace_follower_node", use_sim_time=True, enabled=True, robot_obeys=False
    )
    tester.activate("trace_node", "trace_follower")
    cell = Cell(tester)
    tester.publisher(Image, "/camera/camera/color/image_raw", SENSOR)
    cell.instruct("go right")

    def moving() -> bool:
        cell.see(with_traces=False)
        return any("FOLLOW: following" in message.data for message in cell.words)

    tester.wait(moving, "the arm to follow")
    trace_node.kill()
    trace_node.wait()
    cell.wait_for_words("HOLD: traces are", meanwhile=lambda: cell.see(with_traces=False))
    for message in cell.trajectories:
        motion = decode_joint_trajectory(message, ARM)
        assert not find_violations(motion.times_s, motion.positions, cell.robot.limits)
    np.testing.assert_allclose(motion.velocities[-1], 0.0, atol=1e-6)
