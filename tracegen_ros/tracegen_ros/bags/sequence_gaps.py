"""Counts messages that a publisher has sent and that have not arrived, by the numbers it gives them."""

from __future__ import annotations


class SequenceGaps:
    """One topic's publisher; numbers count up by one from message to message.

    Attributes:
        lost: Messages missing so far.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._last: int | None = None

    def note(self, number: int) -> None:
        """A message with ``number`` has arrived; a number that is not larger than the last means a new publisher."""
        if self._last is not None and number > self._last:
            self.lost += number - self._last - 1
        self._last = number

    def forget(self) -> None:
        """The next message may have any number."""
        self._last = None

    def expect_first(self) -> None:
        """The next message is of a publisher that nothing has been heard of: those before it are missing."""
        self._last = 0
