"""The hand's side of its channels: requests by TCP, state by UDP."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
from collections.abc import Callable

from fr3_driver.emulator.codes import (
    GRIPPER_PORT,
    GRIPPER_SERVER_VERSION,
    ConnectStatus,
    GripperCommand,
    GripperStatus,
)
from fr3_driver.emulator.command_channel import CommandChannel
from fr3_driver.emulator.hand import MAX_WIDTH, TEMPERATURE, Hand
from fr3_driver.emulator.layouts import (
    CONNECT_REQUEST,
    GRASP_REQUEST,
    GRIPPER_CONNECT_ANSWER,
    GRIPPER_HEADER,
    GRIPPER_MOVE_REQUEST,
    GRIPPER_STATE,
    GRIPPER_STATUS,
    LayoutError,
    unpack,
)
from fr3_driver.emulator.motion_control import PERIOD_S

_LOGGER = logging.getLogger(__name__)

_TICKS_PER_STATE = 10


class GripperServer:
    """One hand for one client at a time.

    Args:
        selector: What watches the sockets.
        host: Address to listen on.
    """

    def __init__(self, selector: selectors.BaseSelector, host: str) -> None:
        self.hand = Hand()
        self.channel = CommandChannel(
            selector, (host, GRIPPER_PORT), GRIPPER_HEADER, self._on_request, self._on_gone
        )
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._client: tuple[str, int] | None = None
        self._tick = 0
        self.silent = False

    def step(self) -> None:
        """One tick of the fingers; every tenth sends the state."""
        self.hand.step(PERIOD_S)
        self._tick += 1
        if self._client is None or self.silent or self._tick % _TICKS_PER_STATE:
            return
        hand = self.hand
        message = GRIPPER_STATE.pack(
            self._tick // _TICKS_PER_STATE, hand.width, MAX_WIDTH, hand.grasped, TEMPERATURE
        )
        # A client that is ending has closed its port; its TCP connection tells.
        with contextlib.suppress(OSError):
            self._socket.sendto(message, self._client)

    def close(self) -> None:
        """Hang up."""
        self.channel.close()
        self._socket.close()

    def _on_gone(self) -> None:
        self._client = None
        self.hand.stop()

    def _on_request(self, number: int, command_id: int, payload: bytes) -> None:
        try:
            command = GripperCommand(number)
        except ValueError:
            _LOGGER.warning("unknown gripper command %d is not answered", number)
            return
        answer = self._answer_to(command, command_id)
        try:
            self._carry_out(command, command_id, payload, answer)
        except LayoutError as error:
            _LOGGER.warning("gripper %s refused: %s", command.name, error)
            answer(GripperStatus.FAIL)

    def _carry_out(
        self,
        command: GripperCommand,
        command_id: int,
        payload: bytes,
        answer: Callable[[GripperStatus], None],
    ) -> None:
        if command is GripperCommand.CONNECT:
            version, port = (int(value) for value in unpack(CONNECT_REQUEST, payload))
            compatible = version == GRIPPER_SERVER_VERSION
            status = ConnectStatus.SUCCESS if compatible else ConnectStatus.INCOMPATIBLE_VERSION
            self.channel.answer(
                command, command_id, GRIPPER_CONNECT_ANSWER.pack(status, GRIPPER_SERVER_VERSION)
            )
            if compatible:
                self._client = (self.channel.client_host, port)
        elif command is GripperCommand.HOMING:
            self.hand.home(answer)
        elif command is GripperCommand.MOVE:
            width, speed = unpack(GRIPPER_MOVE_REQUEST, payload)
            self.hand.move(width, speed, answer)
        elif command is GripperCommand.GRASP:
            width, below, above, speed, force = unpack(GRASP_REQUEST, payload)
            self.hand.grasp(width, speed, below, above, answer, force)
        else:
            self.hand.stop()
            answer(GripperStatus.SUCCESS)

    def _answer_to(self, command: GripperCommand, command_id: int) -> Callable[[GripperStatus], None]:
        return lambda status: self.channel.answer(command, command_id, GRIPPER_STATUS.pack(status))
