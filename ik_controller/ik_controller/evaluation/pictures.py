"""Pictures for the report: the worst windows of each model, and windows to scrub through; memory stays bounded."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from ik_controller.evaluation.evaluation import Drawable, Row
from ik_controller.evaluation.recording import Window
from tracegen_model.trace_grid import TraceGrid

Image = NDArray[np.uint8]
Draw = Callable[[Image, TraceGrid], Image]
"""Draws traces on an RGB image."""

WORST_KEPT = 6
"""Worst windows shown for each model."""

WORST_WIDTH, SCRUBBED_WIDTH = 640, 400
"""Width of the pictures [px]."""

JPEG_QUALITY = 80

RANKED_BY = "hand_fde_cm_arc"
"""What makes a window a bad one; where no hand is in view, what moves in the scene."""

RANKED_ELSE = "scene_fde_cm_arc"


@dataclass(frozen=True)
class Shot:
    """A window as people see it.

    Attributes:
        bag: The recording.
        time_s: Since the recording's start [s].
        instruction: What was asked for.
        truth: What happened, as a JPEG in an address.
        predictions: The same for each model.
        errors: Of each model [cm]; NaN = nothing to measure.
    """

    bag: str
    time_s: float
    instruction: str
    truth: str
    predictions: Mapping[str, str]
    errors: Mapping[str, float]


@dataclass(order=True)
class _Ranked:
    error: float
    number: int
    shot: Shot = field(compare=False)


class Album:
    """Keeps the pictures that a report shows.

    Args:
        draw: Draws traces.
        scrubbed_every: Every so many-th window is kept to scrub through.
    """

    def __init__(self, draw: Draw, scrubbed_every: int = 1) -> None:
        self._draw = draw
        self._every = max(1, scrubbed_every)
        self._worst: dict[str, list[_Ranked]] = {}
        self._count = 0
        self.scrubbed: list[Shot] = []

    def add(self, window: Window, judged: Sequence[tuple[Row, Drawable]]) -> None:
        """Look at one window and what all models made of it."""
        if not judged:
            return
        errors = {row.model: ranking_error(row) for row, _ in judged}
        if self._count % self._every == 0:
            self.scrubbed.append(self._shot(window, judged, errors, SCRUBBED_WIDTH))
        for model, error in errors.items():
            heap = self._worst.setdefault(model, [])
            if np.isfinite(error) and (len(heap) < WORST_KEPT or error > heap[0].error):
                shot = self._shot(window, judged, errors, WORST_WIDTH)
                heapq.heappush(heap, _Ranked(error, self._count, shot))
                if len(heap) > WORST_KEPT:
                    heapq.heappop(heap)
        self._count += 1

    def worst(self, model: str) -> list[Shot]:
        """The worst windows of ``model``, worst first."""
        return [ranked.shot for ranked in sorted(self._worst.get(model, []), reverse=True)]

    def _shot(
        self,
        window: Window,
        judged: Sequence[tuple[Row, Drawable]],
        errors: Mapping[str, float],
        width: int,
    ) -> Shot:
        colour = window.start.colour
        first = judged[0][1]
        truth = TraceGrid(
            first.true_in_camera.astype(np.float32),
            first.true_pixels.astype(np.float32),
        )
        return Shot(
            window.bag,
            window.start.time_s,
            window.start.instruction,
            as_data_uri(self._draw(colour, truth), width),
            {
                row.model: as_data_uri(self._draw(colour, drawable.predicted), width)
                for row, drawable in judged
            },
            errors,
        )


def ranking_error(row: Row) -> float:
    """The error [cm] that windows are ranked by; NaN where there is none."""
    for name in (RANKED_BY, RANKED_ELSE):
        if name in row.measures and row.measures[name].weight:
            return row.measures[name].value
    return float("nan")


def as_data_uri(image: Image, width: int) -> str:
    """An RGB image as a JPEG inside an address, at most ``width`` wide, for pages that need no files beside them."""
    if image.shape[1] > width:
        height = round(image.shape[0] * width / image.shape[1])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    _, coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(coded.tobytes()).decode("ascii")
