"""Traces drawn on the camera image, past and predicted: for people, and for models that read such images."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.step_colours import step_colours
from tracegen_ros.trace_motion import travelled, travelled_on_image

MOVING = 0.02
"""A trace is drawn if it gets this far from its start [m] ..."""

MOVING_PIXELS = 12.0
"""... and this far on the image [px]: noise of the far background is not a motion."""

OLDEST_GREY, NEWEST_GREY = 70, 255
"""What has been is drawn in greys, which the colours of what is to come do not have."""

_SUBPIXEL_BITS = 3


def draw_traces(rgb: NDArray[np.uint8], traces: TraceGrid, thickness: int = 1) -> NDArray[np.uint8]:
    """Copy of ``rgb`` (H, W, 3) with the moving traces as lines coloured by step, and a dot where each starts.

    Args:
        rgb: The image that ``traces.pixels`` refer to.
        traces: What to draw; steps with invalid pixels are left out.
        thickness: Line width [px].
    """
    canvas = np.ascontiguousarray(rgb).copy()
    moving = (travelled(traces) > MOVING) & (travelled_on_image(traces) > MOVING_PIXELS)
    pixels = traces.pixels[:, moving].astype(np.float64)
    _draw_lines(canvas, pixels, step_colours(traces.steps), thickness)
    for u, v in pixels[0][np.isfinite(pixels[0]).all(axis=-1)]:
        cv2.circle(canvas, (round(u), round(v)), thickness + 1, (255, 255, 255), -1, cv2.LINE_AA)
    return canvas


def draw_past(rgb: NDArray[np.uint8], paths: NDArray[np.floating], thickness: int = 1) -> NDArray[np.uint8]:
    """Copy of ``rgb`` (H, W, 3) with the paths of points that moved: dark where they were first, white where they are.

    Args:
        rgb: The image that the last positions belong to.
        paths: (L, N, 2) positions [px], oldest first; NaN where there is none.
        thickness: Line width [px].
    """
    canvas = np.ascontiguousarray(rgb).copy()
    if len(paths) < 2:
        return canvas
    distances = np.linalg.norm(paths - paths[-1], axis=-1)
    moved = np.where(np.isfinite(distances), distances, 0.0).max(axis=0) > MOVING_PIXELS
    greys = np.linspace(OLDEST_GREY, NEWEST_GREY, len(paths) - 1).round().astype(np.uint8)
    _draw_lines(canvas, paths[:, moved].astype(np.float64), np.repeat(greys[:, None], 3, axis=1), thickness)
    return canvas


def _draw_lines(
    canvas: NDArray[np.uint8], pixels: NDArray[np.float64], colours: NDArray[np.uint8], thickness: int
) -> None:
    """Lines through ``pixels`` (S + 1, N, 2), each step in its colour of ``colours`` (S, 3)."""
    segments = np.stack([pixels[:-1], pixels[1:]], axis=2)
    fixed_point = np.rint(np.nan_to_num(segments) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    drawable = np.isfinite(segments).all(axis=(2, 3))
    for step, colour in enumerate(colours.tolist()):
        lines = fixed_point[step, drawable[step]]
        cv2.polylines(canvas, list(lines), False, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
