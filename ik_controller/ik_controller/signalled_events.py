"""Grasp and release where somebody else says so: a learned gripper output, or a person, in place of the witnesses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ik_controller.grasping import EventKind, EventSource, GraspEvent, MovingScene, Witness


@dataclass(frozen=True)
class SignalConfig:
    """What is believed of a signal.

    Attributes:
        max_age_s: An older one is not believed [s].
        threshold: Share of the opening at which fingers count as open.
    """

    max_age_s: float = 0.5
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not (self.max_age_s > 0.0 and 0.0 < self.threshold < 1.0):
            raise ValueError(f"a signal's age must be positive and its threshold a share, got {self}")


@dataclass(frozen=True)
class SignalEvents:
    """Events from ``MovingScene.signal``.

    Attributes:
        config: What is believed.
        otherwise: Asked where there is no signal, or an old one; None = then there is no event.
    """

    config: SignalConfig
    otherwise: EventSource | None = None

    def next_event(self, scene: MovingScene) -> GraspEvent | None:
        """See ``EventSource``."""
        signal = scene.signal
        if signal is None or abs(scene.stamp_s - signal.stamp_s) > self.config.max_age_s:
            return None if self.otherwise is None else self.otherwise.next_event(scene)
        at = signal.next_change(scene.holding, self.config.threshold)
        lengths = scene.lengths
        if at is None or at > lengths[-1]:
            return None
        kind = EventKind.RELEASE if scene.holding else EventKind.GRASP
        return GraspEvent(kind, int(np.argmin(np.abs(lengths - at))), Witness.SIGNAL, 1.0)
