"""A thread that always works on the newest frame under the newest instruction, and never queues.

Knows neither ROS nor the model: it is given what to do with a frame and what to do with the result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.frame_pairing import FramePair, FramePairing

LONGEST_GOODBYE_S = 10.0
"""How long stopping waits for the inference under way [s]."""


class InferenceLoop[Frame, Result]:
    """Pairs images, waits for intrinsics and an instruction, and calls ``infer`` in a thread of its own.

    A frame that arrives before its instruction is kept: the first instruction is obeyed at once. A result whose
    instruction was replaced while it was computed is thrown away, and its frame is used again.

    Args:
        infer: (pair, intrinsics, instruction) -> result; None when the frame is unusable. Must not raise.
        deliver: Called with each result that is still wanted. Must not raise.
        tolerance_ns: How far the stamps of a pair may be apart [ns].
        shortest_period_s: Least time between the starts of two inferences [s of wall time]; 0 = as fast as it goes.
    """

    def __init__(
        self,
        infer: Callable[[FramePair[Frame, Frame], CameraIntrinsics, str], Result | None],
        deliver: Callable[[Result], None],
        tolerance_ns: int,
        shortest_period_s: float = 0.0,
    ) -> None:
        self._infer = infer
        self._deliver = deliver
        self._shortest_period_s = shortest_period_s
        self._changed = threading.Condition()
        self._pairing: FramePairing[Frame, Frame] = FramePairing(tolerance_ns)
        self._intrinsics: CameraIntrinsics | None = None
        self._instruction = ""
        self._instruction_count = 0
        self._stopping = False
        self._began_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)

    @property
    def instruction(self) -> str:
        """The instruction in force; empty = none."""
        return self._instruction

    @property
    def frames_dropped(self) -> int:
        """Colour images that were never used because newer ones came first."""
        return self._pairing.dropped

    @property
    def busy_s(self) -> float:
        """For how long the inference under way has been running [s of wall time]; 0 = there is none."""
        began_s = self._began_s
        return 0.0 if began_s is None else time.monotonic() - began_s

    @property
    def ended(self) -> bool:
        """The thread is not there: not started, or stopped and done with its last inference."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Start working; a loop is started once."""
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Stop after the inference under way, whose result is thrown away.

        Waits for it for ``timeout_s`` [s], None = ``LONGEST_GOODBYE_S``; see ``ended`` if it does not end in time.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(LONGEST_GOODBYE_S if timeout_s is None else timeout_s)

    def add_colour(self, stamp_ns: int, image: Frame) -> None:
        """A colour image arrived."""
        with self._changed:
            self._pairing.add_colour(stamp_ns, image)
            self._changed.notify()

    def add_depth(self, stamp_ns: int, image: Frame) -> None:
        """A depth image arrived."""
        with self._changed:
            self._pairing.add_depth(stamp_ns, image)
            self._changed.notify()

    def set_intrinsics(self, intrinsics: CameraIntrinsics) -> None:
        """The camera described itself."""
        with self._changed:
            self._intrinsics = intrinsics
            self._changed.notify()

    def set_instruction(self, instruction: str) -> None:
        """What to do from now on; empty = nothing."""
        with self._changed:
            self._instruction = instruction
            self._instruction_count += 1
            self._changed.notify()

    def _run(self) -> None:
        started_s = -float("inf")
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._job() is not None)
                pause_s = started_s + self._shortest_period_s - time.monotonic()
                if pause_s > 0.0:
                    self._changed.wait_for(lambda: self._stopping, pause_s)
                job = None if self._stopping else self._job()
                if self._stopping:
                    return
                if job is None:
                    continue
                instruction, instruction_count = self._instruction, self._instruction_count
            started_s = self._began_s = time.monotonic()
            result = self._infer(*job, instruction)
            self._began_s = None
            with self._changed:
                wanted = instruction_count == self._instruction_count and not self._stopping
                if wanted:
                    self._pairing.take(job[0])
            if wanted and result is not None:
                self._deliver(result)

    def _job(self) -> tuple[FramePair[Frame, Frame], CameraIntrinsics] | None:
        if not self._instruction or self._intrinsics is None:
            return None
        pair = self._pairing.newest()
        return None if pair is None else (pair, self._intrinsics)
