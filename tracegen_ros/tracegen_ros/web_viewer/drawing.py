"""Traces, camera and cloud as the points, lines and colours that a browser is sent; all in the robot's base frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.step_colours import step_colours
from tracegen_ros.trace_motion import travelled

FloatArray = NDArray[np.float64]

_FADED = 0.45
"""How far the colours of ordinary traces go towards grey; leading ones keep theirs."""

_GREY = np.array([150.0, 155.0, 165.0])


@dataclass(frozen=True)
class DrawnTraces:
    """The traces of one prediction that move.

    Attributes:
        paths: (S + 1, M, 3) float32 [m, base frame]; NaN = invalid.
        leading: (M,) which of them get farthest: those on the hand and on what it carries.
    """

    paths: NDArray[np.float32]
    leading: NDArray[np.bool_]

    @property
    def steps(self) -> int:
        """Segments of each path."""
        return self.paths.shape[0] - 1


@dataclass(frozen=True)
class Lines:
    """Coloured segments.

    Attributes:
        points: (K, 2, 3) float32 [m, base frame].
        colours: (K, 2, 3) uint8 RGB.
    """

    points: NDArray[np.float32]
    colours: NDArray[np.uint8]


@dataclass(frozen=True)
class Points:
    """Coloured points.

    Attributes:
        points: (K, 3) float32 [m, base frame].
        colours: (K, 3) uint8 RGB.
    """

    points: NDArray[np.float32]
    colours: NDArray[np.uint8]


NO_LINES = Lines(np.zeros((0, 2, 3), np.float32), np.zeros((0, 2, 3), np.uint8))
NO_POINTS = Points(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8))


def moving_traces(
    traces: TraceGrid,
    camera_in_base: FloatArray,
    *,
    least_travel: float,
    leading_fraction: float,
    most: int,
) -> DrawnTraces:
    """The traces worth drawing, in the base frame.

    Args:
        traces: What was predicted.
        camera_in_base: (4, 4) pose of the camera's optical frame.
        least_travel: A trace that stays within this distance of its start is left out [m].
        leading_fraction: Traces that get this fraction of the farthest one's way are leading.
        most: Traces taken at most; those that go far come first.
    """
    distance = travelled(traces)
    chosen = np.argsort(-distance)[:most]
    chosen = chosen[distance[chosen] > least_travel]
    in_camera = traces.points_in_camera[:, chosen].astype(float)
    paths = in_camera @ camera_in_base[:3, :3].T + camera_in_base[:3, 3]
    leading = distance[chosen] >= leading_fraction * distance.max()
    return DrawnTraces(paths.astype(np.float32), leading)


def trace_lines(drawn: DrawnTraces, until: float, *, leading: bool) -> Lines:
    """Segments of the leading traces, or of the others, from the start as far as ``until`` (0 to 1) of the path."""
    paths = drawn.paths[:, drawn.leading == leading]
    shown = math.ceil(np.clip(until, 0.0, 1.0) * drawn.steps)
    if shown == 0 or paths.shape[1] == 0:
        return NO_LINES
    segments = np.stack([paths[:shown], paths[1 : shown + 1]], axis=2)
    ramp = _colours(drawn.steps, leading)
    colours = np.stack([ramp[:shown], ramp[1 : shown + 1]], axis=1)[:, None].repeat(paths.shape[1], axis=1)
    valid = np.isfinite(segments).all(axis=(2, 3))
    return Lines(segments[valid], colours[valid])


def trace_heads(drawn: DrawnTraces, until: float) -> Points:
    """Where the leading points are at ``until`` (0 to 1) of their path."""
    step = math.ceil(np.clip(until, 0.0, 1.0) * drawn.steps)
    heads = drawn.paths[step, drawn.leading]
    heads = heads[np.isfinite(heads).all(axis=1)]
    return Points(heads, np.broadcast_to(_colours(drawn.steps, True)[step], heads.shape).astype(np.uint8))


def path_lines(points_in_base: FloatArray, colour: tuple[int, int, int]) -> Lines:
    """A path through ``points_in_base`` (K, 3) [m] in one colour."""
    if len(points_in_base) < 2:
        return NO_LINES
    segments = np.stack([points_in_base[:-1], points_in_base[1:]], axis=1).astype(np.float32)
    return Lines(segments, np.broadcast_to(np.array(colour, np.uint8), segments.shape).copy())


def coloured_cloud(
    rgb: NDArray[np.uint8],
    depth_m: NDArray[np.float32],
    intrinsics: CameraIntrinsics,
    camera_in_base: FloatArray,
    *,
    most: int,
    farthest: float,
) -> Points:
    """What the camera sees as points: every so many pixels, without what is farther from the base than ``farthest``.

    Args:
        rgb: (H, W, 3) colour image.
        depth_m: (H, W) depth aligned to it [m]; 0 = no reading.
        intrinsics: Of both.
        camera_in_base: (4, 4) pose of the camera's optical frame.
        most: Points at most.
        farthest: Horizontal distance from the base that is still shown [m].
    """
    height, width = depth_m.shape
    stride = max(1, math.ceil(math.sqrt(height * width / most)))
    rows, columns = np.mgrid[0:height:stride, 0:width:stride]
    depth = depth_m[rows, columns]
    seen = depth > 0.0
    rows, columns, depth = rows[seen], columns[seen], depth[seen]
    in_camera = intrinsics.back_project(np.stack([columns, rows], axis=-1), depth)
    points = in_camera @ camera_in_base[:3, :3].T + camera_in_base[:3, 3]
    near = np.hypot(points[:, 0], points[:, 1]) < farthest
    return Points(points[near].astype(np.float32), rgb[rows, columns][near])


def smaller(rgb: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """``rgb`` (H, W, 3) at most ``width`` pixels wide, in the same proportions."""
    if rgb.shape[1] <= width:
        return rgb
    height = max(1, round(rgb.shape[0] * width / rgb.shape[1]))
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def _colours(steps: int, leading: bool) -> NDArray[np.uint8]:
    """(steps + 1, 3) RGB along a path."""
    colours = step_colours(steps + 1)
    if leading:
        return colours
    return (colours * (1.0 - _FADED) + _GREY * _FADED).astype(np.uint8)
