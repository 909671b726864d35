"""Where faults are asked for: JSON objects by UDP, each answered by one; and the client that tests use.

An answer carries the ``id`` of its request, where that has one.
"""

from __future__ import annotations

import json
import logging
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

_LOGGER = logging.getLogger(__name__)

DEFAULT_PORT = 13370
_DATAGRAM_BYTES = 65507


class ControlPort:
    """Answers requests on a UDP port.

    Args:
        selector: What watches the sockets; their ``data`` is the function to call when they are readable.
        address: Host and port to listen on.
        carry_out: Does what a request says and returns its result; a ``ValueError`` becomes the field ``error``.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        address: tuple[str, int],
        carry_out: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._carry_out = carry_out
        self._selector = selector
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)
        selector.register(self._socket, selectors.EVENT_READ, self._read)

    def close(self) -> None:
        """Stop listening."""
        self._selector.unregister(self._socket)
        self._socket.close()

    def _read(self) -> None:
        data, sender = self._socket.recvfrom(_DATAGRAM_BYTES)
        mark: dict[str, Any] = {}
        try:
            request = json.loads(data)
            if not isinstance(request, dict):
                raise ValueError(f"expected a JSON object, got {data[:80]!r}")
            # Who asks again after a while has to tell the answers apart.
            mark = {"id": request.pop("id")} if "id" in request else {}
            answer = self._carry_out(request)
        except ValueError as error:
            _LOGGER.warning("request refused: %s", error)
            answer = {"error": str(error)}
        self._socket.sendto(json.dumps({**mark, **answer}).encode(), sender)


class EmulatorControl:
    """Asks a running emulator for faults and figures.

    Args:
        host: Where it runs.
        port: Its control port.
        timeout_s: How long to wait for an answer [s].
    """

    def __init__(self, host: str = "127.0.0.1", port: int = DEFAULT_PORT, timeout_s: float = 5.0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(timeout_s)
        self._socket.connect((host, port))
        self._timeout_s = timeout_s

    def request(self, do: str, **fields: Any) -> dict[str, Any]:
        """The answer to a request of ``faults.Faults``.

        Raises:
            ValueError: The emulator refused it.
            TimeoutError: No answer.
            ConnectionRefusedError: Nobody listens.
        """
        self._socket.send(json.dumps({"do": do, **fields}).encode())
        answer: dict[str, Any] = json.loads(self._socket.recv(_DATAGRAM_BYTES))
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def wait_until_up(self) -> None:
        """Wait until the emulator answers.

        Raises:
            TimeoutError: It does not within the timeout.
        """
        ends_s = time.monotonic() + self._timeout_s
        while True:
            try:
                self.request("status")
                return
            except OSError as error:
                if time.monotonic() > ends_s:
                    raise TimeoutError(f"no emulator answers within {self._timeout_s:g} s") from error
                time.sleep(0.02)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
