"""How setpoints reach the robot: as velocities that it follows stiffly, or as a spring that it yields around.

Either way the library's own loop talks to the robot every millisecond; Python only says what is wanted, some hundred
times a second.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import franky
import numpy as np
from numpy.typing import NDArray

from fr3_driver.arm_reading import ArmReading
from fr3_driver.arm_settings import ArmSettings, Tracking
from fr3_driver.robot_session import RobotSession
from fr3_driver.velocity_command import VelocityCommand
from ik_controller.joint_trajectory import JointState

FloatArray = NDArray[np.float64]

DEAD_MAN_MS = 200
"""A velocity is held for this long [ms]; without a next one the library brings the arm to rest by itself."""

_REFERENCE_DISTANCE = 0.1
"""The spring's rest position stays this near to the arm [rad]: a jump of it would become a jump of force."""


class Tracker(ABC):
    """Sends setpoints; the first ``send`` starts a motion of the library, at the arm's own position."""

    settle_s: float
    """How long the arm is held on the end of its trajectory at most [s]."""

    @abstractmethod
    def send(self, setpoint: JointState, planned: FloatArray, reading: ArmReading) -> None:
        """Go to ``setpoint``, which is for when the command is in force; now the arm should be at ``planned``."""

    @abstractmethod
    def finish(self) -> None:
        """Begin to come to rest; the library ends the motion there."""


class VelocityTracker(Tracker):
    """Velocity motions, each replacing the one before, with the library's limits on acceleration and jerk."""

    settle_s = 0.5

    def __init__(self, session: RobotSession, settings: ArmSettings) -> None:
        self._robot = session.robot
        self._command = VelocityCommand(session.limits, settings, session.library_velocity)

    def send(self, setpoint: JointState, planned: FloatArray, reading: ArmReading) -> None:
        """Go to ``setpoint``; the error is that of now."""
        velocity = self._command.velocity(setpoint.velocity, planned - reading.positions, reading.positions)
        self._robot.move(
            franky.JointVelocityMotion(velocity, franky.Duration(DEAD_MAN_MS)), asynchronous=True
        )

    def finish(self) -> None:
        """Begin to come to rest."""
        self._robot.move(franky.JointVelocityStopMotion(), asynchronous=True)


class CompliantTracker(Tracker):
    """A joint impedance motion whose rest position follows the setpoints."""

    def __init__(self, session: RobotSession, settings: ArmSettings) -> None:
        self._robot = session.robot
        self._settings = settings
        self._limits = session.limits
        self._tracker: franky.JointImpedanceTracker | None = None
        self.settle_s = settings.compliant_hold_s

    def send(self, setpoint: JointState, planned: FloatArray, reading: ArmReading) -> None:
        """Go to ``setpoint``; the spring knows no other error than its length."""
        if self._tracker is None:
            self._tracker = franky.JointImpedanceTracker(
                self._robot,
                stiffness=np.array(self._settings.stiffness),
                damping=np.array(self._settings.damping),
                max_delta_tau=1.0,
                lower_joint_limits=self._limits.position_lower,
                upper_joint_limits=self._limits.position_upper,
            )
        q = reading.positions
        reference = np.clip(setpoint.position, q - _REFERENCE_DISTANCE, q + _REFERENCE_DISTANCE)
        fastest = self._limits.velocity * self._settings.velocity_factor
        self._tracker.set_target(reference, np.clip(setpoint.velocity, -fastest, fastest))

    def finish(self) -> None:
        """Begin to come to rest."""
        self._tracker = None
        self._robot.move(franky.TorqueStopMotion(), asynchronous=True)


def make_tracker(session: RobotSession, settings: ArmSettings) -> Tracker:
    """The tracker that the settings ask for."""
    kinds = {Tracking.VELOCITY: VelocityTracker, Tracking.COMPLIANT: CompliantTracker}
    return kinds[settings.tracking](session, settings)
