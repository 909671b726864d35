"""Keeps a camera streaming: opens it, watches it, and opens it again whenever it comes back.

All calls into the library are made in one thread of the supervisor's own, so that a call that does not return keeps
nobody else waiting; it is reported as stalled. Whatever goes wrong ends in a named state and another attempt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from realsense_camera.camera_state import CameraError, CameraHealth, CameraState
from realsense_camera.rgbd_frame import RgbdFrame

POLL_S = 0.1
"""How long one wait for a frame lasts [s]; also how soon a stop is heard."""


class Session(Protocol):
    """What the supervisor needs of ``camera_session.CameraSession``."""

    def wait(self, timeout_s: float) -> Any | None:
        """The next raw pair, None after ``timeout_s`` [s] without one."""
        ...

    def process(self, pair: Any) -> RgbdFrame:
        """Filter and align a raw pair."""
        ...

    def is_present(self) -> bool:
        """Whether the camera is connected."""
        ...

    def close(self) -> None:
        """Let go of the camera."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long the supervisor waits for what.

    Attributes:
        stall_s: No frame for this long [s] is a stall.
        restart_s: A stall of this length [s] is answered by opening the camera anew.
        retry_s: Pause between two attempts to open the camera [s].
        library_s: A call into the library that takes longer than this [s] is reported as stalled.
    """

    stall_s: float = 0.5
    restart_s: float = 5.0
    retry_s: float = 1.0
    library_s: float = 15.0


class CameraSupervisor[AnySession: Session]:
    """Runs a camera in a thread.

    Args:
        open_session: Opens the camera; raises a ``CameraError`` if it cannot.
        on_opened: Called with each session that was opened, before its first frame.
        deliver: Called with each frame and the time it arrived [s, ``time.monotonic``].
        on_change: Called whenever the state changes. All three are called in the supervisor's thread.
        patience: How long it waits for what.
    """

    def __init__(
        self,
        open_session: Callable[[], AnySession],
        on_opened: Callable[[AnySession], None],
        deliver: Callable[[RgbdFrame, float], None],
        on_change: Callable[[CameraHealth], None],
        patience: Patience | None = None,
    ) -> None:
        self._open_session = open_session
        self._on_opened = on_opened
        self._deliver = deliver
        self._on_change = on_change
        self._patience = patience or Patience()
        self._health = CameraHealth(CameraState.CONFIGURED)
        self._library_call: tuple[str, float] | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.opened = 0
        """How often the camera was opened."""

    @property
    def health(self) -> CameraHealth:
        """What the camera is doing, as it looks from outside the supervisor's thread."""
        call = self._library_call
        if call is not None:
            what, since_s = call
            taken_s = time.monotonic() - since_s
            if taken_s > self._patience.library_s:
                return CameraHealth(
                    CameraState.STALLED,
                    f"the library has been busy {what} for {taken_s:.0f} s; unplug the camera and plug it in again",
                )
        return self._health

    def start(self) -> None:
        """Begin."""
        # An event of its own for each thread: one that was left behind must not wake up again.
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._ended,), name="camera", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """End; False if the library does not return, in which case its thread is left behind."""
        self._ended.set()
        if self._thread is None:
            return True
        self._thread.join(self._patience.library_s)
        ended = not self._thread.is_alive()
        self._thread = None
        return ended

    def _run(self, ended: threading.Event) -> None:
        self._change(CameraState.STARTING, "opening the camera")
        while not ended.is_set():
            try:
                with self._calling("opening the camera"):
                    session = self._open_session()
                self.opened += 1
                try:
                    self._stream(session, ended)
                finally:
                    with self._calling("closing the camera"):
                        session.close()
            except CameraError as error:
                self._change(error.state, str(error))
            except Exception as error:
                # Nothing that goes wrong with a camera may end the thread that would bring it back.
                self._change(CameraState.FAILED, f"{type(error).__name__}: {error}")
            ended.wait(self._patience.retry_s)
        self._change(CameraState.CONFIGURED, "")

    def _stream(self, session: AnySession, ended: threading.Event) -> None:
        """Deliver frames until the camera is gone, has stalled for long, or nobody wants it any more."""
        self._on_opened(session)
        last_s = next_look_s = time.monotonic()
        while not ended.is_set():
            with self._calling("waiting for a frame"):
                pair = session.wait(POLL_S)
            now_s = time.monotonic()
            if pair is not None:
                self._deliver(session.process(pair), now_s)
                self._change(CameraState.STREAMING, "")
                last_s = now_s
                continue
            silent_s = now_s - last_s
            if silent_s < self._patience.stall_s or now_s < next_look_s:
                continue
            next_look_s = now_s + self._patience.stall_s
            with self._calling("looking for the camera"):
                present = session.is_present()
            if not present:
                self._change(CameraState.UNPLUGGED, "the camera was unplugged; plug it in again")
                return
            reason = f"the camera is connected but has sent no pair of images for {silent_s:.1f} s"
            if silent_s < self._patience.restart_s:
                self._change(CameraState.STALLED, reason)
            else:
                self._change(CameraState.STALLED, f"{reason}; starting it anew")
                return

    def _change(self, state: CameraState, reason: str) -> None:
        before = self._health
        self._health = CameraHealth(state, reason)
        if before.state is not state:
            self._on_change(self._health)

    @contextmanager
    def _calling(self, what: str) -> Iterator[None]:
        self._library_call = (what, time.monotonic())
        try:
            yield
        finally:
            self._library_call = None
