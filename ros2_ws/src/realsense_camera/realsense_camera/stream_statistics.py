"""How many frames came and how many were lost, told from the running numbers that the camera gives them."""

from __future__ import annotations


class FrameCounter:
    """Counts the frames of one stream."""

    def __init__(self) -> None:
        self.received = 0
        """Frames that came."""
        self.dropped = 0
        """Frames that the camera numbered but that never came."""
        self._last_number: int | None = None

    def add(self, number: int) -> None:
        """The frame with this running number came; a number that goes back starts the numbering anew."""
        if self._last_number is not None and number > self._last_number:
            self.dropped += number - self._last_number - 1
        self._last_number = number
        self.received += 1

    def restart(self) -> None:
        """The stream was started again: the next number says nothing about lost frames."""
        self._last_number = None
