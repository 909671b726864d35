"""Random trace grids, sound and broken, with the depth images that belong to them.

A grid starts from what a camera would see of hand, object and table (boxes met by rays), and its points move as the
hand's path moves them; then a fault of a named kind is done to it. Everything follows from the stimulus: the same one
makes the same grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid, TraceGridError

FloatArray = NDArray[np.float64]

STEP_M = 0.0125
"""Length of a trace's step where nothing is wrong with it [m]."""

BLOCK_HALF_M = 0.02
ON_BOX_M = 0.006
"""A point this near to a box lies on it [m]."""

IMAGES = ((80, 60), (80, 60), (160, 120), (120, 120))
"""Widths and heights of the depth images [px]."""

TABLE = np.array([[0.0, -0.8, -0.05], [1.2, 0.8, 0.0]])
"""The table's corners [m, base frame]."""


class GridFault(StrEnum):
    """What is wrong with a grid."""

    SOUND = "sound"
    NOISE = "noise"
    DEPTH_SCALE = "depth off by 0.3 to 3"
    NAN_POINTS = "NaN here and there"
    NAN_ALL = "NaN everywhere"
    NAN_LATER = "NaN from some step on"
    JUMP = "jumps at one step"
    TELEPORT = "points teleport"
    HAND_TELEPORTS = "hand points teleport"
    HUGE = "huge numbers"
    INFINITE = "infinite numbers"
    BEHIND = "behind the camera"
    STILL = "nothing moves"
    ZERO = "all zero"
    PIXELS = "pixels that are not the points'"
    NAN_PIXELS = "NaN pixels"
    SPREAD = "spread of any kind"
    ONE_STEP = "one step"
    MANY_STEPS = "128 steps"
    ONE_POINT = "one point"
    WRONG_SHAPE = "wrong shape"
    EMPTY = "empty"
    OTHER_STEPS = "steps of other lengths"


class PathKind(StrEnum):
    """Where the hand is said to go."""

    LINE = "line"
    CURVE = "curve"
    ZIGZAG = "zigzag"
    SPIRAL = "spiral"
    DIP = "dip"
    FAR = "far"
    DOWN = "down"


@dataclass(frozen=True)
class View:
    """A camera, what it sees, and where the hand is.

    Attributes:
        camera_in_base: (4, 4) where the camera really is.
        intrinsics: Of the depth image.
        hand_in_base: (4, 4) pose of the hand.
        hand_boxes: (B, 2, 3) shape of the hand [m, hand frame].
        tcp: (3,) tool centre point [m, base frame].
        block: (3,) middle of a block [m, base frame].
    """

    camera_in_base: FloatArray
    intrinsics: CameraIntrinsics
    hand_in_base: FloatArray
    hand_boxes: FloatArray
    tcp: FloatArray
    block: FloatArray

    def depth(self) -> NDArray[np.float32]:
        """(H, W) depth image [m], 0 where nothing is met."""
        width, height = self.intrinsics.width, self.intrinsics.height
        rows, columns = np.mgrid[0:height, 0:width]
        pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2)
        rays = self.intrinsics.back_project(pixels, np.ones(rows.size)).T
        block = np.array([self.block - BLOCK_HALF_M, self.block + BLOCK_HALF_M])
        still = _meet(rays, self.camera_in_base, np.stack([TABLE, block]))
        hand = _meet(rays, np.linalg.inv(self.hand_in_base) @ self.camera_in_base, self.hand_boxes)
        depth = np.minimum(still, hand).reshape(height, width)
        return np.where(np.isfinite(depth), depth, 0.0).astype(np.float32)


