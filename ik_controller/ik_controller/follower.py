"""The trace follower: traces and robot state in, joint trajectories and gripper commands out."""

from __future__ import annotations

from dataclasses import dataclass

from ik_controller.follower_interface import (
    FollowerInput,
    FollowerOutput,
    FollowerState,
    GripperCommand,
)
from ik_controller.joint_trajectory import JointTrajectory
from ik_controller.robot_model import RobotModel

__all__ = ["FollowerConfig", "FollowerInput", "FollowerOutput", "FollowerState", "GripperCommand", "TraceFollower"]


@dataclass(frozen=True)
class FollowerConfig:
    """Settings of the follower.

    Attributes:
        command_lead_s: Time between deciding and the start of a new trajectory [s]; covers transport to the controller.
    """

    command_lead_s: float = 0.03


class TraceFollower:
    """Follows traces."""

    def __init__(self, robot: RobotModel, config: FollowerConfig | None = None) -> None:
        self.robot = robot
        self.config = config or FollowerConfig()
        self._enabled = True
        self._task = ""

    def enable(self, on: bool) -> None:
        """Allow motion, or forbid it (a moving arm is brought to rest)."""
        self._enabled = on

    def stop(self, reason: str) -> None:
        """Bring the arm to rest and stay there until enabled again."""
        self._enabled = False

    def set_task(self, instruction: str) -> None:
        """Start over with a new instruction; an empty one brings the arm to rest."""
        self._task = instruction

    def update(self, inputs: FollowerInput) -> FollowerOutput:
        """Decide on one set of inputs."""
        start_s = inputs.now_s + self.config.command_lead_s
        trajectory = None
        if inputs.joint_state_now is not None:
            trajectory = JointTrajectory.standing(inputs.joint_state_now[0])
        return FollowerOutput(FollowerState.IDLE, "no task", trajectory, start_s)
