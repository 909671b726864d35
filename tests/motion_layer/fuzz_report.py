"""What came of fuzzed episodes, added up."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from tests.motion_layer.command_checker import QUANTITIES


@dataclass
class EpisodeReport:
    """What came of an episode.

    Attributes:
        grids: Trace grids given.
        updates: Calls of the core.
        commands: Commands judged, one a millisecond.
        trajectories: Trajectories sent.
        exceptions: Tracebacks.
        breaches: Commands outside the limits, in words.
        refused: Other trajectories that the executor refused, in words.
        refused_out_of_step: Trajectories refused where the follower could not know how the arm moves: a command had
            come late, somebody had pushed the arm, or its joint state was false.
        unending: Motions that did not come to rest.
        used: Largest share of each bound that was used.
        moving_s: Time during which the arm moved [s]; ``total_s`` all of it.
        faults: How often each fault was done.
        states: How often the follower said each state.
        gates: How often each gate was shut.
        reasons: How often each reason was given, numbers left out.
    """

    grids: int = 0
    updates: int = 0
    commands: int = 0
    trajectories: int = 0
    exceptions: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refused_out_of_step: int = 0
    unending: list[str] = field(default_factory=list)
    used: dict[str, float] = field(default_factory=lambda: dict.fromkeys(QUANTITIES, 0.0))
    moving_s: float = 0.0
    total_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    gates: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> list[str]:
        """Everything that must not happen, in words."""
        return [
            *(f"EXCEPTION {text}" for text in self.exceptions),
            *(f"VIOLATION {text}" for text in self.breaches),
            *(f"REFUSED {text}" for text in self.refused),
            *(f"NO REST {text}" for text in self.unending),
        ]

    def add(self, other: EpisodeReport) -> None:
        """Take in another episode's figures."""
        for name in ("grids", "updates", "commands", "trajectories", "refused_out_of_step"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("exceptions", "breaches", "refused", "unending"):
            getattr(self, name).extend(getattr(other, name))
        for name in ("faults", "states", "gates", "reasons"):
            getattr(self, name).update(getattr(other, name))
        self.moving_s += other.moving_s
        self.total_s += other.total_s
        self.used = {name: max(share, other.used[name]) for name, share in self.used.items()}


def without_numbers(text: str) -> str:
    """``text`` with every number as #, so that reasons can be counted."""
    return re.sub(r"-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?", "#", text)
