"""Which instruction of those that are heard was typed by a person, while the replay says its own on the same topic."""

from __future__ import annotations

from collections import deque


class TypedInstruction:
    """A sentence that was typed stays in force, in place of those that were recorded.

    Args:
        text: Typed before the replay began; empty = none.

    Attributes:
        text: The sentence that was typed, empty to have nothing done; None = the recorded ones count.
    """

    def __init__(self, text: str = "") -> None:
        self.text: str | None = text or None
        self._own_words: deque[str] = deque()

    @property
    def given(self) -> bool:
        """Somebody typed one."""
        return self.text is not None

    def say(self, text: str) -> None:
        """The replay itself says ``text``, and is going to hear it."""
        self._own_words.append(text)

    def is_own(self, text: str) -> bool:
        """``text`` was heard: whether it is what the replay said."""
        if text not in self._own_words:
            return False
        # Only the newest is delivered for sure: what was said before it does not come any more.
        while self._own_words.popleft() != text:
            continue
        return True
