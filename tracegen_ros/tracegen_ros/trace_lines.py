"""Traces as coloured line segments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracegen_ros.step_colours import step_colours


def trace_lines(
    points: NDArray[np.floating], opacity: float
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Both ends of each segment of traces, and their colours.

    Args:
        points: (S + 1, N, 3) steps of each trace [m]; a segment with an end that is not finite is left out.
        opacity: Of every line, 0 to 1.

    Returns:
        (2 K, 3) points [m] in pairs, and (2 K, 4) RGBA of 0 to 1, one colour per step.
    """
    steps = len(points) - 1
    palette = np.full((steps, 4), opacity, np.float32)
    palette[:, :3] = step_colours(steps) / np.float32(255.0)
    ends = np.empty((steps, points.shape[1], 2, 3))
    ends[:, :, 0] = points[:-1]
    ends[:, :, 1] = points[1:]
    lines: int | NDArray[np.int_] = points.shape[1]
    finite = np.isfinite(points)
    if not finite.all():
        drawable = finite[:-1].all(axis=-1) & finite[1:].all(axis=-1)
        ends, lines = ends[drawable], drawable.sum(axis=1)
    return ends.reshape(-1, 3), np.repeat(palette, 2 * lines, axis=0)
