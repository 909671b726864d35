"""How the arm is driven: everything that the driver's worker process needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

JOINTS = 7
ARM_JOINTS = tuple(f"fr3_joint{index}" for index in range(1, JOINTS + 1))


class SettingsError(ValueError):
    """Settings that describe no way to drive the arm."""


class Tracking(StrEnum):
    """How trajectories are followed."""

    VELOCITY = "velocity"
    """Joint velocities with position feedback, followed stiffly by the robot's own controller."""

    COMPLIANT = "compliant"
    """Joint torques of a spring and damper around the trajectory: yields when something is in the way."""


@dataclass(frozen=True)
class Load:
    """What hangs on the flange beside the hand: mass [kg], centre of mass in the flange [m], inertia (9,) [kg m²]."""

    mass: float = 0.0
    centre: tuple[float, ...] = (0.0, 0.0, 0.0)
    inertia: tuple[float, ...] = (0.0,) * 9

    def __post_init__(self) -> None:
        if self.mass < 0.0 or len(self.centre) != 3 or len(self.inertia) != 9:
            raise SettingsError(
                "a load has a mass >= 0 kg, 3 coordinates and 9 moments of inertia, "
                f"got {self.mass}, {len(self.centre)} and {len(self.inertia)}"
            )


@dataclass(frozen=True)
class Deadlines:
    """How long what blocks may take [s] before the worker counts as stuck and is ended.

    Attributes:
        connect: From the start of the worker to its first state.
        settings: Each request that changes a setting.
        recover: An automatic error recovery.
        moving: Between two signs of life during a motion.
        idle: Between two signs of life at rest; the library itself gives up on the state after 1 s.
        node: During a motion, between two signs of life of the driver's node: beyond it the arm is stopped.
    """

    connect: float = 10.0
    settings: float = 2.0
    recover: float = 8.0
    moving: float = 0.5
    idle: float = 1.5
    node: float = 0.5


@dataclass(frozen=True)
class ArmSettings:
    """Settings of one arm.

    Attributes:
        fci_ip: Address of the control box's robot network.
        enforce_real_time: Insist on a real-time kernel.
        limits: Joint limits that commands keep: a shipped set, or a file.
        tracking: How trajectories are followed.
        command_rate_hz: Commands to the library [Hz]; its own loop fills in the milliseconds.
        state_rate_hz: Readings sent to the node [Hz].
        velocity_factor: Share of the limits' velocities that commands may use.
        acceleration_factor: Share of accelerations; ``jerk_factor`` likewise.
        position_gain: Velocity per position error [1/s].
        position_margin_rad: Commands keep this far from the position bounds [rad].
        max_tracking_error_rad: Further from its trajectory than this the arm is stopped [rad].
        stiffness: (7,) [Nm/rad] of compliant tracking; ``damping`` (7,) [Nm s/rad].
        compliant_hold_s: How long the arm stays compliant after a trajectory's end [s].
        torque_thresholds: (7,) external torques at which the robot stops itself [Nm].
        force_thresholds: (6,) external forces and torques at the hand, likewise [N, Nm].
        joint_impedance: (7,) stiffness of the robot's own controller [Nm/rad].
        load: What hangs on the flange.
        command_timeout_s: A motion whose last trajectory is older than this is stopped [s]; 0 = never.
        deadlines: How long what blocks may take.
    """

    fci_ip: str
    enforce_real_time: bool = False
    limits: str = "fr3_full"
    tracking: Tracking = Tracking.VELOCITY
    command_rate_hz: float = 100.0
    state_rate_hz: float = 100.0
    velocity_factor: float = 1.0
    acceleration_factor: float = 1.0
    jerk_factor: float = 1.0
    position_gain: float = 10.0
    position_margin_rad: float = 0.01
    max_tracking_error_rad: float = 0.15
    stiffness: tuple[float, ...] = (600.0, 600.0, 600.0, 600.0, 250.0, 150.0, 50.0)
    damping: tuple[float, ...] = (50.0, 50.0, 50.0, 50.0, 30.0, 25.0, 15.0)
    compliant_hold_s: float = 1.0
    torque_thresholds: tuple[float, ...] = (40.0, 40.0, 36.0, 36.0, 32.0, 28.0, 24.0)
    force_thresholds: tuple[float, ...] = (40.0, 40.0, 40.0, 50.0, 50.0, 50.0)
    joint_impedance: tuple[float, ...] = (3000.0, 3000.0, 3000.0, 2500.0, 2500.0, 2000.0, 2000.0)
    load: Load = field(default_factory=Load)
    command_timeout_s: float = 0.0
    deadlines: Deadlines = field(default_factory=Deadlines)

    def __post_init__(self) -> None:
        for name, count in (
            ("stiffness", JOINTS),
            ("damping", JOINTS),
            ("torque_thresholds", JOINTS),
            ("joint_impedance", JOINTS),
            ("force_thresholds", 6),
        ):
            values = getattr(self, name)
            if len(values) != count or not all(np.isfinite(value) and value >= 0.0 for value in values):
                raise SettingsError(f"{name} must be {count} finite numbers >= 0, got {list(values)}")
        for name in ("velocity_factor", "acceleration_factor", "jerk_factor"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise SettingsError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")
        if self.command_rate_hz <= 0.0 or self.state_rate_hz <= 0.0:
            raise SettingsError(
                f"rates must be above 0 Hz, got {self.command_rate_hz} Hz and {self.state_rate_hz} Hz"
            )
