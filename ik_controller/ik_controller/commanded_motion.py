"""The motion that the arm has been told to make: the follower's memory of its last trajectories.

A trajectory takes over at its own start; until then the one before it runs. A decision may come while a trajectory is
still to start, and may start before it: so what runs before it is remembered, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ik_controller.joint_limits import JointLimits
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.replanning import slow_to_rest

MEMORY_S = 1.0
"""A motion that was replaced is remembered as long as one that followed it started less than this ago [s]."""


@dataclass(frozen=True)
class CommandedMotion:
    """A trajectory and when it starts.

    Attributes:
        trajectory: The motion.
        start_s: Time of its first knot [s].
        rest_s: When the arm comes to rest [s], where that is not the trajectory's end: None = the end.
        before: What is in force until ``start_s``; None = nothing is known of it.
        is_stop: It brings the arm to rest as soon as can be.
    """

    trajectory: JointTrajectory
    start_s: float
    rest_s: float | None = None
    before: CommandedMotion | None = None
    is_stop: bool = False

    @property
    def end_s(self) -> float:
        """When the arm comes to rest [s]."""
        return self.start_s + self.trajectory.duration_s if self.rest_s is None else self.rest_s

    def state_at(self, time_s: float) -> JointState:
        """Commanded state at ``time_s`` [s]."""
        motion = self._in_force_at(time_s)
        return motion.trajectory.sample(time_s - motion.start_s)

    def is_moving_at(self, time_s: float) -> bool:
        """The arm has not come to rest before ``time_s`` [s]."""
        motion = self._in_force_at(time_s)
        return motion is not self or (
            time_s < self.end_s
            and bool(abs(self.trajectory.positions - self.trajectory.positions[-1]).max() > 1e-9)
        )

    def replaced_by(self, trajectory: JointTrajectory, start_s: float) -> CommandedMotion:
        """``trajectory`` from ``start_s`` [s] on, this one before."""
        before = self._in_force_at(start_s)._recent(start_s)
        return CommandedMotion(trajectory, start_s, before=before)

    def continued_from(self, time_s: float) -> CommandedMotion:
        """The same motion, starting later."""
        # What is sent again after the end stands for a while; the arm came to rest before.
        start_s = max(time_s, self.start_s)
        before = self.before if start_s == self.start_s else self._recent(start_s)
        rest = self.trajectory.tail(start_s - self.start_s)
        return CommandedMotion(rest, start_s, self.end_s, before, self.is_stop)

    def stopped_from(self, time_s: float, limits: JointLimits) -> CommandedMotion:
        """The same way, slowed down to rest from ``time_s`` [s] on."""
        motion = self._in_force_at(time_s)
        if motion.is_stop:
            return motion.continued_from(time_s)
        start_s = max(time_s, motion.start_s)
        slowed = slow_to_rest(motion.trajectory, start_s - motion.start_s, limits)
        return replace(motion.replaced_by(slowed, start_s), is_stop=True)

    def _in_force_at(self, time_s: float) -> CommandedMotion:
        motion = self
        while time_s < motion.start_s and motion.before is not None:
            motion = motion.before
        return motion

    def _recent(self, time_s: float) -> CommandedMotion:
        """This motion as it is remembered at ``time_s`` [s]."""
        if self.before is None or self.start_s > time_s - MEMORY_S:
            return self
        return replace(self, before=None)
