"""How the follower is, in a level and a sentence."""

from __future__ import annotations

from ik_controller.calibration_gate import CalibrationGate
from ik_controller.follower import FollowerOutput, FollowerState
from tracegen_ros.messages import Level

_LEVELS = {
    FollowerState.HOLD: Level.WARN,
    FollowerState.STOP: Level.WARN,
    FollowerState.FAULT: Level.ERROR,
}
"""States other than these are as they should be."""


def follower_health(
    errors: list[str], gate: CalibrationGate, output: FollowerOutput | None, task: str
) -> tuple[Level, str]:
    """Level and words for the diagnostics: what is worst comes first.

    Args:
        errors: What is wrong with the inputs.
        gate: Whether the camera stands where it should.
        output: The last decision, None before the first.
        task: What is to be done; empty = nothing.
    """
    if errors:
        return Level.ERROR, "; ".join(errors)
    if not gate.is_open:
        return Level.ERROR if gate.refused else Level.WARN, f"{FollowerState.IDLE}: {gate.reason}"
    if output is None:
        return Level.OK, "waiting for traces" if task else "waiting for an instruction"
    return _LEVELS.get(output.state, Level.OK), output.words


def decision_values(output: FollowerOutput | None) -> dict[str, object]:
    """What the diagnostics say of a decision; all empty before the first."""
    if output is None:
        return dict.fromkeys(("state", "phase", "gate", "reason"), "")
    return {
        "state": output.state,
        "phase": output.phase,
        "gate": output.gate or "",
        "reason": output.reason,
        **output.health,
    }
