"""CoTracker3 takes OpenCV's place where its package and weights are given, and says what is missing where not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ik_controller.evaluation.cotracker_tracker import CoTrackerError, load_cotracker


def test_missing_weights_and_a_missing_package_are_named(tmp_path: Path) -> None:
    with pytest.raises(CoTrackerError, match="scaled_offline"):
        load_cotracker(tmp_path / "nothing.pth")
    weights = tmp_path / "weights.pth"
    weights.touch()
    with pytest.raises(CoTrackerError, match="package cotracker"):
        load_cotracker(weights)


def test_points_go_in_and_out_in_the_form_that_opencv_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")

    class Stub(torch.nn.Module):
        """Says that every point goes two pixels to the right a frame, and that the second is hidden."""

        def __init__(self, checkpoint: str) -> None:
            super().__init__()
            self.checkpoint = checkpoint

        def forward(self, video, queries):
            assert video.shape == (1, 3, 3, 24, 32) and queries.shape == (1, 2, 3)
            steps = torch.arange(3.0)[None, :, None, None] * torch.tensor([2.0, 0.0])
            visible = torch.ones(1, 3, 2, dtype=torch.bool)
            visible[:, 1:, 1] = False
            return queries[:, None, :, 1:] + steps, visible

    package, module = ModuleType("cotracker"), ModuleType("cotracker.predictor")
    module.CoTrackerPredictor = Stub  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cotracker", package)
    monkeypatch.setitem(sys.modules, "cotracker.predictor", module)
    weights = tmp_path / "weights.pth"
    weights.touch()
    images = [np.zeros((24, 32, 3), np.uint8)] * 3
    tracks = load_cotracker(weights).track(images, np.array([[3.0, 4.0], [10.0, 5.0]]))
    assert tracks.pixels.shape == (3, 2, 2)
    assert tracks.pixels[2, 0] == pytest.approx([7.0, 4.0])
    assert tracks.found.tolist() == [[True, True], [True, False], [True, False]]
