"""How fast each part of a path may be gone: slower only where the joints could not keep up.

A motion along a path q(s) has

    q' = q_s s',    q'' = q_ss s'^2 + q_s s'',    q''' = q_sss s'^3 + 3 q_ss s' s'' + q_s s''';

so a motion planned at full speed says itself where, by how much and why it is too fast. Where a bend of the path is
gone too fast (the terms in s' alone), the speed is capped there; where the speed changes too fast, the bounds on its
change are lowered there, as if the clock went slower. The rest of the path stays as fast as before.

Paces are rounded down to steps of one geometric series, so that neighbouring cells join to stretches, and a faster
stretch too short to be of use is gone as slowly as its neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ik_controller.path_timing import PathSpeed, Stretch

FloatArray = NDArray[np.float64]

CELL_LENGTH = 0.01
"""The path is looked at in cells about this long [m]."""

MOST_CELLS = 150
"""A long path has longer cells instead of more."""

STEP = 0.85
"""Ratio between one pace and the next slower one."""

SLOWEST_STEP = 24
"""The slowest pace is this many steps down: about a fiftieth."""

LONGEST_REACH = 10
"""A faster stretch longer than twice this is always worth speeding up for [cells]."""

SPARE = 0.98
"""A part that is too fast is made slower by this factor more than what it needs."""


class PathPace:
    """The pace of each cell of a path, as steps down from full pace.

    Args:
        length: Of the path [m].
        speed: Bounds at full pace.
        at: (K,) increasing path parameters [m] at which ``scale`` is given; None = full speed everywhere.
        scale: (K,) share of the speed that may be used there, 0..1; acceleration and jerk stay.
    """

    def __init__(
        self,
        length: float,
        speed: PathSpeed,
        at: FloatArray | None = None,
        scale: FloatArray | None = None,
    ) -> None:
        count = int(np.clip(np.ceil(length / CELL_LENGTH), 1, MOST_CELLS))
        self._edges = np.linspace(0.0, length, count + 1)
        self._speed = speed
        braking = speed.velocity**2 / (2 * speed.acceleration)
        self._reach = int(np.clip(np.ceil(braking / 2 / CELL_LENGTH), 1, LONGEST_REACH))
        self._slowed = np.zeros(count, dtype=np.int64)
        self._capped = np.zeros(count, dtype=np.int64)
        if at is not None and scale is not None:
            # The least share within a cell holds for all of it.
            shares = np.minimum(
                *(np.interp(edges, at, scale) for edges in (self._edges[:-1], self._edges[1:]))
            )
            ahead = (at >= 0.0) & (at <= length)
            np.minimum.at(shares, self._cells(at[ahead]), scale[ahead])
            self._capped = _steps(shares)

    def stretches(self) -> list[Stretch]:
        """The path in parts of one pace each."""
        cap = _without_peaks(self._capped, self._reach)
        slow = _without_peaks(self._slowed, self._reach)
        change = np.flatnonzero((np.diff(cap) != 0) | (np.diff(slow) != 0)) + 1
        first = np.concatenate([[0], change])
        ends = self._edges[np.concatenate([change, [len(cap)]])]
        result = []
        for end, capped, slowed in zip(ends.tolist(), cap[first].tolist(), slow[first].tolist(), strict=True):
            bounds = self._speed.slowed(STEP**slowed)
            result.append(
                Stretch(end, PathSpeed(self._speed.velocity * STEP**capped, bounds.acceleration, bounds.jerk))
            )
        return result

    def slow_down(self, parameter: FloatArray, speed: FloatArray, pace: FloatArray) -> bool:
        """Make the path slower where a motion along it was too fast.

        Args:
            parameter: (M,) where it was too fast [m].
            speed: (M,) share of the full speed that may be had there.
            pace: (M,) share of the full pace at which the speed may change there.

        Returns:
            Some part became slower.
        """
        capped, slowed = self._capped, self._slowed
        self._capped = np.maximum(capped, self._wanted(parameter, speed))
        self._slowed = np.maximum(slowed, self._wanted(parameter, pace))
        return bool((self._capped > capped).any() or (self._slowed > slowed).any())

    def pace_at(self, parameter: FloatArray) -> FloatArray:
        """(M,) share of the full pace at which the speed changes at ``parameter`` (M,) [m]."""
        return np.power(STEP, self._slowed[self._cells(parameter)], dtype=np.float64)

    def _wanted(self, parameter: FloatArray, share: FloatArray) -> NDArray[np.int64]:
        wanted = np.zeros_like(self._slowed)
        less = share < 1.0
        np.maximum.at(wanted, self._cells(parameter[less]), _steps(share[less] * SPARE))
        # A cell more to both sides: the change of speed is part of the motion, too.
        return _widest(wanted)

    def _cells(self, parameter: FloatArray) -> NDArray[np.int64]:
        return np.clip(np.searchsorted(self._edges, parameter, side="right") - 1, 0, len(self._edges) - 2)


def _steps(share: FloatArray) -> NDArray[np.int64]:
    """Steps down to the fastest pace that is at most ``share``."""
    least = STEP**SLOWEST_STEP
    down = np.log(np.clip(share, least, 1.0)) / np.log(STEP)
    return np.minimum(np.ceil(down - 1e-9), SLOWEST_STEP).astype(np.int64)


def _without_peaks(steps: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """``steps`` (N,) with no faster run of up to 2 ``reach`` cells between slower ones: a morphological closing."""
    for _ in range(reach):
        steps = _widest(steps)
    for _ in range(reach):
        steps = -_widest(-steps)
    return steps


def _widest(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The greatest of each of ``steps`` (N,) and its neighbours."""
    result = steps.copy()
    np.maximum(result[1:], steps[:-1], out=result[1:])
    np.maximum(result[:-1], steps[1:], out=result[:-1])
    return result
