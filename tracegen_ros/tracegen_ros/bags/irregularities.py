"""Where a recording's times are not what an undisturbed recording's are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LONGEST_GAP_S = 5.0
"""A pause in which nothing at all was recorded is told when it is longer than this [s]."""

LARGEST_DISORDER_S = 1.0
"""Messages that go back by more than this [s] were not merely written out of order: the clock was set back."""

_GAPS_TOLD = 3
_S_PER_NS = 1e-9


def find_irregularities(times_ns: NDArray[np.int64]) -> list[str]:
    """One sentence for each thing that is odd about the times at which messages were received.

    Args:
        times_ns: (N,) int64, received times of all messages [ns] in the order in which they were recorded.
    """
    if times_ns.size < 2:
        return []
    begin_ns = int(times_ns.min())
    return [*_steps_back(times_ns, begin_ns), *_gaps(times_ns, begin_ns)]


def _steps_back(times_ns: NDArray[np.int64], begin_ns: int) -> list[str]:
    steps_s = np.diff(times_ns) * _S_PER_NS
    problems = []
    jumps = np.flatnonzero(steps_s < -LARGEST_DISORDER_S)
    if jumps.size:
        worst = jumps[np.argmin(steps_s[jumps])]
        at_s = (int(times_ns[worst]) - begin_ns) * _S_PER_NS
        problems.append(
            f"the recorder's clock jumped back {_times(jumps.size)}, by up to {-steps_s[worst]:.3f} s "
            f"(at {at_s:.3f} s); messages are given in the order of their times"
        )
    disorder = np.flatnonzero((steps_s < 0) & (steps_s >= -LARGEST_DISORDER_S))
    if disorder.size:
        problems.append(
            f"messages are out of order {_times(disorder.size)}, by up to {-steps_s[disorder].min():.6f} s; "
            "they are given in the order of their times"
        )
    return problems


def _gaps(times_ns: NDArray[np.int64], begin_ns: int) -> list[str]:
    ordered = np.sort(times_ns)
    lengths_s = np.diff(ordered) * _S_PER_NS
    gaps = np.flatnonzero(lengths_s > LONGEST_GAP_S)
    problems = [
        f"nothing was recorded for {lengths_s[gap]:.3f} s from {(int(ordered[gap]) - begin_ns) * _S_PER_NS:.3f} s on: "
        "a pause, or the recorder's clock jumped"
        for gap in gaps[:_GAPS_TOLD]
    ]
    if gaps.size > _GAPS_TOLD:
        problems.append(f"and {gaps.size - _GAPS_TOLD} more gaps of more than {LONGEST_GAP_S:g} s")
    return problems


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
