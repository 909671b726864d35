"""From positions along traces to what a network learns: increments, what is known of them, and which points move.

The order and the numbers are those of the published loader. Where that one lets unknown positions through, they are
masked here instead:

- a position is unknown when it is padding (-inf), NaN, infinite, or of a step that ``valid_steps`` denies;
- an increment is known when both its ends are. The published loader looks at the later end only, so that the first
  position after a gap makes an increment from nowhere;
- traces that are shorter than the horizon go on with increments of 0, unknown, as those that are padded do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOVES = 0.1
"""A point moves when its path is longer than this: |du| + |dv| summed over its steps, in fractions of the image."""


def increments_of_traces(
    traces: NDArray[np.floating], width: int, height: int, horizon: int, clip_to_image: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Motion of each step.

    Args:
        traces: (N, T, 3) (u px, v px, z), NaN where unknown.
        width: Width of the image [px].
        height: Height of the image [px].
        horizon: Steps S that are kept, the first ones.
        clip_to_image: Bring positions outside of the image to its edge before they are subtracted, as published:
            motion outside of the image counts as none.

    Returns:
        (N, S, 3) increments (du, dv in fractions of the image, dz in the depth's unit), 0 where unknown; and
        (N, S, 3) whether each is known.
    """
    positions = np.array(traces[:, : horizon + 1], dtype=np.float32)
    positions[..., :2] /= np.array([width, height], np.float32)
    if clip_to_image:
        np.clip(positions[..., :2], 0.0, 1.0, out=positions[..., :2])  # NaN stays NaN
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(positions, axis=1)
    shape = (len(positions), horizon, 3)
    increments, known = np.zeros(shape, np.float32), np.zeros(shape, bool)
    known[:, : steps.shape[1]] = np.isfinite(steps)
    increments[:, : steps.shape[1]] = np.where(np.isfinite(steps), steps, 0.0)
    return increments, known


def path_lengths(traces: NDArray[np.floating], width: int, height: int) -> NDArray[np.float32]:
    """(N,) |du| + |dv| [fractions of the image] along all T steps of ``traces`` (N, T, 3), unknown ones left out."""
    positions = traces[..., :2] / np.array([width, height], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.abs(np.diff(positions, axis=1))
    return np.where(np.isfinite(steps), steps, 0.0).sum(axis=1).sum(axis=-1).astype(np.float32)
