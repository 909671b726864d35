"""What the driver can be in, each with a name, what it means and what leads out of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DriverState(StrEnum):
    """Named states of the arm as the driver sees it."""

    DISCONNECTED = "DISCONNECTED"
    CONNECTING = "CONNECTING"
    READY = "READY"
    MOVING = "MOVING"
    STOPPING = "STOPPING"
    RECOVERING = "RECOVERING"
    NOT_READY = "NOT_READY"
    REFLEX = "REFLEX"
    USER_STOPPED = "USER_STOPPED"
    CONNECTION_LOST = "CONNECTION_LOST"
    UNRESPONSIVE = "UNRESPONSIVE"
    WORKER_DIED = "WORKER_DIED"
    FAULT = "FAULT"

    @property
    def well(self) -> bool:
        """Nothing is wrong."""
        return self in (DriverState.READY, DriverState.MOVING)

    @property
    def needs_recovery(self) -> bool:
        """The arm stays as it is until someone calls the recovery service."""
        return self in _NEEDS_RECOVERY

    @property
    def needs_connection(self) -> bool:
        """There is no connection any more: a recovery makes a new one."""
        return self in _NEEDS_CONNECTION

    @property
    def advice(self) -> str:
        """What leads out of the state; empty where nothing has to be done."""
        return _ADVICE.get(self, "")


_NEEDS_CONNECTION = frozenset(
    {DriverState.CONNECTION_LOST, DriverState.UNRESPONSIVE, DriverState.WORKER_DIED, DriverState.DISCONNECTED}
)
_NEEDS_RECOVERY = _NEEDS_CONNECTION | {DriverState.REFLEX, DriverState.USER_STOPPED, DriverState.FAULT}

_ADVICE = {
    DriverState.NOT_READY: "unlock the joints, activate FCI and leave hand guiding, on the robot's own pages",
    DriverState.REFLEX: "look at the robot, then call ~/recover",
    DriverState.USER_STOPPED: "release the stop button, then call ~/recover",
    DriverState.CONNECTION_LOST: "look at network and control box, then call ~/recover",
    DriverState.UNRESPONSIVE: "look at network and control box, then call ~/recover",
    DriverState.WORKER_DIED: "look at the log, then call ~/recover",
    DriverState.FAULT: "look at the log and at the robot, then call ~/recover",
    DriverState.DISCONNECTED: "call ~/recover to connect",
}


@dataclass(frozen=True)
class DriverStatus:
    """A state and why it is in force."""

    state: DriverState
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}" if self.reason else str(self.state)
