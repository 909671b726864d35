"""How far a build is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildProgress:
    """How far the build of one engine is.

    Attributes:
        graph: Name of its graph.
        phase: What the builder is doing, in its own words.
        done: Share of the build, 0 to 1; phases are counted alike, long or short.
    """

    graph: str
    phase: str
    done: float


SMALLEST_ADVANCE = 0.01
"""Share of a build that is worth telling: builders count thousands of steps."""

ProgressListener = Callable[[BuildProgress], None]
"""Is told each time a share of the build is done. What it raises ends the build."""


class ProgressLog:
    """Logs progress, a line for each tenth of a build."""

    def __init__(self) -> None:
        self._tenths: dict[str, int] = {}

    def __call__(self, progress: BuildProgress) -> None:
        """See ``ProgressListener``."""
        tenths = int(progress.done * 10)
        if tenths > self._tenths.get(progress.graph, 0):
            logger.info("%s: %d %% built (%s)", progress.graph, 10 * tenths, progress.phase)
        self._tenths[progress.graph] = tenths


@dataclass
class _Phase:
    steps: int
    finished: int = 0


class PhaseTree:
    """Share of the work that is done, from phases within phases.

    Phases that begin while another one is under way are parts of the step that this one is at.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Phase] = {}

    def start(self, phase: str, steps: int) -> None:
        """A phase of so many steps has begun, inside those that are open."""
        self._open[phase] = _Phase(max(1, steps))

    def complete(self, phase: str, step: int) -> None:
        """Step ``step``, counted from 0, of a phase is done."""
        if phase in self._open:
            self._open[phase].finished = step + 1

    def finish(self, phase: str) -> None:
        """A phase is over; those inside it are, too."""
        names = list(self._open)
        if phase in names:
            for name in names[names.index(phase) :]:
                del self._open[name]

    @property
    def done(self) -> float:
        """From 0 to 1."""
        total, share = 0.0, 1.0
        for phase in self._open.values():
            total += share * min(1.0, phase.finished / phase.steps)
            share /= phase.steps
        return min(1.0, total)


class BuildInterrupted(Exception):
    """The listener stopped the build; its cause says why."""


def progress_monitor(library: Any, graph: str, listener: ProgressListener) -> Any:
    """A monitor for a builder of ``library``. Builders call it from threads of their own, where nothing may be raised.

    Its attribute ``failure`` is what the listener raised, or None; the build ends soon after it is set.
    """

    class Monitor(library.IProgressMonitor):
        def __init__(self) -> None:
            super().__init__()
            self.failure: BaseException | None = None
            self._phases = PhaseTree()
            self._furthest = 0.0
            self._lock = threading.Lock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._phases.start(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                self._phases.complete(phase_name, step)
                self._tell(phase_name)
                return self.failure is None

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._phases.finish(phase_name)

        def _tell(self, phase: str) -> None:
            done = self._phases.done
            if self.failure is not None or done < self._furthest + SMALLEST_ADVANCE:
                return
            self._furthest = done
            try:
                listener(BuildProgress(graph, phase, done))
            except Exception as failure:  # The builder is C++ and has to be told to stop.
                self.failure = failure

    return Monitor()
