"""Executes joint trajectories as ros2_control's ``joint_trajectory_controller`` does.

Between two knots the controller interpolates with what both of them carry: quintic with accelerations, cubic with
velocities, linear with positions only. A trajectory starts at its own start time; the one before it runs until then
and is dropped there (the replacement rule of the ROS 1 controller, which lets commands overlap without a stop). After
its last knot a trajectory rests.

A trajectory that comes late, or begins a little beside where the arm is told to be then, is not jumped to: what the two
differ by is brought to zero on the way, inside the joints' limits. One that cannot be joined so is refused. Where it
came late, its sender takes the arm to be elsewhere, and may have wanted it to stop: the arm is brought to rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.joint_limits import JointLimits
from ik_controller.joint_spline import JointSpline
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.trajectory_joining import LARGEST_DETOUR, JoinedMotion, brake, join

FloatArray = NDArray[np.float64]

START_TOLERANCE = 0.02
"""Largest distance between a trajectory's start and where the arm is told to be then [rad]."""

REST_VELOCITY = 1e-3
"""A last knot faster than this does not rest [rad/s]."""


class CommandError(ValueError):
    """A command that the controller refuses; nothing new moves because of it."""


class JointNamesError(CommandError):
    """A command that does not name exactly the joints of the arm."""


class KnotError(CommandError):
    """Knots that form no trajectory: shapes, numbers or times."""


class JointRangeError(CommandError):
    """A command that leaves the joints' position range or exceeds their velocity."""


class StartError(CommandError):
    """A trajectory that cannot be joined from where the arm is and how it moves."""


class LateError(StartError):
    """A trajectory that came too late to be joined; the arm comes to rest on the way it was going."""


@dataclass(frozen=True)
class JointRange:
    """What the arm's controller lets through.

    Attributes:
        names: The joints, in the order of all arrays.
        lower: (J,) least position [rad].
        upper: (J,) greatest position [rad].
        velocity: (J,) greatest speed [rad/s].
    """

    names: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray
    velocity: FloatArray

    @classmethod
    def of(cls, limits: JointLimits) -> JointRange:
        """The range of ``limits``, at any position their greatest velocity."""
        return cls(limits.joint_names, limits.position_lower, limits.position_upper, limits.velocity)


@dataclass(frozen=True)
class TrajectoryCommand:
    """A motion to execute.

    Attributes:
        start_s: When the knots' time zero is [s]; 0 = now.
        times_s: (T,) increasing, >= 0 [s]. A first time above zero leaves that long for the way to the first knot.
        positions: (T, J) [rad].
        velocities: (T, J) [rad/s], or None where the command carries none.
        accelerations: (T, J) [rad/s²], or None; needs velocities.
    """

    start_s: float
    times_s: FloatArray
    positions: FloatArray
    velocities: FloatArray | None = None
    accelerations: FloatArray | None = None

    @classmethod
    def of(cls, trajectory: JointTrajectory, start_s: float) -> TrajectoryCommand:
        """To make the planned ``trajectory`` from ``start_s`` [s] on."""
        return cls(
            start_s,
            trajectory.times_s,
            trajectory.positions,
            trajectory.velocities,
            trajectory.accelerations,
        )


