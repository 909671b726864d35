"""Ctrl-C, kept until it can be taken."""

from __future__ import annotations

import signal
from types import FrameType


class KeptInterrupt:
    """While rclpy decodes a message it makes another error of a KeyboardInterrupt: this one is raised elsewhere."""

    def __init__(self) -> None:
        self._came = False

    def keep(self) -> None:
        """From now on Ctrl-C waits for ``check``."""
        signal.signal(signal.SIGINT, self._note)

    def ignore(self) -> None:
        """From now on Ctrl-C has no effect."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def check(self) -> None:
        """Nothing, unless Ctrl-C came.

        Raises:
            KeyboardInterrupt: It did.
        """
        if self._came:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True
