"""Changes of a sample's geometry after which its points are still exactly the query grid.

Traces are predicted for the grid's points in the grid's order, so an image may only be moved in ways that bring the
grid onto itself: mirrored, or shifted by whole cells. Everything that has a place moves along.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.episode import PointKind
from tracegen_model.data.sentence_augmentation import mirror_words
from tracegen_model.data.trace_item import TraceItem
from tracegen_model.trace_grid import grid_pixels

EDGE = 1e-4
"""Positions this near to the image's edge [fractions of the image] may have been clipped to it."""


def mirror(item: TraceItem) -> TraceItem:
    """``item`` seen in a mirror: left and right change places, in its sentences too.

    Writing in the image is mirrored with it, and "right" is taken for a side even where it means correct.
    """
    side = _grid_side(item)
    turned = np.array([-1.0, 1.0, 1.0], np.float32)
    return replace(
        item,
        image_key=f"{item.image_key}.mirrored",
        colour=np.ascontiguousarray(item.colour[:, ::-1]),
        depth=np.ascontiguousarray(item.depth[:, ::-1]),
        sentence=mirror_words(item.sentence),
        wordings={kind: mirror_words(text) for kind, text in item.wordings.items()},
        start_uvz=_mirrored_places(_columns_reversed(item.start_uvz, side)),
        increments=_columns_reversed(item.increments, side) * turned,
        known=_columns_reversed(item.known, side),
        moving=_columns_reversed(item.moving, side),
        point_kinds=_columns_reversed(item.point_kinds, side),
        target_uvz=_mirrored_places(item.target_uvz),
    )


def shift(item: TraceItem, right: int, down: int) -> TraceItem:
    """``item`` moved by whole cells of the grid: by ``right`` columns and ``down`` rows.

    What comes in from outside is of the image's mean colour and has no depth. Its points are unknown, and so is motion
    outside of the image before or after the shift, which no longer says what the published clipping makes of it.
    """
    side = _grid_side(item)
    cells = np.array([right, down])
    if (np.abs(cells) >= side).any():
        raise ValueError(f"expected a shift by less than {side} cells, found {right} and {down}")
    size = np.array(item.source_size, float)
    moved = (cells * (size - 1.0) / (side - 1.0) / size).astype(np.float32)
    rows, columns = np.divmod(np.arange(side**2), side)
    inside = (rows - down >= 0) & (rows - down < side) & (columns - right >= 0) & (columns - right < side)
    source = np.where(inside, (rows - down) * side + columns - right, 0)

    start = item.start_uvz[source]
    start[:, :2] += moved
    places = (grid_pixels(*item.source_size, side) + 0.5) / size
    start[~inside] = np.column_stack([places, np.full(side**2, np.nan)]).astype(np.float32)[~inside]
    increments, known = item.increments[source], item.known[source]
    known = known & inside[:, None, None] & _stays_inside(item, moved)[source][..., None]
    target = item.target_uvz.copy()
    target[:, :2] += moved
    target[((target[:, :2] < 0.0) | (target[:, :2] > 1.0)).any(axis=1)] = np.nan
    return replace(
        item,
        image_key=f"{item.image_key}.shifted{right:+d}{down:+d}",
        colour=_shifted_colour(item.colour, moved),
        depth=_shifted_depth(item.depth, moved),
        start_uvz=start,
        increments=np.where(known, increments, np.float32(0.0)),
        known=known,
        moving=item.moving[source] & inside,
        point_kinds=np.where(inside, item.point_kinds[source], np.uint8(PointKind.BACKGROUND)),
        target_uvz=target,
    )


def _grid_side(item: TraceItem) -> int:
    return math.isqrt(len(item.increments))


def _columns_reversed(array: NDArray, side: int) -> NDArray:
    """(N, ...) with the points of each row of the grid in reverse order."""
    return np.ascontiguousarray(array.reshape(side, side, *array.shape[1:])[:, ::-1].reshape(array.shape))


def _mirrored_places(uvz: NDArray[np.float32]) -> NDArray[np.float32]:
    out = uvz.copy()
    out[..., 0] = 1.0 - out[..., 0]
    return out


def _stays_inside(item: TraceItem, moved: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N, S) whether each step lies inside of the image before and after it is shifted.

    Before the shift, touching the edge counts as outside, as it may stem from clipping, unless nothing has moved yet.
    """
    start = item.start_uvz[:, None, :2] - (0.5 / np.array(item.source_size)).astype(np.float32)
    path = np.concatenate([start, start + np.cumsum(item.increments[..., :2], axis=1)], axis=1)
    before = ((path > EDGE) & (path < 1.0 - EDGE)).all(axis=-1)
    after = ((path + moved > -EDGE) & (path + moved < 1.0 + EDGE)).all(axis=-1)
    unmoved = np.abs(item.increments[..., :2]).sum(axis=-1).cumsum(axis=1) == 0.0
    return after[:, 1:] & after[:, :-1] & (unmoved | (before[:, 1:] & before[:, :-1]))


def _shifted_colour(colour: NDArray[np.uint8], moved: NDArray[np.float32]) -> NDArray[np.uint8]:
    side = colour.shape[0]
    matrix = np.array([[1.0, 0.0, moved[0] * side], [0.0, 1.0, moved[1] * side]], np.float64)
    mean = tuple(float(part) for part in colour.reshape(-1, 3).mean(axis=0))
    shifted = cv2.warpAffine(
        colour, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=mean
    )
    return np.asarray(shifted, dtype=np.uint8)


def _shifted_depth(depth: NDArray[np.float32], moved: NDArray[np.float32]) -> NDArray[np.float32]:
    """``depth`` moved by the nearest number of whole pixels, so that depths do not mix across edges."""
    right, down = (round(float(part) * depth.shape[0]) for part in moved)
    height, width = depth.shape
    out = np.zeros_like(depth)
    rows, columns = height - abs(down), width - abs(right)
    top, left = max(down, 0), max(right, 0)
    from_top, from_left = max(-down, 0), max(-right, 0)
    out[top : top + rows, left : left + columns] = depth[
        from_top : from_top + rows, from_left : from_left + columns
    ]
    return out
