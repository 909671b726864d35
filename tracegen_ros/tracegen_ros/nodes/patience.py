"""Waiting with an end: messages move on meanwhile, and what was waited for in vain is named."""

from __future__ import annotations

import time
from collections.abc import Callable

SPIN_S = 0.02
"""Messages are waited for this long at a time [s]."""


class ReplayError(RuntimeError):
    """The replay cannot go on; the message says why."""


class Patience:
    """Waits for things to happen.

    Args:
        spin: Moves messages for so long at most [s].
        limit_s: How long anything may take [s of wall time].
        words: What the nodes say, for the error.

    Attributes:
        limit_s: As above.
    """

    def __init__(self, spin: Callable[[float], object], limit_s: float, words: Callable[[], str]) -> None:
        self._spin = spin
        self.limit_s = limit_s
        self._words = words

    def spin_once(self) -> None:
        """Move messages for a moment."""
        self._spin(SPIN_S)

    def spin_for(self, seconds: float) -> None:
        """Move messages for so long [s]."""
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            self.spin_once()

    def wait(self, happened: Callable[[], bool], what: str) -> None:
        """Until ``happened``.

        Raises:
            ReplayError: It takes too long; says ``what`` was waited for.
        """
        began_s = time.monotonic()
        while not happened():
            self.check(began_s, f"waited {self.limit_s:g} s in vain for {what}")
            self.spin_once()

    def check(self, began_s: float, complaint: str) -> None:
        """Nothing, as long as what began at ``began_s`` [s of wall time] has not taken too long.

        Raises:
            ReplayError: It has; says the ``complaint``, and what the nodes say.
        """
        if time.monotonic() - began_s > self.limit_s:
            raise ReplayError(f"{complaint}; {self._words()}")
