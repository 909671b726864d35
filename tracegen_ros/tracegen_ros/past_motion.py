"""Where scene points have come from on the image: optical flow from each image to the next (Lucas-Kanade)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_model.trace_grid import GRID_SIDE

WINDOW_S = 1.5
"""How far back paths reach [s]."""

LONGEST_GAP_NS = 500_000_000
"""Points are not followed over a longer pause between two images [ns]."""

LEAST_GAP_NS = 100_000_000
"""Images that follow sooner are not looked at [ns]: a hand does not get far in that time, and looking costs."""

_WORKING_WIDTH = 320
"""Wider images are made this narrow for the flow [px]: a quarter of the work, and twice the reach."""

_FLOW = {"winSize": (15, 15), "maxLevel": 3, "minEigThreshold": 1e-3}

_RETURN_TOLERANCE = 1.0
"""A point that, followed back, misses its origin by more than this was lost [px of the working image]."""

_MOST_PATHS = 2 * GRID_SIDE**2

FloatArray = NDArray[np.float32]


class PastMotion:
    """Follows points of a grid; where one has left its cell, a new one starts. Costs some ten milliseconds an image.

    Args:
        window_s: How far back paths reach [s].
        side: Cells along each side of the image.
    """

    def __init__(self, window_s: float = WINDOW_S, side: int = GRID_SIDE) -> None:
        self._window_ns = round(window_s * 1e9)
        self._side = side
        self.forget()

    def forget(self) -> None:
        """Start anew with the next image."""
        self._grey: NDArray[np.uint8] | None = None
        self._scale = 1.0
        self._stamps: list[int] = []
        self._rows = np.zeros((0, 0, 2), np.float32)

    def observe(self, rgb: NDArray[np.uint8], stamp_ns: int) -> None:
        """Follow the points into the image ``rgb`` (H, W, 3) of ``stamp_ns``, unless it follows too soon."""
        if self._stamps and 0 <= stamp_ns - self._stamps[-1] < LEAST_GAP_NS:
            return
        height, width = rgb.shape[:2]
        scale = min(1.0, _WORKING_WIDTH / width)
        size = (round(width * scale), max(round(height * scale), 1))
        grey = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        if self._grey is not None and (
            grey.shape != self._grey.shape
            or not 0 < stamp_ns - self._stamps[-1] <= LONGEST_GAP_NS
            or scale != self._scale
        ):
            self.forget()
        before, self._grey, self._scale = self._grey, np.asarray(grey, dtype=np.uint8), scale
        positions = self._rows[-1] if len(self._rows) else np.zeros((0, 2), np.float32)
        if before is not None and len(positions):
            positions, kept = _follow(before, self._grey, positions)
            self._rows, positions = self._rows[:, kept], positions[kept]
        new = self._new_points(positions)
        self._rows = np.concatenate(
            [
                np.concatenate([self._rows, np.full((len(self._rows), len(new), 2), np.nan, np.float32)], 1),
                np.concatenate([positions, new])[None],
            ]
        ).astype(np.float32)
        self._stamps.append(stamp_ns)
        old = sum(stamp < stamp_ns - self._window_ns for stamp in self._stamps)
        self._stamps, self._rows = self._stamps[old:], self._rows[old:]

    def paths(self, stamp_ns: int) -> FloatArray:
        """(L, N, 2) positions [px] in the images up to ``stamp_ns``, oldest first; NaN before a point was followed."""
        rows = [index for index, stamp in enumerate(self._stamps) if stamp <= stamp_ns]
        centre = np.float32(0.5)
        return (self._rows[rows] + centre) / np.float32(self._scale) - centre

    def _new_points(self, positions: FloatArray) -> FloatArray:
        """Centres of the cells that no point is in."""
        assert self._grey is not None
        height, width = self._grey.shape
        cell = np.array([width, height], np.float32) / self._side
        taken = np.zeros((self._side, self._side), bool)
        column, row = np.clip((positions + 0.5) // cell, 0, self._side - 1).astype(int).T
        taken[row, column] = True
        rows, columns = np.nonzero(~taken)
        centres = (np.stack([columns, rows], axis=1) + 0.5) * cell - 0.5
        return centres[: _MOST_PATHS - len(positions)].astype(np.float32)


def _follow(
    before: NDArray[np.uint8], after: NDArray[np.uint8], positions: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """(N, 2) where ``positions`` went, and (N,) which of them were not lost."""
    height, width = after.shape
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, positions[:, None], None, **_FLOW)  # type: ignore[call-overload]
    back, returned, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **_FLOW)  # type: ignore[call-overload]
    moved = np.asarray(there, dtype=np.float32)[:, 0]
    missed = np.linalg.norm(back[:, 0] - positions, axis=1)
    inside = ((moved >= 0.0) & (moved <= (width - 1, height - 1))).all(axis=1)
    kept = (found[:, 0] > 0) & (returned[:, 0] > 0) & (missed <= _RETURN_TOLERANCE) & inside
    return moved, kept
