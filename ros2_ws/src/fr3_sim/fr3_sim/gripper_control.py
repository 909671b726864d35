"""A parallel gripper like the Franka Hand: both fingers move together, at a limited speed and force.

Widths are *total* openings between the fingertips [m], 0 to 0.08, everywhere: in goals, results and states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fr3_sim.scene import FINGER_JOINTS, PHYSICS_PERIOD, TabletopScene

MAX_WIDTH = 0.08
"""Opening of the Franka Hand [m]."""

SPEED = 0.1
"""Speed at which the opening changes [m/s], the Franka Hand's maximum."""

DEFAULT_EFFORT = 20.0
"""Grip force where a goal gives none [N]."""

MAX_EFFORT = 70.0
"""Continuous grip force of the Franka Hand [N]."""

STIFFNESS = 4000.0
"""Force on both fingers per error of their mean travel [N/m], against 1 N of friction in each."""

REACHED_TOLERANCE = 0.002
"""The goal is reached this near to it [m]."""

STALL_SPEED = 0.002
"""Fingers slower than this [m/s] …"""

STALL_TIME = 0.1
"""… for this long [s] have met something."""


class GripperGoalError(ValueError):
    """A goal that the gripper cannot take."""


@dataclass(frozen=True)
class GripperGoal:
    """Where the fingers shall go.

    Attributes:
        width: Total opening [m], 0 to ``MAX_WIDTH``.
        max_effort: Grip force [N], 0 for the default.
        speed: At which the opening changes [m/s].
    """

    width: float
    max_effort: float = 0.0
    speed: float = SPEED

    def __post_init__(self) -> None:
        if not (np.isfinite(self.width) and -1e-6 <= self.width <= MAX_WIDTH + 1e-6):
            raise GripperGoalError(
                f"the gripper opens from 0 to {MAX_WIDTH} m between its fingertips, got {self.width} m"
            )
        if not (np.isfinite(self.max_effort) and self.max_effort >= 0.0):
            raise GripperGoalError(f"max_effort must be a force >= 0 N (0 = default), got {self.max_effort}")
        if not 0.0 < self.speed <= SPEED:
            raise GripperGoalError(f"the opening changes at up to {SPEED} m/s, got {self.speed} m/s")


@dataclass(frozen=True)
class GripperState:
    """What ``control_msgs/GripperCommand`` reports.

    Attributes:
        width: Total opening [m].
        effort: Force between the fingers [N].
        stalled: The fingers stopped before the goal: they hold something.
        reached_goal: The opening asked for is there.
    """

    width: float
    effort: float
    stalled: bool
    reached_goal: bool

    @property
    def finished(self) -> bool:
        """The goal has been carried out, one way or the other."""
        return self.stalled or self.reached_goal


class GripperControl:
    """Drives the finger actuator of a scene; call ``step`` before every physics step."""

    def __init__(self, scene: TabletopScene) -> None:
        self._scene = scene
        actuator = scene.model.actuator("hand")
        self._index = int(actuator.id)
        self._finger_dof = [scene.model.joint(name).dofadr[0] for name in FINGER_JOINTS]
        # Force = gain * control + bias[1] * length + bias[2] * speed, with the mean finger travel as length.
        self._gain = float(actuator.gainprm[0])
        self._length_bias, self._speed_bias = (float(bias) for bias in actuator.biasprm[1:3])
        # The control's range would limit the grip force by the opening; here the goal's effort does.
        scene.model.actuator_ctrllimited[self._index] = 0
        self._goal = GripperGoal(MAX_WIDTH)
        self._target = MAX_WIDTH
        self._still = 0.0
        self._moving_towards_goal = False

    def reset(self, width: float) -> None:
        """Forget the goal and stay at ``width`` [m]."""
        self._goal = GripperGoal(width)
        self._target = width
        self._still = 0.0
        self._moving_towards_goal = False

    def command(self, goal: GripperGoal) -> None:
        """Replace the goal."""
        self._goal = goal
        self._target = float(np.clip(self._scene.finger_width, 0.0, MAX_WIDTH))
        self._still = 0.0
        self._moving_towards_goal = True

    def step(self) -> None:
        """Set the actuator for one physics step."""
        scene = self._scene
        largest = self._goal.speed * PHYSICS_PERIOD
        step = float(np.clip(self._goal.width - self._target, -largest, largest))
        self._target += step
        travel = scene.finger_width / 2
        effort = min(self._goal.max_effort or DEFAULT_EFFORT, MAX_EFFORT)
        wanted = STIFFNESS * (self._target / 2 - travel) - self._speed_bias * step / 2 / PHYSICS_PERIOD
        # A force of f on the tendon presses each finger with f / 2.
        pull = float(np.clip(wanted, -2 * effort, 2 * effort))
        scene.data.ctrl[self._index] = (pull - self._length_bias * travel) / self._gain
        speed = abs(float(scene.data.qvel[self._finger_dof].sum()))
        self._still = self._still + PHYSICS_PERIOD if speed < STALL_SPEED else 0.0

    @property
    def busy(self) -> bool:
        """A goal is being carried out."""
        if self._moving_towards_goal and self.state.finished:
            self._moving_towards_goal = False
        return self._moving_towards_goal

    @property
    def state(self) -> GripperState:
        """Opening, force and how the goal stands."""
        width = self._scene.finger_width
        reached = abs(width - self._goal.width) < REACHED_TOLERANCE
        stalled = not reached and self._still >= STALL_TIME
        force = abs(float(self._scene.data.actuator_force[self._index])) / 2
        return GripperState(width, force, stalled, reached)
