"""The emulated robot that a scene goes along with: a client of the control port of ``fr3_driver``'s ``fci_emulator``.

Requests and answers are JSON objects, one a datagram (request ``scene`` of the emulator).
"""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr3_sim.gripper_control import MAX_WIDTH, SPEED, GripperGoal, GripperState
from ik_controller.joint_trajectory import JointState

FloatArray = NDArray[np.float64]

CONTROL_PORT = 13370
"""UDP port on which the emulator listens unless told otherwise."""

_JOINTS = 7
_DATAGRAM_BYTES = 65507
_TRY_S = 0.2
"""How long an answer is waited for before the question is asked again [s]."""


class EmulatedRobotError(RuntimeError):
    """The emulator does not answer, or refuses."""


@dataclass(frozen=True)
class ArmSample:
    """The emulated arm at one instant.

    Attributes:
        tick: The robot's time [ms].
        stamp_ns: The wall's time [ns].
        setpoint: Position, velocity and acceleration of the seven joints.
    """

    tick: int
    stamp_ns: int
    setpoint: JointState


class EmulatedRobot:
    """Asks a running emulator what its arm does, and tells it what its fingers do.

    Args:
        host: Where it runs.
        port: Its control port.
        patience_s: How long an answer is waited for [s].
    """

    def __init__(self, host: str, port: int = CONTROL_PORT, patience_s: float = 1.0) -> None:
        self._address = f"{host}:{port}"
        self._patience_s = patience_s
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(_TRY_S)
        self._socket.connect((host, port))
        self._after = 0
        self._order = 0
        self._caught_up = True
        self._asked = 0

    @property
    def caught_up(self) -> bool:
        """The last exchange told everything up to then; otherwise there is more."""
        return self._caught_up

    def exchange(
        self, fingers: GripperState, contact_torques: FloatArray
    ) -> tuple[list[ArmSample], GripperGoal | None]:
        """What the arm has done since the last time, oldest first, and a new goal for the fingers if there is one.

        Args:
            fingers: How the scene's fingers stand.
            contact_torques: (7,) that the arm's contacts apply to its joints [Nm].

        Raises:
            EmulatedRobotError: No answer.
        """
        progress = "arrived" if fingers.reached_goal else "blocked" if fingers.stalled else "moving"
        answer = self._ask(
            {
                "do": "scene",
                "after": self._after,
                "order": self._order,
                "width": fingers.width,
                "progress": progress,
                "torques": contact_torques.tolist(),
            }
        )
        samples = [_sample(values) for values in answer["samples"]]
        if samples:
            self._after = samples[-1].tick
        self._caught_up = not answer["more"]
        order = answer["order"]
        if order["number"] == self._order:
            return samples, None
        self._order = order["number"]
        return samples, GripperGoal(
            float(np.clip(order["width"], 0.0, MAX_WIDTH)), order["force"], min(order["speed"], SPEED)
        )

    def place_arm(self, joints: FloatArray) -> None:
        """Have the resting arm stand at ``joints`` (7,) [rad]; what it did before is neither told nor counted any more.

        Raises:
            EmulatedRobotError: It moves, or does not answer.
        """
        self._ask({"do": "place_arm", "joints": joints.tolist()})
        self._ask({"do": "reset_statistics"})
        self._after = self.status()["tick"]

    def wait_until_up(self, timeout_s: float) -> None:
        """Wait for the emulator.

        Raises:
            EmulatedRobotError: It does not answer within ``timeout_s`` [s].
        """
        self._ask({"do": "status"}, timeout_s)

    def status(self) -> dict[str, Any]:
        """What the emulator says of itself.

        Raises:
            EmulatedRobotError: No answer.
        """
        return self._ask({"do": "status"})

    def wait_until_at_rest(self, timeout_s: float) -> None:
        """Wait until no motion is under way.

        Raises:
            EmulatedRobotError: One still is after ``timeout_s`` [s].
        """
        ends_s = time.monotonic() + timeout_s
        while True:
            status = self.status()
            if not (status["moving"] or any(status["dq"])):
                return
            if time.monotonic() > ends_s:
                raise EmulatedRobotError(f"the emulated arm still moves after {timeout_s:g} s")
            time.sleep(_TRY_S / 10)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _ask(self, request: dict[str, Any], patience_s: float | None = None) -> dict[str, Any]:
        patience_s = self._patience_s if patience_s is None else patience_s
        ends_s = time.monotonic() + patience_s
        while True:
            try:
                answer = self._try(request)
                break
            except OSError as error:
                if time.monotonic() > ends_s:
                    raise EmulatedRobotError(
                        f"no emulator answers on {self._address} within {patience_s:g} s; "
                        "start it with: ros2 run fr3_driver fci_emulator"
                    ) from error
                if isinstance(error, ConnectionRefusedError):
                    time.sleep(_TRY_S / 10)
        if "error" in answer:
            raise EmulatedRobotError(f"the emulator on {self._address} refuses: {answer['error']}")
        return answer

    def _try(self, request: dict[str, Any]) -> dict[str, Any]:
        self._asked += 1
        self._socket.send(json.dumps({**request, "id": self._asked}).encode())
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv(_DATAGRAM_BYTES))
            # The late answer to an earlier attempt is not this one's.
            if answer.pop("id") == self._asked:
                return answer


def _sample(values: list[float]) -> ArmSample:
    tick, stamp_ns, *joints = values
    position, velocity, acceleration = np.array(joints).reshape(3, _JOINTS)
    return ArmSample(int(tick), int(stamp_ns), JointState(position, velocity, acceleration))
