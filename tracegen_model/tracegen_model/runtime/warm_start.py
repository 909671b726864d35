"""Where the previous prediction says that this one will end: a state to start the flow from, in place of noise alone.

While the hand follows its traces, the next prediction is nearly the last one less what has been travelled. How far
that is, nobody says: traces have no clock. It is found in the depth image: at each step of the previous traces, the
points that move should be where that step put them, and the step where most are is where the hand is now. What lies
ahead of it becomes the forecast for the grid points of the new image, each taking over from the nearest trace.

The forecast x mixed with noise e makes the state of flow time t, (1 - t) e + t x, as in training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.trace_starts import TraceStarts
from tracegen_model.trace_grid import TraceGrid

MAX_PAUSE_S = 1.0
"""After a longer pause between two images [s] the previous traces say nothing about the next."""

MOVING_M = 0.02
"""Points whose trace is longer than this [m] tell how far the hand has come."""

LARGEST_RESIDUAL_M = 0.03
"""Predicted and measured depth differ by this much at most [m]: beyond it, another thing is seen."""

SCENE_JUMPED_M = 0.015
"""Mean residual [m] of the points that move, or of those that rest, above which the scene is not the expected one."""


@dataclass(frozen=True)
class Previous:
    """A prediction that the next one may start from.

    Attributes:
        instruction: What it obeys.
        stamp_s: Time of its image [s].
        intrinsics: Camera of its image.
        traces: The prediction, lifted.
        increments: (N, S, 3) the same as the network gave it, normalised.
    """

    instruction: str
    stamp_s: float
    intrinsics: CameraIntrinsics
    traces: TraceGrid
    increments: NDArray[np.float32]


@dataclass(frozen=True)
class Forecast:
    """What the previous prediction says about this one.

    Attributes:
        increments: (N, S, 3) normalised.
        travelled: Steps of the previous traces that lie behind.
    """

    increments: NDArray[np.float32]
    travelled: int


class NoForecast(Exception):
    """The previous prediction does not go on in this image; the message says why."""


def forecast(
    previous: Previous,
    instruction: str,
    stamp_s: float,
    depth: NDArray[np.float32],
    starts: TraceStarts,
) -> Forecast:
    """The rest of the previous traces, for the grid points of a new image.

    Args:
        previous: The previous prediction.
        instruction: What to do now.
        stamp_s: Time of the new image [s].
        depth: (H, W) [m] of the new image; 0 or NaN = no reading.
        starts: Grid points of the new image.

    Raises:
        NoForecast: Another instruction or camera, too long a pause, or a scene that is not the expected one.
    """
    if instruction != previous.instruction:
        raise NoForecast("new instruction")
    if starts.intrinsics != previous.intrinsics:
        raise NoForecast("another camera")
    if not 0.0 <= stamp_s - previous.stamp_s <= MAX_PAUSE_S:
        raise NoForecast(f"{stamp_s - previous.stamp_s:.2f} s since the last image")
    path = previous.traces.points_in_camera
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=-1).sum(axis=0)
    moving = lengths > MOVING_M
    residuals = _residuals(previous.traces, depth)
    travelled = _travelled(residuals[:, moving])
    for name, chosen in (("moves", moving), ("rests", lengths <= MOVING_M)):
        off = _mean(residuals[travelled, chosen])
        if off > SCENE_JUMPED_M:
            raise NoForecast(f"what {name} is {off * 100.0:.1f} cm from where it was expected")
    source = _nearest(path[travelled].astype(float), starts.in_camera)
    rest = previous.increments[source, travelled:]
    beyond = np.repeat(rest[:, -1:], travelled, axis=1)
    return Forecast(np.concatenate([rest, beyond], axis=1), travelled)


def plan_from(plan: SamplingPlan, start: float) -> SamplingPlan:
    """The part of ``plan`` from flow time ``start`` on, which lies in (0, 1)."""
    return SamplingPlan(plan.method, (start, *(time for time in plan.times if time > start)))


def state_at(time: float, noise: NDArray[np.float32], increments: NDArray[np.float32]) -> NDArray[np.float32]:
    """State of the flow at ``time`` on the way from ``noise`` (K, N, S, 3) to ``increments`` (N, S, 3)."""
    return np.asarray((1.0 - time) * noise + time * increments, np.float32)


def _residuals(traces: TraceGrid, depth: NDArray[np.float32]) -> NDArray[np.float64]:
    """(S + 1, N) [m] difference of predicted and measured depth at each step, clipped; NaN where none is measured."""
    height, width = depth.shape
    known = traces.valid & np.isfinite(traces.pixels).all(axis=-1)
    columns, rows = np.rint(np.where(known[..., None], traces.pixels, -1.0)).astype(int).transpose(2, 0, 1)
    inside = known & (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    measured = depth[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    readable = inside & np.isfinite(measured) & (measured > 0.0)
    apart = np.abs(traces.points_in_camera[..., 2] - np.where(readable, measured, np.nan))
    return np.asarray(np.minimum(apart, LARGEST_RESIDUAL_M), float)


def _travelled(residuals: NDArray[np.float64]) -> int:
    """The step (of S + 1, N residuals [m]) at which points are where they should be; at most half of the way."""
    means = np.array([_mean(row) for row in residuals[: (len(residuals) + 1) // 2]])
    return int(np.argmin(np.nan_to_num(means, nan=np.inf)))


def _mean(residuals: NDArray[np.float64]) -> float:
    """Mean residual [m] of those that are known; NaN where none is."""
    known = residuals[np.isfinite(residuals)]
    return float(known.mean()) if known.size else float("nan")


def _nearest(there: NDArray[np.float64], starts: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) which of the points ``there`` (N, 3) is nearest to each of ``starts``; its own number where unknown."""
    squared = (starts**2).sum(axis=1)[:, None] + (there**2).sum(axis=1) - 2.0 * starts @ there.T
    known = np.isfinite(squared).any(axis=1)
    return np.where(known, np.nan_to_num(squared, nan=np.inf).argmin(axis=1), np.arange(len(starts)))
