"""The robot's UDP side: states go out, commands come back, each with the id of the state it answers."""

from __future__ import annotations

import contextlib
import selectors
import socket

import numpy as np

from fr3_driver.emulator.layouts import ROBOT_COMMAND

_DATAGRAM_BYTES = 2048


class StateStream:
    """Sends states to one client and keeps its newest command.

    Args:
        selector: What watches the sockets; their ``data`` is the function to call when they are readable.
        host: Address to send from.
    """

    def __init__(self, selector: selectors.BaseSelector, host: str) -> None:
        self._selector = selector
        self._host = host
        self._socket: socket.socket | None = None
        self._client: tuple[str, int] | None = None
        self._command: np.void | None = None
        self._dropped_id = -1
        self._sent_id = 0
        self.silent = False
        self.to_drop = 0
        self.dropped = 0

    def open(self, client: tuple[str, int]) -> None:
        """Begin to send to ``client``, an address and a port."""
        self.close()
        self._client = client
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self._host, 0))
        self._socket.setblocking(False)
        self._selector.register(self._socket, selectors.EVENT_READ, self._read)

    def close(self) -> None:
        """Send no more."""
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
        self._socket = None
        self._command = None

    def send(self, message: bytes, message_id: int) -> None:
        """Send one state; its command is waited for from now on."""
        self._sent_id = message_id
        if self._socket is None or self._client is None or self.silent:
            return
        # A client that is ending has closed its port; its TCP connection tells.
        with contextlib.suppress(OSError):
            self._socket.sendto(message, self._client)

    @property
    def command(self) -> np.void | None:
        """The command to the state sent last, None where it has not come."""
        if self._command is None or int(self._command["message_id"]) != self._sent_id:
            return None
        return self._command

    @property
    def late_by(self) -> int | None:
        """How many states have been sent since the one that the newest command answers; None without a command."""
        return None if self._command is None else self._sent_id - int(self._command["message_id"])

    def forget_command(self) -> None:
        """What was commanded belongs to the motion before."""
        self._command = None

    @property
    def answered(self) -> bool:
        """The command to the state sent last has come, even if it was dropped on purpose."""
        return self.command is not None or self._dropped_id == self._sent_id

    def _read(self) -> None:
        assert self._socket is not None
        while True:
            try:
                data = self._socket.recv(_DATAGRAM_BYTES)
            except OSError:
                return
            if len(data) != ROBOT_COMMAND.itemsize:
                continue
            command = np.frombuffer(data, ROBOT_COMMAND)[0]
            if self.to_drop > 0:
                self.to_drop -= 1
                self.dropped += 1
                self._dropped_id = int(command["message_id"])
            elif self._command is None or command["message_id"] >= self._command["message_id"]:
                self._command = command
