"""The instructions of the recent past, to be given again."""

from __future__ import annotations

INSTRUCTIONS_KEPT = 6
"""Earlier instructions on the page."""


class EarlierInstructions:
    """The last ``INSTRUCTIONS_KEPT`` different instructions."""

    def __init__(self) -> None:
        self._newest_first: tuple[str, ...] = ()

    @property
    def newest_first(self) -> tuple[str, ...]:
        """Each once."""
        return self._newest_first

    def add(self, instruction: str) -> None:
        """Note ``instruction`` as the newest; the oldest goes when there are too many."""
        others = tuple(known for known in self._newest_first if known != instruction)
        self._newest_first = (instruction, *others)[:INSTRUCTIONS_KEPT]
