"""What is wrong with a dataset, and where."""

from __future__ import annotations

from pathlib import Path

ADVICE = "remove the episode or write it again"


class EpisodeError(ValueError):
    """A file of an episode is missing, unreadable, or not what the layout says.

    Attributes:
        path: The file or folder.
        expected: What the layout wants there.
        found: What is there instead.
        advice: What to do about it.
    """

    def __init__(self, path: Path, expected: str, found: str, advice: str = ADVICE) -> None:
        super().__init__(f"{path}: expected {expected}, found {found}; {advice}")
        self.path, self.expected, self.found, self.advice = path, expected, found, advice

    def __reduce__(self) -> tuple[type[EpisodeError], tuple[Path, str, str, str]]:
        # Workers send their errors home; an exception of several arguments needs to be told how.
        return EpisodeError, (self.path, self.expected, self.found, self.advice)
