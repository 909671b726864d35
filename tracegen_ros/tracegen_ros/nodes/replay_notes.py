"""Takes note of what is shown, of what was recorded and of what is answered, and compares what can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensor_msgs.msg import PointCloud2
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.bags.recording import Entry, Role
from tracegen_ros.bags.replay_report import ReplayReport
from tracegen_ros.nodes.patience import ReplayError
from tracegen_ros.nodes.typed_instruction import TypedInstruction

_MODEL_VALUES = ("model", "weights", "engine", "engine_device", "precision", "sampling")
"""What of the trace node's diagnostics says which model answered."""


class ReplayNotes:
    """Fills the report.

    Args:
        report: Of this replay.
        typed: Under an instruction that was typed, the answers are others than the recorded ones.
    """

    def __init__(self, report: ReplayReport, typed: TypedInstruction) -> None:
        self._report = report
        self._typed = typed

    def note_frame(self) -> None:
        """A frame is shown."""
        self._report.frames += 1
        self._report.task.frames += 1

    def note_gripper_goal(self) -> None:
        """The follower sent a goal to the gripper."""
        self._report.task.gripper_goals += 1

    def note_recorded(self, entry: Entry) -> None:
        """What the recorded run's own nodes said.

        Raises:
            BagError: The message cannot be decoded.
            MessageError: It is not what its role says.
        """
        task, comparable = self._report.task, not self._typed.given
        if entry.role is Role.TRACES:
            task.recorded_traces += 1
            if comparable:
                self._report.comparison.add_traces(entry.message.message(), recorded=True)
        elif entry.role is Role.COMMANDS:
            task.recorded_commands += 1
            if comparable:
                self._report.comparison.add_command(entry.message.message(), recorded=True)
        elif entry.role is Role.FOLLOWER_STATE:
            task.recorded_states.append(entry.message.message().data)

    def compare_traces(self, traces: PointCloud2) -> None:
        """Traces were computed again."""
        if not self._typed.given:
            self._report.comparison.add_traces(traces, recorded=False)

    def compare_command(self, command: JointTrajectory) -> None:
        """A command was decided on again."""
        if not self._typed.given:
            self._report.comparison.add_command(command, recorded=False)


def write_report(
    path: Path, report: ReplayReport, about: dict[str, Any], trace_health: Mapping[str, str]
) -> None:
    """Write ``report`` as JSON; folders are made.

    Args:
        path: Where to.
        report: What the replay came to.
        about: What was replayed, and how.
        trace_health: The trace node's diagnostics, which name its model.

    Raises:
        ReplayError: It cannot be written.
    """
    model = {key: value for key, value in trace_health.items() if key in _MODEL_VALUES}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report.as_json({**about, "model": model}), indent=1), encoding="utf-8")
    except OSError as error:
        raise ReplayError(f"cannot write the report: {error}") from error
