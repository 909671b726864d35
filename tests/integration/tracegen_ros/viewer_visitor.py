"""A visitor of the browser viewer without a browser: speaks to the page's server as viser's own page does."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Any, Self

import msgspec.msgpack
import viser
import websockets.exceptions
import websockets.sync.client
import zstandard
from viser._messages import GuiUpdateMessage, Message, SetSceneNodeVisibilityMessage, ViewerCameraMessage
from websockets.typing import Subprotocol

_OPEN_TIMEOUT_S = 60.0
_SIZES_BYTES = 16
"""Before each message of the server: how long it is unpacked, and how long it is packed, 8 bytes each."""


class Visitor:
    """Somebody who looks while this is open, sees the controls' values and changes them."""

    def __init__(self, port: int) -> None:
        self._socket = websockets.sync.client.connect(
            f"ws://127.0.0.1:{port}/",
            subprotocols=[Subprotocol(f"viser-v{viser.__version__}")],
            proxy=None,
            max_size=None,
            open_timeout=_OPEN_TIMEOUT_S,
        )
        self._identities: dict[str, str] = {}
        self._properties: dict[str, dict[str, Any]] = {}
        self._visible: dict[str, bool] = {}
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        # viser counts a visitor as soon as it knows where he looks from.
        self._say(
            ViewerCameraMessage(
                wxyz=(1.0, 0.0, 0.0, 0.0),
                position=(1.0, 0.0, 0.0),
                fov=1.0,
                near=0.01,
                far=100.0,
                image_height=60,
                image_width=80,
                look_at=(0.0, 0.0, 0.0),
                up_direction=(0.0, 0.0, 1.0),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._listener.join()

    def sees(self, label: str) -> bool:
        """Whether a control called ``label`` is on the page."""
        return label in self._identities

    def value(self, label: str) -> Any:
        """The value of the control called ``label``."""
        return self._properties[self._identities[label]].get("value")

    def shows(self, label: str) -> bool:
        """Whether the control called ``label`` is there to be pressed."""
        return self.sees(label) and bool(self._properties[self._identities[label]].get("visible", True))

    def shown(self, thing: str) -> bool:
        """Whether the thing of that name in the scene, such as ``/cloud``, is visible."""
        return self._visible.get(thing, False)

    def reads(self, words: str) -> bool:
        """Whether a text on the page contains ``words``."""
        return any(words in str(known.get("content", "")) for known in list(self._properties.values()))

    def change(self, label: str, value: Any) -> None:
        """Give the control called ``label`` another value; True presses a button."""
        self._say(GuiUpdateMessage(self._identities[label], {"value": value}))

    def _say(self, message: Message) -> None:
        self._socket.send(msgspec.msgpack.encode(message.as_serializable_dict()))

    def _listen(self) -> None:
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            while True:
                data = self._socket.recv()
                assert isinstance(data, bytes)
                size = int.from_bytes(data[8:_SIZES_BYTES], "little")
                packed = data[_SIZES_BYTES : _SIZES_BYTES + size]
                inner = zstandard.ZstdDecompressor().decompress(packed)
                for message in msgspec.msgpack.decode(inner)["messages"]:
                    self._understand(message)

    def _understand(self, message: dict[str, Any]) -> None:
        if message["type"] == SetSceneNodeVisibilityMessage.__name__:
            self._visible[message["name"]] = message["visible"]
        identity = message.get("uuid")
        if identity is None:
            return
        known = self._properties.setdefault(identity, {})
        known |= message.get("props") or {}
        if "value" in message:
            known["value"] = message["value"]
        known |= message.get("updates") or {}
        if known.get("label"):
            self._identities[known["label"]] = identity
