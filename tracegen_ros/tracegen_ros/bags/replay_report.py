"""What a replay came to: counts by task, agreement with the recorded run, and all of it as text or JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tracegen_ros.bags.comparison import Agreement, Comparison


@dataclass
class Task:
    """What happened under one instruction.

    Attributes:
        instruction: The sentence.
        typed: A person gave it while the bag was replayed.
        frames: Frames shown.
        traces: Traces, computed again.
        commands: Commands, computed again.
        gripper_goals: Gripper goals, computed again.
        recorded_traces: Traces of the recorded run.
        recorded_commands: Commands of the recorded run, those of its watchdog among them.
        states: What the follower said, computed again.
        recorded_states: What it said in the recorded run.
    """

    instruction: str
    typed: bool
    frames: int = 0
    traces: int = 0
    commands: int = 0
    gripper_goals: int = 0
    recorded_traces: int = 0
    recorded_commands: int = 0
    states: list[str] = field(default_factory=list)
    recorded_states: list[str] = field(default_factory=list)


class ReplayReport:
    """Filled while a bag is replayed.

    Args:
        at_recorded_times: Decisions are made at the recorded times, with the inputs of then, until
            ``comparison.decide_anew()``.

    Attributes:
        tasks: In order; the first has no instruction.
        comparison: Of answers to the same images under the same instruction.
        frames: Frames shown.
        unanswered: (stamp [ns], reason) of frames that no traces came for, or no command.
    """

    def __init__(self, *, at_recorded_times: bool = False) -> None:
        self.tasks = [Task("", typed=False)]
        self.comparison = Comparison(at_recorded_times=at_recorded_times)
        self.frames = 0
        self.unanswered: list[tuple[int, str]] = []

    @property
    def task(self) -> Task:
        """The present one."""
        return self.tasks[-1]

    def begin_task(self, instruction: str, *, typed: bool) -> None:
        """An instruction takes force."""
        self.tasks.append(Task(instruction, typed))

    def as_json(self, about: dict[str, Any]) -> dict[str, Any]:
        """Plain values; ``about`` comes first. ``commands_anew`` is None where all commands are among ``commands``."""
        anew = self.comparison.commands_anew
        return {
            **about,
            "frames": self.frames,
            "traces": self.comparison.traces.summary(),
            "commands": self.comparison.commands.summary(),
            "commands_anew": None if anew is None else anew.summary(),
            "at_recorded_times": self.comparison.at_recorded_times,
            "unanswered": [{"stamp_ns": stamp_ns, "reason": reason} for stamp_ns, reason in self.unanswered],
            "tasks": [asdict(task) for task in self.tasks if task.instruction],
        }

    def lines(self) -> list[str]:
        """For people."""
        lines: list[str] = []
        for task in self.tasks:
            if not task.instruction:
                continue
            lines.append(f"{task.instruction!r}{' (typed)' if task.typed else ''}: {task.frames} frames")
            lines.append(
                f"  recorded  {_counted(task.recorded_traces, task.recorded_commands, task.recorded_states)}"
            )
            lines.append(f"  computed  {_counted(task.traces, task.commands, task.states)}")
        lines.append(_agreement("traces", self.comparison.traces, 1e3, "mm"))
        lines.append(_agreement("commands", self.comparison.commands, 1e3, "mrad"))
        if self.comparison.commands_anew is not None:
            lines.append(_agreement("commands decided on anew", self.comparison.commands_anew, 1e3, "mrad"))
        if self.unanswered:
            stamp_ns, reason = self.unanswered[0]
            lines.append(f"{len(self.unanswered)} frames unanswered; the first, of {stamp_ns} ns: {reason}")
        return lines


def _counted(traces: int, commands: int, states: list[str]) -> str:
    return f"{traces} traces, {commands} commands, {f'last: {states[-1]}' if states else 'the follower said nothing'}"


def _agreement(name: str, agreement: Agreement, scale: float, unit: str) -> str:
    if not agreement.compared:
        return (
            f"{name}: nothing to compare with: the recorded run has none for the same image and instruction"
        )
    summary = agreement.summary()
    words = f"{name}: {agreement.equal} of {agreement.compared} equal to the last bit"
    if agreement.equal < agreement.compared:
        words += (
            f", apart by {scale * summary['median_difference']:.3g} {unit} (median) and "
            f"{scale * summary['largest_difference']:.3g} {unit} at most"
        )
    if agreement.unlike:
        words += f", {agreement.unlike} of another shape"
    if agreement.only_recorded:
        words += f"; {agreement.only_recorded} only recorded"
    if agreement.only_computed:
        words += f"; {agreement.only_computed} only computed"
    return words
