"""Ctrl-C and SIGTERM ask a run to stop after its step, saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether somebody asked the run to stop.

    Attributes:
        reason: Name of the signal that asked; None = nobody did.
    """

    def __init__(self) -> None:
        self.reason: str | None = None

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Signal handler; the second Ctrl-C stops at once, unsaved."""
        if self.reason is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.reason = signal.Signals(number).name


@contextmanager
def listen_for_interruption() -> Iterator[Interruption]:
    """Inside, SIGINT and SIGTERM only set ``reason``; handlers can be set in the main thread alone."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
