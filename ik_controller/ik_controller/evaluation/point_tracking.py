"""Where pixels of the first image are in later ones: Lucas-Kanade with checks (OpenCV), or another tracker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

WINDOW_PX = 21
"""Side of the patch that is compared [px at a width of 640]: about half a block of a tabletop."""

PYRAMID_LEVELS = 4
"""Halvings of the image: motions of about WINDOW_PX / 2 * 2^4 px from frame to frame are found."""

ITERATIONS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02)
"""The search ends after so many steps, or when one is shorter than that [px]."""

ROUND_TRIP_PX = 1.0
"""Tracked there and back, a point ends this near to where it was (Kalal et al. 2010)."""

REFINED_PX = 4.0
"""The patch of the first image is found this near to where the chain of frames leads, or not at all."""


@dataclass(frozen=True)
class PixelTracks:
    """Where points were seen.

    Attributes:
        pixels: (F, N, 2) [px]; where a point was not found, the last place where it was.
        found: (F, N) the tracker trusts the place.
    """

    pixels: FloatArray
    found: NDArray[np.bool_]


class PointTracker(Protocol):
    """Tracks points through images."""

    name: str
    """For reports."""

    def track(self, images: Sequence[Image], pixels: FloatArray) -> PixelTracks:
        """Follow ``pixels`` (N, 2) of the first of ``images`` (F of (H, W, 3) RGB) through all of them."""
        ...


class LucasKanadeTracker:
    """Frame to frame, there and back; then the first image's own patch is looked for at that place, against drift."""

    name = "OpenCV Lucas-Kanade, forward-backward"

    def track(self, images: Sequence[Image], pixels: FloatArray) -> PixelTracks:
        """See :class:`PointTracker`."""
        greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
        start = np.ascontiguousarray(pixels, dtype=np.float32)
        places = np.repeat(start[None], len(greys), axis=0)
        found = np.zeros(places.shape[:2], bool)
        found[0] = np.isfinite(start).all(axis=1)
        side = max(7, round(WINDOW_PX * greys[0].shape[1] / 640) | 1)
        for number in range(1, len(greys)):
            alive = found[number - 1]
            places[number] = places[number - 1]
            if not alive.any():
                break
            here = places[number - 1, alive]
            there, good = _there_and_back(greys[number - 1], greys[number], here, None, side)
            refined, sure = _there_and_back(greys[0], greys[number], start[alive], there, side)
            sure &= good & (np.linalg.norm(refined - there, axis=1) <= REFINED_PX)
            there[sure] = refined[sure]
            places[number, alive] = np.where(good[:, None], there, here)
            found[number, alive] = good
        return PixelTracks(places.astype(float), found)


def _there_and_back(
    first: Image, second: Image, places: NDArray[np.float32], guess: NDArray[np.float32] | None, side: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(M, 2) places in ``second`` of patches around ``places`` (M, 2) of ``first``, and whether the way back agrees."""
    options: dict[str, Any] = {"winSize": (side, side), "maxLevel": PYRAMID_LEVELS, "criteria": ITERATIONS}
    if guess is not None:
        # The chain of frames led here: only the last pixels are left to find.
        options |= {"flags": cv2.OPTFLOW_USE_INITIAL_FLOW, "maxLevel": 1}
    there, onward, _ = cv2.calcOpticalFlowPyrLK(
        first, second, places, None if guess is None else guess.copy(), **options
    )
    back, returned, _ = cv2.calcOpticalFlowPyrLK(
        second, first, there, None if guess is None else places.copy(), **options
    )
    height, width = second.shape
    inside = (there >= 0.0).all(axis=1) & (there <= [width - 1, height - 1]).all(axis=1)
    near = np.linalg.norm(back - places, axis=1) <= ROUND_TRIP_PX
    return there, (onward.ravel() == 1) & (returned.ravel() == 1) & inside & near
