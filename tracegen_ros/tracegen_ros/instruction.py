"""The sentence that says what to do, as it arrives from people."""

from __future__ import annotations

TOPIC = "/task_instruction"
"""Where instructions are published (``std_msgs/String``, latched)."""

LONGEST = 1000
"""Characters an instruction may have; what is longer is a mistake, not a sentence."""


class InstructionTextError(ValueError):
    """A text that cannot be an instruction."""


def clean_instruction(text: str) -> str:
    """``text`` without surrounding white space; the empty string means stop.

    Raises:
        InstructionTextError: More than ``LONGEST`` characters.
    """
    if len(text) > LONGEST:
        raise InstructionTextError(
            f"the instruction has {len(text)} characters, at most {LONGEST} are taken; say it in one sentence"
        )
    return text.strip()
