"""``trace_follower`` with a core that answers every trace with a gripper goal: for the order of what is sent."""

from __future__ import annotations

import sys

from ik_controller.follower import FollowerInput, FollowerOutput, FollowerState, GripperCommand, TraceFollower
from ik_controller.joint_trajectory import JointTrajectory
from ik_controller.nodes.trace_follower_node import TraceFollowerNode
from tracegen_ros.spinning import run_node


class GrippingFollower(TraceFollower):
    """Stands still and closes the fingers, until it is stopped."""

    _stopped = ""

    def stop(self, reason: str) -> None:
        self._stopped = reason

    def update(self, inputs: FollowerInput) -> FollowerOutput:
        standing = JointTrajectory.standing(inputs.joint_state_now[0])
        if self._stopped:
            return FollowerOutput(FollowerState.STOP, self._stopped, None, inputs.now_s)
        return FollowerOutput(
            FollowerState.FOLLOW, "closing", standing, inputs.now_s, GripperCommand(0.02, 20.0)
        )


if __name__ == "__main__":
    sys.exit(run_node(lambda: TraceFollowerNode(GrippingFollower)))
