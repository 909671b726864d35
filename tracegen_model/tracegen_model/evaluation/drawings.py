"""True and predicted traces side by side."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.trace_item import TraceItem
from tracegen_model.overlay import Image, draw_traces, side_by_side

JPEG_QUALITY = 85
"""Keeps a drawing near 100 kB without visible blocks."""


def draw_truth_and_prediction(item: TraceItem, increments: NDArray[np.float32]) -> Image:
    """True traces on the left, predicted ones on the right; only points that truly move are drawn.

    Args:
        item: A sample.
        increments: (N, S, 3) its predicted increments, not normalised.
    """
    known = item.known[..., :2].all(axis=-1, keepdims=True)
    true = np.where(known, item.increments[..., :2], np.nan)
    return side_by_side([_draw(item, true), _draw(item, increments[..., :2])])


def as_data_uri(image: Image) -> str:
    """An RGB image as a JPEG inside an address, for pages that need no files beside them."""
    _, coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(coded.tobytes()).decode("ascii")


def _draw(item: TraceItem, moves: NDArray[np.floating]) -> Image:
    """The item's image with the traces that (N, S, 2) moves [fractions of the image] make; NaN ends a trace."""
    start = item.start_uvz[:, None, :2]
    places = np.concatenate([start, start + moves.cumsum(axis=1)], axis=1)
    pixels = places * item.colour.shape[0] - 0.5
    return draw_traces(item.colour, pixels.transpose(1, 0, 2), moving=item.moving)
