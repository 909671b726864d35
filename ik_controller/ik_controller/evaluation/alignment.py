"""When the steps of a trace happened: a trace has no clock, so its steps are matched to a recording in two ways.

*Arc-length-aligned*: step k is where the recorded hand has travelled k step lengths, however long that took. This is
what a trace means. *Time-aligned*: the same stretch of the recording with its steps spread evenly in time, so that
slow approaches and pauses at a grasp count as error: what somebody sees who plays a trace at a constant rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ik_controller.evaluation.recording import FloatArray, JointTrack
from ik_controller.robot_model import RobotModel

JITTER_M = 0.001
"""The hand has moved when it is this far from where it last counted [m]: noise of standing joints adds no path."""

FEWEST_STEPS = 3
"""A recording that covers fewer steps of a trace says nothing about it."""


@dataclass(frozen=True)
class HandClock:
    """How far the hand has travelled.

    Attributes:
        times_s: (K,) increasing [s]; the first is the window's start.
        lengths_m: (K,) path length since then, increasing [m].
    """

    times_s: FloatArray
    lengths_m: FloatArray

    @property
    def length_m(self) -> float:
        """Path travelled altogether [m]."""
        return float(self.lengths_m[-1])

    def times_at(self, lengths_m: FloatArray) -> FloatArray:
        """(S,) first times [s] at which the hand has travelled ``lengths_m`` (S,) [m]; NaN where it never has."""
        times = np.interp(lengths_m, self.lengths_m, self.times_s)
        return np.where(lengths_m <= self.length_m + 1e-9, times, np.nan)


def hand_clock(robot: RobotModel, joints: JointTrack, start_s: float, end_s: float) -> HandClock:
    """The clock of the recorded hand from ``start_s`` to ``end_s`` [s]."""
    inside = joints.between(start_s, end_s)
    times = np.unique(np.concatenate([[start_s], joints.times_s[inside], [end_s]]))
    times_kept, lengths = [float(times[0])], [0.0]
    last: FloatArray | None = None
    for time_s, joint_positions in zip(times, joints.at(times), strict=True):
        place = robot.tcp_in_base(joint_positions)[:3, 3]
        if last is None:
            last = place
            continue
        moved = float(np.linalg.norm(place - last))
        if moved >= JITTER_M:
            times_kept.append(float(time_s))
            lengths.append(lengths[-1] + moved)
            last = place
    return HandClock(np.array(times_kept), np.array(lengths))


@dataclass(frozen=True)
class StepTimes:
    """When the steps of a trace of S steps happened.

    Attributes:
        arc_s: (S + 1,) arc-length-aligned times [s], NaN where the recording ends before.
        even_s: (S + 1,) time-aligned times [s], NaN likewise.
    """

    arc_s: FloatArray
    even_s: FloatArray

    @property
    def known(self) -> int:
        """Steps that the recording covers."""
        return int(np.isfinite(self.arc_s).sum()) - 1


def step_times(clock: HandClock, steps: int, step_length_m: float | None) -> StepTimes | None:
    """When each step happened; None where the hand hardly moved.

    Args:
        clock: The hand's.
        steps: S.
        step_length_m: Path of the hand in one step [m]; None = the whole recorded path is S steps, which is how traces
            of demonstrations without a fixed step are made.
    """
    step = step_length_m if step_length_m is not None else clock.length_m / steps
    if step < JITTER_M / 2:
        return None
    arc = clock.times_at(step * np.arange(steps + 1, dtype=np.float64))
    known = int(np.isfinite(arc).sum()) - 1
    if known < min(FEWEST_STEPS, steps):
        return None
    even = np.full(steps + 1, np.nan)
    even[: known + 1] = np.linspace(arc[0], arc[known], known + 1)
    return StepTimes(arc, even)
