"""``trajectory_msgs/JointTrajectory`` as the command of a ``TrajectoryExecutor``: for whatever has an arm."""

from __future__ import annotations

from collections.abc import Sequence

from trajectory_msgs.msg import JointTrajectory

from ik_controller.trajectory_executor import TrajectoryCommand
from tracegen_ros.messages import decode_joint_trajectory, seconds_from


def decode_trajectory_command(message: JointTrajectory, joint_names: Sequence[str]) -> TrajectoryCommand:
    """The message's motion in the order of ``joint_names``, with what its points carry and no more.

    Raises:
        MessageError: A joint is missing, or the points form no motion.
    """
    samples = decode_joint_trajectory(message, joint_names)
    has_velocities = all(len(point.velocities) > 0 for point in message.points)
    has_accelerations = has_velocities and all(len(point.accelerations) > 0 for point in message.points)
    return TrajectoryCommand(
        start_s=seconds_from(samples.start_ns),
        times_s=samples.times_s,
        positions=samples.positions,
        velocities=samples.velocities if has_velocities else None,
        accelerations=samples.accelerations if has_accelerations else None,
    )
