"""The motion that the arm has been told to make: the follower's memory of its last trajectory."""

from __future__ import annotations

from dataclasses import dataclass

from ik_controller.joint_limits import JointLimits
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.replanning import slow_to_rest


@dataclass(frozen=True)
class CommandedMotion:
    """A trajectory and when it starts.

    Attributes:
        trajectory: The motion.
        start_s: Time of its first knot [s].
        rest_s: When the arm comes to rest [s], where that is not the trajectory's end: None = the end.
    """

    trajectory: JointTrajectory
    start_s: float
    rest_s: float | None = None

    @property
    def end_s(self) -> float:
        """When the arm comes to rest [s]."""
        return self.start_s + self.trajectory.duration_s if self.rest_s is None else self.rest_s

    def state_at(self, time_s: float) -> JointState:
        """Commanded state at ``time_s`` [s]."""
        return self.trajectory.sample(time_s - self.start_s)

    def is_moving_at(self, time_s: float) -> bool:
        """The motion has not come to rest before ``time_s`` [s]."""
        return time_s < self.end_s and bool(
            abs(self.trajectory.positions - self.trajectory.positions[-1]).max() > 1e-9
        )

    def continued_from(self, time_s: float) -> CommandedMotion:
        """The same motion, starting later."""
        # What is sent again after the end stands for a while; the arm came to rest before.
        return CommandedMotion(
            self.trajectory.tail(time_s - self.start_s), max(time_s, self.start_s), rest_s=self.end_s
        )

    def stopped_from(self, time_s: float, limits: JointLimits) -> CommandedMotion:
        """The same way, slowed down to rest from ``time_s`` [s] on."""
        start = max(time_s, self.start_s)
        return CommandedMotion(slow_to_rest(self.trajectory, start - self.start_s, limits), start)
