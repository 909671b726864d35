"""What goes wrong between this machine and the robot, as errors that name the driver's state."""

from __future__ import annotations

from fr3_driver.driver_state import DriverState, DriverStatus


class RobotFaultError(RuntimeError):
    """The arm cannot go on.

    Args:
        status: The state that the driver is in because of it.
    """

    def __init__(self, status: DriverStatus) -> None:
        super().__init__(str(status))
        self.status = status


class ConnectionLostError(RobotFaultError):
    """There is no talking to the robot any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(DriverStatus(DriverState.CONNECTION_LOST, reason))


class ConnectError(RobotFaultError):
    """The connection was not made, or the robot refused its settings."""

    def __init__(self, reason: str) -> None:
        super().__init__(DriverStatus(DriverState.DISCONNECTED, reason))
