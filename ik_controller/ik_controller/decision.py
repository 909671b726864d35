"""What one update comes to, before it is said as a command: shared by the follower and its phases."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from ik_controller.arm_motion import PathReport
from ik_controller.follower_interface import (
    FloatArray,
    FollowerPhase,
    FollowerState,
    GripperCommand,
    Health,
)
from ik_controller.gates import FAULT_GATES, STOP_GATES, Gate, Shut
from ik_controller.trace_reading import TraceReading


class Move(Enum):
    """What becomes of the motion under way."""

    GO_ON = "go on"
    """It goes on as it is."""
    REST = "rest"
    """It is slowed down to rest on its way."""
    REPLACED = "replaced"
    """It has been replaced already."""


@dataclass(frozen=True)
class Decision:
    """What an update decided; fields as those of ``FollowerOutput``.

    Attributes:
        move: What becomes of the motion under way.
    """

    move: Move
    reason: str
    state: FollowerState = FollowerState.FOLLOW
    phase: FollowerPhase = FollowerPhase.TRACES
    gate: Gate | None = None
    gripper: GripperCommand | None = None
    hand_path: FloatArray | None = None
    event: str | None = None
    health: Health = field(default_factory=dict)


def rest_at(shut: Shut, **more: object) -> Decision:
    """Come to rest because of a gate that is ``shut``; ``more`` are further fields of the decision."""
    state = FollowerState.HOLD
    if shut.gate in STOP_GATES:
        state = FollowerState.STOP
    elif shut.gate in FAULT_GATES:
        state = FollowerState.FAULT
    return Decision(Move.REST, shut.reason, state, gate=shut.gate, **more)  # type: ignore[arg-type]


def report_health(report: PathReport) -> Health:
    """What ``/diagnostics`` says of a path that was followed."""
    slow_down = -1.0 if report.slow_down is None else report.slow_down
    return {
        "ik_error_mm": round(1000 * report.ik_error, 3),
        "slow_down": slow_down,
        "speed_scale": round(report.scale, 3),
    }


def reading_health(reading: TraceReading, camera_bias: FloatArray) -> Health:
    """What ``/diagnostics`` says of traces, under a ``camera_bias`` (3,) [m]."""
    motion, hand, event = reading.motion, reading.hand, reading.event
    return {
        "hand_points": hand.count,
        "hand_points_expected": hand.expected,
        "hand_confidence": round(hand.confidence, 2),
        "depth_scale": round(reading.depth_scale.scale, 3),
        "hand_fit_mm": round(1000 * float(motion.residual.mean()), 2),
        "hand_distance_mm": round(1000 * hand.mean_distance, 1) if hand.count else -1.0,
        "rotation_observed": int(motion.rotation_observed),
        "reach_m": round(motion.reach, 3),
        "table_z": round(reading.table, 4),
        "camera_bias_mm": round(1000 * float(np.linalg.norm(camera_bias)), 1),
        "event": "none" if event is None else f"{event.kind} at step {event.step}",
        "witness": "" if event is None else event.witness,
    }
