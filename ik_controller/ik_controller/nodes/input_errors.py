"""What is wrong with a node's inputs at the moment."""

from __future__ import annotations

from collections.abc import Callable


class InputErrors:
    """The newest error of each input; it is logged when it begins, not each time that it is met.

    Args:
        log: Says an error to people.
    """

    def __init__(self, log: Callable[[str], object]) -> None:
        self._log = log
        self._errors: dict[str, str] = {}

    def note(self, name: str, error: str) -> None:
        """The input ``name`` was taken, with ``error``; empty = it is as it should be."""
        if error and self._errors.get(name) != error:
            self._log(f"{name}: {error}")
        self._errors[name] = error

    @property
    def current(self) -> list[str]:
        """Each error that holds now, with the name of its input."""
        return [f"{name}: {error}" for name, error in self._errors.items() if error]
