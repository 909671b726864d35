"""A worker process that may get stuck, and the link by which it is watched.

The libraries that talk to the robot wait for its answers without a time limit; a thread that waits so cannot be ended,
a process can. Each message of the worker says how long the next one may take at most; whoever is silent for longer is
ended, and the link says so.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

_LOGGER = logging.getLogger(__name__)

_WATCH_PERIOD_S = 0.02
_LEAVE_TIMEOUT_S = 3.0

_PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class _Envelope:
    """A message of the worker.

    Attributes:
        content: What it says; None for "still there".
        patience_s: The next message comes within this [s], or the worker is stuck.
        busy_with: What it does until then, for the log.
    """

    content: Any
    patience_s: float
    busy_with: str


@dataclass(frozen=True)
class Leave:
    """Asks the worker to bring its work to an end and leave."""


@dataclass(frozen=True)
class WorkerEnd:
    """Why a worker is no more.

    Attributes:
        stuck: It was silent for too long and was ended; otherwise it ended itself.
        reason: What it was doing, or how it ended.
    """

    stuck: bool
    reason: str


class WorkerSide:
    """The worker's end of the link.

    Args:
        connection: The pipe.
        patience_s: Between two messages, while nothing else is announced [s].
    """

    def __init__(self, connection: Connection, patience_s: float) -> None:
        self._connection = connection
        self.patience_s = patience_s
        # Ctrl-C reaches the whole group of processes; the worker ends when its owner says so, or is no more.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def send(self, content: Any) -> None:
        """Tell the owner something; an owner that has gone is noticed by ``receive``."""
        self._send(_Envelope(content, self.patience_s, ""))

    @contextlib.contextmanager
    def announce(self, what: str, deadline_s: float) -> Iterator[None]:
        """What is done inside may take as long as this [s]."""
        self._send(_Envelope(None, deadline_s, what))
        yield
        self._send(_Envelope(None, self.patience_s, ""))

    def receive(self, timeout_s: float) -> Any | None:
        """The next message of the owner, None if none comes within ``timeout_s`` [s].

        Raises:
            EOFError: The owner has gone.
        """
        try:
            return self._connection.recv() if self._connection.poll(max(timeout_s, 0.0)) else None
        except OSError as error:
            raise EOFError(str(error)) from error

    def _send(self, envelope: _Envelope) -> None:
        with contextlib.suppress(OSError):
            self._connection.send(envelope)


class WorkerLink:
    """The owner's end: starts the worker, hears it in a thread of its own, and ends it when it is stuck.

    Args:
        name: What the process is called.
        main: What it runs, importable; it gets a pipe and ``arguments``.
        arguments: Whatever can be pickled.
        patience_s: From the start to the first message [s].
        on_message: Called in the link's thread with each message.
        on_end: Called there once, when the worker is no more; not after ``close``.
    """

    def __init__(
        self,
        name: str,
        main: Callable[..., None],
        arguments: tuple[Any, ...],
        patience_s: float,
        on_message: Callable[[Any], None],
        on_end: Callable[[WorkerEnd], None],
    ) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._connection, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(
            target=_run_worker, name=name, args=(main, theirs, arguments), daemon=True
        )
        self._process.start()
        theirs.close()
        self._sending = threading.Lock()
        self._closing = False
        self._due_s = time.monotonic() + patience_s
        self._busy_with = "starting"
        self._thread = threading.Thread(target=self._listen, name=f"{name} link", daemon=True)
        self._thread.start()

    def send(self, content: Any) -> None:
        """Tell the worker something; one that is gone does not hear it, which ``on_end`` says."""
        with self._sending, contextlib.suppress(OSError):
            self._connection.send(content)

    def close(self) -> None:
        """Let the worker come to an end; one that does not is ended."""
        self._closing = True
        self.send(Leave())
        self._process.join(_LEAVE_TIMEOUT_S)
        self._end_process()
        if threading.current_thread() is not self._thread:
            self._thread.join(_LEAVE_TIMEOUT_S)
        self._connection.close()

    def _listen(self) -> None:
        while not self._closing:
            try:
                if self._connection.poll(_WATCH_PERIOD_S):
                    self._take(self._connection.recv())
                elif time.monotonic() > self._due_s:
                    self._give_up()
                    return
            except (EOFError, OSError):
                self._conclude()
                return

    def _take(self, envelope: _Envelope) -> None:
        self._due_s = time.monotonic() + envelope.patience_s
        self._busy_with = envelope.busy_with
        if envelope.content is not None:
            self._on_message(envelope.content)

    def _give_up(self) -> None:
        self._end_process()
        if not self._closing:
            doing = self._busy_with or "its control loop"
            self._on_end(WorkerEnd(True, f"no answer in time, in '{doing}'; the worker process was ended"))

    def _conclude(self) -> None:
        self._process.join(_LEAVE_TIMEOUT_S)
        if not self._closing:
            self._on_end(
                WorkerEnd(False, f"the worker process ended with exit code {self._process.exitcode}")
            )

    def _end_process(self) -> None:
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_LEAVE_TIMEOUT_S)


def _run_worker(main: Callable[..., None], connection: Connection, arguments: tuple[Any, ...]) -> None:
    code = 1
    try:
        main(connection, *arguments)
        code = 0
    except Exception:
        _LOGGER.exception("the worker process fails")
    finally:
        connection.close()
        # The library's own clean-up waits for a robot that may not answer.
        os._exit(code)
