"""A TCP server for one client that speaks in requests and answers with a header of its protocol."""

from __future__ import annotations

import logging
import selectors
import socket
import struct
from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)

_READ_BYTES = 65536

RequestHandler = Callable[[int, int, bytes], None]
"""Called with command, command id and payload of each request."""


class CommandChannel:
    """Listens on a port; a second client is turned away while there is one.

    Args:
        selector: What watches the sockets; their ``data`` is the function to call when they are readable.
        address: Host and port to listen on.
        header: Layout of command, command id and size.
        on_request: Called for each request.
        on_gone: Called when the client has gone.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        address: tuple[str, int],
        header: struct.Struct,
        on_request: RequestHandler,
        on_gone: Callable[[], None],
    ) -> None:
        self._selector = selector
        self._header = header
        self._on_request = on_request
        self._on_gone = on_gone
        self._client: socket.socket | None = None
        self._received = bytearray()
        self.client_host = ""
        self.muted = False
        self._listener = socket.create_server(address, backlog=4)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    @property
    def connected(self) -> bool:
        """There is a client."""
        return self._client is not None

    def answer(self, command: int, command_id: int, payload: bytes) -> None:
        """Answer a request in one write; not while muted, and not when the client has gone meanwhile."""
        if self._client is None or self.muted:
            return
        message = self._header.pack(command, command_id, self._header.size + len(payload)) + payload
        try:
            self._client.sendall(message)
        except OSError:
            self.disconnect()

    def disconnect(self) -> None:
        """Hang up."""
        if self._client is None:
            return
        self._selector.unregister(self._client)
        self._client.close()
        self._client = None
        self._received.clear()
        self._on_gone()

    def close(self) -> None:
        """Hang up and stop listening."""
        self.disconnect()
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        client, (host, *_) = self._listener.accept()
        if self._client is not None:
            _LOGGER.warning("a second client from %s is turned away", host)
            client.close()
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(False)
        self._client, self.client_host = client, host
        self._selector.register(client, selectors.EVENT_READ, self._read)

    def _read(self) -> None:
        assert self._client is not None
        try:
            data = self._client.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.disconnect()
            return
        self._received += data
        while len(self._received) >= self._header.size:
            command, command_id, size = self._header.unpack_from(self._received)
            if len(self._received) < size:
                return
            payload = bytes(self._received[self._header.size : size])
            del self._received[:size]
            self._on_request(command, command_id, payload)
