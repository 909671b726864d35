"""What the driver's node and its arm worker tell each other."""

from __future__ import annotations

from dataclasses import dataclass

from fr3_driver.arm_reading import ArmReading
from fr3_driver.driver_state import DriverStatus
from ik_controller.trajectory_executor import TrajectoryCommand


@dataclass(frozen=True)
class Execute:
    """Follow a trajectory; its start is on this machine's monotonic clock."""

    command: TrajectoryCommand


@dataclass(frozen=True)
class Stop:
    """Come to rest."""

    reason: str


@dataclass(frozen=True)
class Recover:
    """Clear the robot's errors."""


@dataclass(frozen=True)
class Alive:
    """The node is still there."""


@dataclass(frozen=True)
class Report:
    """One reading, and the state that the driver is in by it."""

    reading: ArmReading
    status: DriverStatus


@dataclass(frozen=True)
class Refused:
    """A trajectory was not accepted: what runs goes on, or comes to rest where the reason says so."""

    reason: str


@dataclass(frozen=True)
class Recovered:
    """What became of a recovery; empty ``problem`` where it succeeded."""

    problem: str = ""


@dataclass(frozen=True)
class Lost:
    """The worker's last words: the connection is gone, or was never made."""

    status: DriverStatus
