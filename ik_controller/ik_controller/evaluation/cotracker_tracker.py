"""CoTracker3 in place of OpenCV, where its package and weights are at hand (github.com/facebookresearch/co-tracker).

It follows points through texture that OpenCV loses, and wants a GPU. Nothing of it comes with this project.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ik_controller.evaluation.point_tracking import FloatArray, Image, PixelTracks


class CoTrackerError(RuntimeError):
    """Package or weights are not there, or do not fit."""


class CoTracker:
    """A loaded network.

    Args:
        network: ``cotracker.predictor.CoTrackerPredictor``.
        device: Where it runs, such as ``cpu`` or ``cuda``.
    """

    name = "CoTracker3"

    def __init__(self, network: Any, device: str) -> None:
        self._network = network
        self._device = device
        self._torch = importlib.import_module("torch")

    def track(self, images: Sequence[Image], pixels: FloatArray) -> PixelTracks:
        """See ``point_tracking.PointTracker``."""
        torch = self._torch
        video = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)[None].float().to(self._device)
        queries = np.concatenate([np.zeros((len(pixels), 1)), pixels], axis=1)
        with torch.no_grad():
            tracks, visible = self._network(
                video, queries=torch.from_numpy(queries).float()[None].to(self._device)
            )
        found = visible[0].cpu().numpy().astype(bool).reshape(len(images), len(pixels))
        return PixelTracks(tracks[0].cpu().numpy().astype(float), found)


def load_cotracker(weights: Path) -> CoTracker:
    """CoTracker3 with the ``weights`` in a file (``scaled_offline.pth``), on a GPU where there is one.

    Raises:
        CoTrackerError: There is no such file, or the package is not installed.
    """
    if not weights.is_file():
        raise CoTrackerError(
            f"{weights}: expected a file with CoTracker3's weights, such as scaled_offline.pth"
        )
    try:
        torch = importlib.import_module("torch")
        predictor = importlib.import_module("cotracker.predictor").CoTrackerPredictor
    except ImportError as error:
        raise CoTrackerError(
            f"CoTracker3 needs the package cotracker and torch ({error}); install them, or leave --cotracker out"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        network = predictor(checkpoint=str(weights)).to(device).eval()
    except Exception as error:  # torch raises what its unpickler raises, which has no common type
        raise CoTrackerError(f"{weights} does not hold CoTracker3's weights: {error}") from error
    return CoTracker(network, device)
