"""When a task is over, and when a hand that no trace moves on shall let go: counted over traces in a row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ik_controller.grasping import EventKind, GraspEvent
from ik_controller.trace_reading import TraceReading

FloatArray = NDArray[np.float64]


class Verdict(Enum):
    """What a row of traces that go nowhere means."""

    TASK_DONE = "task done"
    RELEASE_HERE = "release here"


@dataclass(frozen=True)
class ProgressConfig:
    """Thresholds of the verdicts.

    Attributes:
        done_motion: Traces that move an empty hand less than this say that the task is done [m].
        done_count: So many of them in a row are believed after a release ...
        done_count_before_release: ... and so many before one.
        stuck_motion: Traces that move a holding hand less than this say that it shall let go [m] ...
        stuck_height: ... where it is at most this high over the table [m].
        stuck_count: So many of them in a row are believed.
        placed_radius: A grasp this near to the last release takes up again what was placed [m] ...
        least_carry: ... and is believed only where the traces carry it at least this far [m].
        max_empty_grasps: After so many grasps of nothing in a row the follower gives up ...
        max_empty_grasps_after_release: ... and after so many once something was placed.
    """

    done_motion: float = 0.02
    done_count: int = 2
    done_count_before_release: int = 5
    stuck_motion: float = 0.035
    stuck_height: float = 0.15
    stuck_count: int = 3
    placed_radius: float = 0.05
    least_carry: float = 0.04
    max_empty_grasps: int = 8
    max_empty_grasps_after_release: int = 2


class TaskProgress:
    """Counts within one task; a new task gets a new one.

    Attributes:
        empty_grasps: Grasps of nothing in a row.
        finished: Why the task is over; empty while it is not.
    """

    def __init__(self, config: ProgressConfig) -> None:
        self._config = config
        self._placed_at: FloatArray | None = None
        self._still_count = 0
        self._stuck_count = 0
        self.empty_grasps = 0
        self.finished = ""

    def believed_event(self, reading: TraceReading) -> GraspEvent | None:
        """The event that the traces show; after a release, not a grasp of nothing, nor of what was just placed."""
        event = reading.event
        if event is None or event.kind is EventKind.RELEASE or self._placed_at is None:
            return event
        if reading.thing is None:
            return None
        positions = reading.motion.positions
        place = positions[event.step, :2]
        if np.linalg.norm(place - self._placed_at[:2]) > self._config.placed_radius:
            return event
        carried = np.linalg.norm(positions[event.step :, :2] - place, axis=1).max()
        return event if carried >= self._config.least_carry else None

    def count(self, reading: TraceReading, event: GraspEvent | None, holding: bool) -> Verdict | None:
        """Take note of one trace grid, of whose events ``event`` is believed; a verdict once enough of them agree."""
        config, reach = self._config, reading.motion.reach
        if holding:
            height = reading.motion.positions[0, 2] - reading.table
            stuck = reach < config.stuck_motion and height < config.stuck_height
            self._stuck_count = self._stuck_count + 1 if stuck else 0
            self._still_count = 0
            return Verdict.RELEASE_HERE if self._stuck_count >= config.stuck_count else None
        disbelieved = event is None and reading.event is not None
        still = disbelieved or (event is None and reach < config.done_motion)
        self._still_count = self._still_count + 1 if still else 0
        self._stuck_count = 0
        needed = config.done_count if self._placed_at is not None else config.done_count_before_release
        if self._still_count < needed:
            return None
        self.finished = str(Verdict.TASK_DONE.value)
        return Verdict.TASK_DONE

    def note_commitment(self) -> None:
        """A grasp or release is being carried out: counting starts over."""
        self._still_count = self._stuck_count = 0

    def note_grasp(self, holding: bool) -> bool:
        """The fingers have closed on something, or on nothing; says whether there is any use in trying again."""
        self.empty_grasps = 0 if holding else self.empty_grasps + 1
        config = self._config
        placed = self._placed_at is not None
        if self.empty_grasps < (config.max_empty_grasps_after_release if placed else config.max_empty_grasps):
            return True
        self.finished = f"gave up: closed on nothing {self.empty_grasps} times in a row"
        return False

    def note_release(self, place: FloatArray) -> None:
        """The fingers have opened at ``place`` (3,) [m, base frame]."""
        self._placed_at = place