def camera_looking_at(position: FloatArray, target: FloatArray) -> FloatArray:
    """(4, 4) pose of a camera at ``position`` (3,) that looks at ``target`` (3,) [m, base frame]."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


def make_grid(
    view: View, depth: NDArray[np.float32], fault: GridFault, magnitude: float, rng: np.random.Generator
) -> TraceGrid | None:
    """Traces of what ``view`` shows in ``depth``, with ``fault``; None where they form no grid at all.

    Args:
        view: The scene.
        depth: Its depth image.
        fault: What is done to the grid.
        magnitude: How much, from 0 to 1.
        rng: What is left to chance.
    """
    steps = {GridFault.ONE_STEP: 1, GridFault.MANY_STEPS: 128}.get(fault, int(rng.choice([32, 32, 32, 8, 3])))
    pixels = _query_pixels(view, fault, rng)
    start = _starts(view, depth, pixels)
    moved, on_hand = _moved(view, start, steps, fault, magnitude, rng)
    pose = view.camera_in_base
    points = (moved - pose[:3, 3]) @ pose[:3, :3]
    points = _with_fault(points, on_hand, fault, magnitude, rng)
    with np.errstate(all="ignore"):
        seen = view.intrinsics.project(points)
        spread = rng.choice([np.nan, 0.0, 0.02, 5.0, np.inf, -1.0], moved.shape[:2])
        if fault is GridFault.PIXELS:
            seen = rng.uniform(-1e3, 1e4, seen.shape)
        elif fault is GridFault.NAN_PIXELS:
            seen[rng.random(seen.shape[:2]) < 0.2 + magnitude] = np.nan
        points, seen = points.astype(np.float32), seen.astype(np.float32)
    if fault is GridFault.WRONG_SHAPE:
        points = points[..., :2] if rng.random() < 0.5 else points[:, :-1]
    elif fault is GridFault.EMPTY:
        points, seen = (points[:, :0], seen[:, :0]) if rng.random() < 0.5 else (points[:1], seen[:1])
    try:
        return TraceGrid(points, seen, spread if fault is GridFault.SPREAD else None)
    except TraceGridError:
        return None


def _query_pixels(view: View, fault: GridFault, rng: np.random.Generator) -> FloatArray:
    """(N, 2) a lattice over the whole image, or over a part of it around the hand."""
    width, height = view.intrinsics.width, view.intrinsics.height
    side = int(rng.choice([4, 10, 20, 20]))
    if fault is GridFault.ONE_POINT:
        side = 1
    u, v = np.meshgrid(np.linspace(0, width - 1, side), np.linspace(0, height - 1, side))
    pixels = np.stack([u.ravel(), v.ravel()], axis=-1)
    if side < 10 or rng.random() < 0.7:
        in_camera = view.camera_in_base[:3, :3].T @ (view.hand_in_base[:3, 3] - view.camera_in_base[:3, 3])
        if in_camera[2] > 0.05:
            zoom = rng.uniform(0.15, 0.6)
            hand = view.intrinsics.project(in_camera)
            middle = np.array([width - 1, height - 1]) / 2
            pixels = hand + zoom * (pixels - (middle if side > 1 else pixels))
    return np.clip(pixels, 0, [width - 1, height - 1])


def _starts(view: View, depth: NDArray[np.float32], pixels: FloatArray) -> FloatArray:
    """(N, 3) what is seen at ``pixels`` [m, base frame], NaN where nothing is."""
    column, row = np.rint(pixels).astype(int).T
    z = depth[row, column].astype(float)
    points = view.intrinsics.back_project(pixels, np.where(z > 0.0, z, np.nan))
    return points @ view.camera_in_base[:3, :3].T + view.camera_in_base[:3, 3]


def _moved(
    view: View,
    start: FloatArray,
    steps: int,
    fault: GridFault,
    magnitude: float,
    rng: np.random.Generator,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """(S + 1, N, 3) points while the hand goes its way and may take the block along, and (N,) which ride the hand."""
    path, taken = _hand_path(view, steps, fault, magnitude, rng)
    in_hand = (start - view.hand_in_base[:3, 3]) @ view.hand_in_base[:3, :3]
    on_hand = _near_box(in_hand, view.hand_boxes).any(axis=1)
    on_block = (np.abs(start - view.block) < BLOCK_HALF_M + ON_BOX_M).all(axis=-1) & ~on_hand
    on_block &= start[:, 2] > ON_BOX_M
    moved = np.repeat(start[None], steps + 1, axis=0)
    turn = np.linspace(0.0, 1.0, steps + 1)[:, None] * _turn_axis(rng)
    moved[:, on_hand] = path[:, None] + _rotated(start[on_hand] - view.tcp, turn)
    if taken is not None:
        since = slice(min(taken, steps), None)
        moved[since, on_block] += (path[since] - path[min(taken, steps)])[:, None]
    return moved, on_hand


def _hand_path(
    view: View, steps: int, fault: GridFault, magnitude: float, rng: np.random.Generator
) -> tuple[FloatArray, int | None]:
    """(S + 1, 3) way of the tool centre point [m, base frame], and the step at which it takes the block."""
    kind = rng.choice(list(PathKind))
    step = STEP_M
    if fault is GridFault.STILL:
        step = 0.0
    elif fault is GridFault.OTHER_STEPS:
        step = STEP_M * 10.0 ** rng.uniform(-2.0, 1.0)
    target = np.array([rng.uniform(0.3, 0.7), rng.uniform(-0.35, 0.35), rng.uniform(0.05, 0.5)])
    ahead = target - view.tcp
    ahead /= max(float(np.linalg.norm(ahead)), 1e-6)
    along = np.arange(steps + 1)[:, None]
    if kind == PathKind.DIP:
        goal = view.block + np.array([*rng.normal(0.0, 0.005, 2), rng.uniform(-0.01, 0.03)])
        down = max(1, int(np.ceil(np.linalg.norm(goal - view.tcp) / max(step, 1e-3))))
        way = np.concatenate([np.linspace(view.tcp, goal, down + 1), goal + step * along * [0.0, 0.0, 1.0]])
        return way[: steps + 1], down if rng.random() < 0.8 else None
    directions = np.repeat(ahead[None], steps, axis=0)
    if kind == PathKind.CURVE:
        directions = directions + np.cumsum(rng.normal(0.0, 0.05 + 0.4 * magnitude, (steps, 3)), axis=0)
    elif kind == PathKind.ZIGZAG:
        corners = rng.normal(size=(steps, 3))
        directions = corners[np.arange(steps) // max(1, int(rng.integers(1, 12)))]
    elif kind == PathKind.SPIRAL:
        angle = np.linspace(0.0, rng.uniform(2.0, 20.0), steps)
        directions = np.stack([np.cos(angle), np.sin(angle), 0.3 * ahead[2] + 0 * angle], axis=1)
    elif kind == PathKind.FAR:
        directions = np.repeat(rng.normal(size=3)[None], steps, axis=0)
        step *= rng.uniform(1.0, 6.0)
    elif kind == PathKind.DOWN:
        directions = np.repeat(np.array([[0.1 * ahead[0], 0.1 * ahead[1], -1.0]]), steps, axis=0)
    directions = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-6)
    return view.tcp + np.concatenate([np.zeros((1, 3)), np.cumsum(step * directions, axis=0)]), None


def _with_fault(
    points: FloatArray,
    on_hand: NDArray[np.bool_],
    fault: GridFault,
    magnitude: float,
    rng: np.random.Generator,
) -> FloatArray:
    """``points`` (S + 1, N, 3) [m, camera frame] with what ``fault`` does to them."""
    shape, rows = points.shape, len(points)
    if fault is GridFault.NOISE:
        points = points + rng.normal(0.0, 0.001 + 0.03 * magnitude, shape)
    elif fault is GridFault.DEPTH_SCALE:
        points = points * 10.0 ** rng.uniform(np.log10(0.3), np.log10(3.0))
    elif fault is GridFault.NAN_POINTS:
        points[rng.random(shape[:2]) < magnitude] = np.nan
    elif fault is GridFault.NAN_ALL:
        points[:] = np.nan
    elif fault is GridFault.NAN_LATER:
        points[int(rng.integers(0, rows)) :] = np.nan
    elif fault is GridFault.JUMP:
        points[int(rng.integers(0, rows)) :] += rng.normal(0.0, magnitude, 3)
    elif fault is GridFault.TELEPORT:
        away = rng.random(shape[:2]) < magnitude
        points[away] = rng.uniform(-10.0, 10.0, (int(away.sum()), 3))
    elif fault is GridFault.HAND_TELEPORTS:
        away = (rng.random(shape[:2]) < magnitude) & on_hand
        away[0] = False
        points[away] += rng.normal(0.0, 1.0, (int(away.sum()), 3))
    elif fault is GridFault.HUGE:
        points[:, rng.random(shape[1]) < 0.3 + magnitude] *= 10.0 ** rng.uniform(2.0, 37.0)
    elif fault is GridFault.INFINITE:
        points[rng.random(shape[:2]) < 0.2 + magnitude] = rng.choice([np.inf, -np.inf])
    elif fault is GridFault.BEHIND:
        points[..., 2] *= -1.0
    elif fault is GridFault.ZERO:
        points[:] = 0.0
    return points


def _meet(rays: FloatArray, camera_in_frame: FloatArray, boxes: FloatArray) -> FloatArray:
    """(M,) depth at which ``rays`` (3, M), of unit depth in the camera, first meet one of ``boxes``; inf where none."""
    direction = camera_in_frame[:3, :3] @ rays
    origin = camera_in_frame[:3, 3:]
    nearest = np.full(rays.shape[1], np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        slowness = 1.0 / direction
        for box in boxes:
            entry, leave = (box[0][:, None] - origin) * slowness, (box[1][:, None] - origin) * slowness
            first, last = np.minimum(entry, leave), np.maximum(entry, leave)
            near = np.maximum(np.maximum(first[0], first[1]), first[2])
            far = np.minimum(np.minimum(last[0], last[1]), last[2])
            met = (near < far) & (near > 0.0) & (near < nearest)
            nearest[met] = near[met]
    return nearest


def _near_box(points: FloatArray, boxes: FloatArray) -> NDArray[np.bool_]:
    """(N, B) whether ``points`` (N, 3) lie in ``boxes`` (B, 2, 3), both in the boxes' frame."""
    inside = (points[:, None] > boxes[:, 0] - ON_BOX_M) & (points[:, None] < boxes[:, 1] + ON_BOX_M)
    return inside.all(axis=-1)


def _turn_axis(rng: np.random.Generator) -> FloatArray:
    """(3,) how far the hand turns over the whole path [rad, rotation vector]: mostly not, or about the vertical."""
    kind = rng.random()
    if kind < 0.4:
        return np.zeros(3)
    if kind < 0.8:
        return np.array([0.0, 0.0, rng.uniform(-1.5, 1.5)])
    return rng.normal(0.0, 0.4, 3)


def _rotated(arms: FloatArray, turns: FloatArray) -> FloatArray:
    """(S, H, 3) ``arms`` (H, 3) turned by each rotation vector of ``turns`` (S, 3) [rad] (Rodrigues' formula)."""
    angle = np.linalg.norm(turns, axis=1)
    axis = turns / np.maximum(angle, 1e-12)[:, None]
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    around = np.cross(axis[:, None], arms[None])
    parallel = (axis @ arms.T)[..., None] * axis[:, None]
    return cosine * arms + sine * around + (1.0 - cosine) * parallel
