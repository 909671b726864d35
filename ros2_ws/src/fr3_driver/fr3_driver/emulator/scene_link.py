"""A simulated scene that goes along with the emulated robot: it learns where the arm went, and moves the fingers.

The scene asks, some hundred times a second, through the control port (request ``scene``): it gets what the arm did
since it asked last, sample by sample, and the order that the fingers have; and it says how its fingers stand and what
the arm feels, so that the emulated hand notices what they met, and the robot a collision. Nothing waits for the scene.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr3_driver.emulator.arm_state import ArmState
from fr3_driver.emulator.fingers import Progress
from fr3_driver.emulator.hand import MAX_SPEED, Hand

FloatArray = NDArray[np.float64]

SAMPLE_TICKS = 2
"""A sample is taken every so many milliseconds: the period of the scene's physics."""

_KEPT = 1000
"""Samples kept for a scene that is busy elsewhere: two seconds."""

_SENT_AT_ONCE = 100
"""Samples in one answer, which has to fit into a datagram."""

_GONE_AFTER_S = 5.0
"""A scene that has not asked for so long is gone [s]."""


@dataclass(frozen=True)
class FingerOrder:
    """Where the scene's fingers shall go.

    Attributes:
        number: Counts the orders.
        width: Opening between the fingertips [m].
        speed: [m/s]
        force: [N]
    """

    number: int
    width: float
    speed: float
    force: float


class SceneFingers:
    """Fingers that a scene moves.

    Attributes:
        width: Opening that the scene reported last [m].
        order: What it is to do.
    """

    def __init__(self, width: float) -> None:
        self.width = width
        self.order = FingerOrder(0, width, MAX_SPEED, 0.0)
        self._progress = Progress.ARRIVED

    def drive(self, goal: float, speed: float, force: float) -> None:
        """Leave an order for the scene."""
        self.order = FingerOrder(self.order.number + 1, goal, speed, force)
        self._progress = Progress.MOVING

    def step(self, period_s: float) -> Progress:
        """How the order stands."""
        return self._progress

    def report(self, order: int, width: float, progress: str) -> None:
        """What the scene says of its fingers; on an older order it says nothing about the present one."""
        self.width = width
        if order == self.order.number:
            self._progress = Progress(progress)


class SceneLink:
    """The emulated robot's side.

    Args:
        state: The arm.
        hand: Whose fingers the scene moves while it is there.
    """

    def __init__(self, state: ArmState, hand: Hand) -> None:
        self._state = state
        self._hand = hand
        self._fingers: SceneFingers | None = None
        self._heard_s = 0.0
        self._tick = 0
        self._samples: deque[list[float]] = deque(maxlen=_KEPT)

    @property
    def attached(self) -> bool:
        """A scene goes along."""
        return self._fingers is not None

    def record(self, tick: int) -> None:
        """Take a sample if it is time; to be called every tick [ms]."""
        self._tick = tick
        if self._fingers is None or tick % SAMPLE_TICKS:
            return
        if time.monotonic() - self._heard_s > _GONE_AFTER_S:
            self._detach()
            return
        state = self._state
        self._samples.append(
            [tick, time.time_ns(), *state.q.tolist(), *state.dq.tolist(), *state.ddq_d.tolist()]
        )

    def exchange(
        self, after: int, order: int, width: float, progress: str, torques: list[float]
    ) -> dict[str, Any]:
        """What the arm did after tick ``after``, and what the fingers shall do.

        Args:
            after: Tick of the last sample that the scene has.
            order: Number of the order that the fingers carry out.
            width: Their opening [m].
            progress: How the order stands: ``moving``, ``arrived`` or ``blocked``.
            torques: (7,) that the arm's contacts apply to its joints [Nm].
        """
        progress = Progress(progress)
        felt = self._arm_values(torques)
        if self._fingers is None:
            self._fingers = SceneFingers(width)
            self._hand.take_fingers(self._fingers)
            self._samples.clear()
        self._heard_s = time.monotonic()
        self._fingers.report(order, width, progress)
        self._state.contact_torques = felt
        while self._samples and self._samples[0][0] <= after:
            self._samples.popleft()
        return {
            "tick": self._tick,
            "samples": list(itertools.islice(self._samples, _SENT_AT_ONCE)),
            "more": len(self._samples) > _SENT_AT_ONCE,
            "order": asdict(self._fingers.order),
        }

    def place_arm(self, joints: list[float]) -> None:
        """Put the arm somewhere (7,) [rad], at rest, the hand empty.

        Raises:
            ValueError: It moves, or that is no posture.
        """
        state = self._state
        posture = self._arm_values(joints)
        if state.dq.any():
            raise ValueError("the arm moves")
        state.q, state.q_d = posture, posture.copy()
        self._hand.let_go()

    def _arm_values(self, values: list[float]) -> FloatArray:
        array = np.array(values, dtype=float)
        if array.shape != self._state.q.shape or not np.isfinite(array).all():
            raise ValueError(f"expected {self._state.q.size} finite numbers, one a joint, got {values}")
        return array

    def _detach(self) -> None:
        self._fingers = None
        self._state.contact_torques = np.zeros_like(self._state.q)
        self._samples.clear()
        self._hand.take_fingers(None)
