"""Which frame ``trace_node`` owes an answer to, when it is shown one at a time and given time to answer."""

from __future__ import annotations


class FrameLedger:
    """Keeps count as ``tracegen_ros.inference_loop`` does: a frame shown without an instruction is kept for one."""

    def __init__(self) -> None:
        self._shown_ns: int | None = None
        self.instruction = ""
        """The instruction in force; empty = none."""

    def instruct(self, instruction: str) -> None:
        """Another instruction, or the same again."""
        self.instruction = instruction

    def show(self, stamp_ns: int) -> None:
        """A frame is shown; one before it that was not answered is forgotten."""
        self._shown_ns = stamp_ns

    def settle(self) -> None:
        """The frame was answered, or cannot be."""
        self._shown_ns = None

    @property
    def owed_ns(self) -> int | None:
        """Stamp of the frame whose answer is due [ns], None where none is."""
        return self._shown_ns if self.instruction else None
