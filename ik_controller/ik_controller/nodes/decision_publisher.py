"""Sends what the motion core decided, and says it to people."""

from __future__ import annotations

import re
import time

from nav_msgs.msg import Path
from rclpy.node import Node
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from ik_controller.follower import FollowerOutput, FollowerPhase, FollowerState
from ik_controller.nodes.follower_parameters import FollowerParameters
from tracegen_ros.latency import LatencyWindow, RateWindow
from tracegen_ros.messages import encode_header, encode_joint_trajectory, encode_path, nanoseconds_from
from tracegen_ros.qos import LATCHED, LATEST


class DecisionPublisher:
    """Publishes trajectories, the hand's path and the state, and keeps count for the diagnostics.

    Args:
        node: Whose publishers these are.
        parameters: Topic of the trajectories, and the base frame.
        joint_names: The arm's joints, in order.

    Attributes:
        output: The last decision that changed anything; None before the first.
        last_event: What last happened to the task.
        trajectories_sent: How many.
        latency: How long the stages from traces to command took.
        rate: How often traces became decisions.
    """

    def __init__(self, node: Node, parameters: FollowerParameters, joint_names: tuple[str, ...]) -> None:
        self._node = node
        self._base_frame = parameters.base_frame
        self._joint_names = joint_names
        self._trajectories = node.create_publisher(JointTrajectory, parameters.trajectory_topic, LATEST)
        self._states = node.create_publisher(String, "~/state", LATCHED)
        self._hand_paths = node.create_publisher(Path, "~/hand_path", LATEST)
        self.latency = LatencyWindow()
        self.rate = RateWindow()
        self.forget()

    def forget(self) -> None:
        """Nothing was decided yet."""
        self.output: FollowerOutput | None = None
        self.last_event = ""
        self.trajectories_sent = 0
        self._shown = ""

    def send(
        self, output: FollowerOutput, epoch_ns: int, stages_s: dict[str, float], decided_s: float
    ) -> bool:
        """Publish a decision; True where the state is to be shown again.

        Args:
            output: What was decided.
            epoch_ns: Where the core's time starts [ns].
            stages_s: How long the stages before took [s]; that of sending is added.
            decided_s: When it was decided [s of wall time].
        """
        header = encode_header(epoch_ns + nanoseconds_from(output.start_s), self._base_frame)
        if output.trajectory is not None:
            trajectory = output.trajectory
            self._trajectories.publish(
                encode_joint_trajectory(
                    self._joint_names,
                    trajectory.times_s,
                    trajectory.positions,
                    trajectory.velocities,
                    trajectory.accelerations,
                    header,
                )
            )
            self.trajectories_sent += 1
        stages_s["send"] = time.monotonic() - decided_s
        if "wait_for_inputs" in stages_s:
            stages_s["trace_to_command"] = sum(stages_s.values())
            self.rate.tick(time.monotonic())
        self.latency.add(stages_s)
        if output.hand_path_in_base is not None:
            self._hand_paths.publish(encode_path(output.hand_path_in_base, header))
        if output.event is not None:
            self.last_event = output.event
            self._node.get_logger().info(f"event: {output.event}")
        if output.trajectory is None and _follows_traces(output) and _follows_traces(self.output):
            return False  # Waiting for the next traces says nothing that the last ones did not say better.
        self.output = output
        return True

    def show_state(self, text: str) -> None:
        """Tell people; not again where only a number in the text changed."""
        gist = re.sub(r"\d+(\.\d+)?", "#", text)
        if gist != self._shown:
            self._shown = gist
            self._states.publish(String(data=text))
            self._node.get_logger().info(text)

    def destroy(self) -> None:
        """Let go of the publishers."""
        for publisher in (self._trajectories, self._states, self._hand_paths):
            self._node.destroy_publisher(publisher)


def _follows_traces(output: FollowerOutput | None) -> bool:
    return (
        output is not None and output.state is FollowerState.FOLLOW and output.phase is FollowerPhase.TRACES
    )