class TrajectoryExecutor:
    """Holds the accepted trajectories and says where the joints shall be at any time from now on.

    Args:
        joints: What is accepted.
        limits: What joining a trajectory that does not continue the one before it keeps.
    """

    def __init__(self, joints: JointRange, limits: JointLimits) -> None:
        self._joints = joints
        self._limits = limits
        self.reset(0.0, np.zeros(len(joints.names)))

    def reset(self, now_s: float, position: FloatArray) -> None:
        """Forget everything and stand at ``position`` (J,) [rad]."""
        self._running = JoinedMotion(JointSpline.standing(now_s, np.asarray(position, dtype=float)))
        self._waiting: list[JoinedMotion] = []
        self._asked_s = now_s

    def submit(self, command: TrajectoryCommand, now_s: float, names: Sequence[str] | None = None) -> None:
        """Accept ``command``, or refuse it and go on with what runs.

        Args:
            command: The motion; its columns are the joints in ``names`` order.
            now_s: Present time [s].
            names: Joint of each column; None for the arm's own order.

        Raises:
            JointNamesError: The joints named are not the arm's.
            KnotError: Wrong shapes, numbers that are not finite, times that do not increase, no rest at the end.
            JointRangeError: A knot outside the position range, or faster than the joint.
            StartError: The motion starts away from where the arm is then, or not as it moves then.
            LateError: The same of a motion that should have begun before, or one that is over; the arm comes to rest.
        """
        command = self._in_own_order(command, names)
        self._check_knots(command)
        self._check_range(command)
        start_s = command.start_s if command.start_s > 0.0 else now_s
        # What was asked for already is on its way to the arm.
        joined_s = max(start_s, now_s, self._asked_s)
        try:
            motion = self._take_up(command, start_s, joined_s)
        except StartError as error:
            if start_s >= now_s:
                raise
            self._come_to_rest(joined_s)
            raise LateError(f"{now_s - start_s:.3f} s late, the arm comes to rest: {error}") from error
        self._waiting = [other for other in self._waiting if other.start_s < start_s] + [motion]

    def setpoint(self, now_s: float) -> JointState:
        """Where the joints shall be at ``now_s`` [s]; times must not decrease from call to call."""
        while self._waiting and self._waiting[0].start_s <= now_s:
            self._running = self._waiting.pop(0)
        self._asked_s = now_s
        return self._running.sample(now_s)

    @property
    def end_s(self) -> float:
        """When the last accepted trajectory comes to rest [s]."""
        return (self._waiting[-1] if self._waiting else self._running).end_s

    def _take_up(self, command: TrajectoryCommand, start_s: float, joined_s: float) -> JoinedMotion:
        """``command``, which starts at ``start_s`` [s], as it can be gone over to at ``joined_s`` [s].

        Raises:
            StartError: It cannot.
        """
        if start_s + command.times_s[-1] < joined_s:
            raise StartError(
                f"the trajectory ended at {start_s + command.times_s[-1]:.3f} s, before now ({joined_s:.3f} s); "
                "stamp it with the time it shall start at, on the clock that the robot uses"
            )
        before = self._plan_at(joined_s).sample(joined_s)
        spline = JointSpline.through(
            start_s, command.times_s, command.positions, command.velocities, command.accelerations, before
        )
        jump = np.abs(before.position - spline.sample(joined_s).position)
        if jump.max() > START_TOLERANCE:
            joint = int(np.argmax(jump))
            raise StartError(
                f"{self._joints.names[joint]} would jump by {jump[joint]:.4f} rad (at most {START_TOLERANCE} rad): "
                "start the trajectory where the arm is commanded to be at its start time"
            )
        motion = join(spline, joined_s, before, self._limits)
        if motion is None:
            raise StartError(
                f"the arm cannot join the trajectory inside its limits and within {LARGEST_DETOUR} rad of it: "
                "send it earlier, or begin as the arm moves then"
            )
        return motion

    def _come_to_rest(self, time_s: float) -> None:
        """Brake on the way that the arm is told to go, from ``time_s`` [s] on; forget what was to come after."""
        motion = self._plan_at(time_s)
        self._waiting = [other for other in self._waiting if other.start_s < time_s or other is motion]
        if time_s < motion.end_s and not motion.is_brake:
            self._waiting.append(brake(motion, time_s, self._limits))

    def _plan_at(self, time_s: float) -> JoinedMotion:
        """What will be in force at ``time_s`` [s]."""
        plan = self._running
        for motion in self._waiting:
            if motion.start_s <= time_s:
                plan = motion
        return plan

    def _in_own_order(self, command: TrajectoryCommand, names: Sequence[str] | None) -> TrajectoryCommand:
        own = self._joints.names
        if names is None or tuple(names) == own:
            return command
        if sorted(names) != sorted(own):
            raise JointNamesError(f"expected the joints {', '.join(own)}, got {', '.join(names) or 'none'}")
        if np.ndim(command.positions) != 2 or np.shape(command.positions)[1] != len(own):
            raise KnotError(f"positions must be (T, {len(own)}), got {np.shape(command.positions)}")
        order = [list(names).index(name) for name in own]
        return TrajectoryCommand(
            command.start_s,
            command.times_s,
            command.positions[:, order],
            None if command.velocities is None else command.velocities[:, order],
            None if command.accelerations is None else command.accelerations[:, order],
        )

    def _check_knots(self, command: TrajectoryCommand) -> None:
        count = len(self._joints.names)
        times = np.asarray(command.times_s)
        if times.ndim != 1 or len(times) == 0:
            raise KnotError("a trajectory needs one knot at least")
        shape = (len(times), count)
        for field in ("positions", "velocities", "accelerations"):
            values = getattr(command, field)
            if values is None:
                continue
            if np.shape(values) != shape:
                raise KnotError(f"{field} must be {shape} (knots, joints), got {np.shape(values)}")
            if not np.isfinite(values).all():
                raise KnotError(f"{field} holds numbers that are not finite")
        if command.accelerations is not None and command.velocities is None:
            raise KnotError("knots with accelerations need velocities too")
        if not (np.isfinite(times).all() and np.isfinite(command.start_s)):
            raise KnotError("times must be finite")
        if times[0] < 0.0 or (np.diff(times) <= 0.0).any():
            raise KnotError("times must be >= 0 and increase from knot to knot")
        if command.velocities is not None and np.abs(command.velocities[-1]).max() > REST_VELOCITY:
            raise KnotError("the last knot must have zero velocity: a trajectory ends at rest")

    def _check_range(self, command: TrajectoryCommand) -> None:
        joints = self._joints
        beyond = np.maximum(command.positions - joints.upper, joints.lower - command.positions)
        if beyond.max() > 0.0:
            knot, joint = np.unravel_index(np.argmax(beyond), beyond.shape)
            raise JointRangeError(
                f"{joints.names[joint]} is sent to {command.positions[knot, joint]:.4f} rad at knot {knot}; "
                f"its range is [{joints.lower[joint]:.4f}, {joints.upper[joint]:.4f}] rad"
            )
        if command.velocities is None:
            return
        excess = np.abs(command.velocities) - joints.velocity
        if excess.max() > 0.0:
            knot, joint = np.unravel_index(np.argmax(excess), excess.shape)
            raise JointRangeError(
                f"{joints.names[joint]} shall move at {command.velocities[knot, joint]:.3f} rad/s at knot {knot}; "
                f"at most {joints.velocity[joint]:.3f} rad/s"
            )
