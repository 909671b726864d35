"""A tiny network and a tiny dataset on which everything of tracegen_model can be tried in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tracegen_model.data.episode import EpisodeWriter, PointKind, TraceSample
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.tracegen.config import Dinov3Config, SiglipConfig, T5Config, TraceGenConfig
from tracegen_model.trace_grid import grid_pixels

TINY = NanoConfig(
    image_side=32,
    grid_side=4,
    horizon=8,
    frames_in_channels=4,
    width=32,
    heads=2,
    blocks=1,
    modulation_width=32,
    encoder_width=24,
    text_width=16,
    text_blocks=1,
    text_length=12,
    vocabulary=512,
    free_points=1,
    point_width=16,
)
TINY_TRACEGEN = TraceGenConfig(
    image_side=32,
    grid_side=4,
    horizon=8,
    heads=2,
    head_width=16,
    blocks=2,
    condition_width=32,
    time_width=32,
    text_length=12,
    dinov3=Dinov3Config(width=32, depth=2, heads=2, feed_forward_width=64, patch_side=8),
    siglip=SiglipConfig(width=32, depth=2, heads=2, feed_forward_width=64, patch_side=8),
    t5=T5Config(width=32, depth=2, heads=2, head_width=16, feed_forward_width=64, vocabulary=512),
)
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (40, 40, 220)}


def draw_sample(rng: np.random.Generator, stem: str, target: str) -> TraceSample:
    """Two squares on grey; the points on the target's square travel to the other one."""
    side, count = TINY.image_side, TINY.points
    image = np.full((side, side, 3), 120, np.uint8)
    places = {"red": rng.integers(2, 8, 2), "green": rng.integers(20, 26, 2)}
    for colour, (column, row) in places.items():
        image[row : row + 5, column : column + 5] = COLOURS[colour]
    keypoints = grid_pixels(side, side, TINY.grid_side)
    other = "green" if target == "red" else "red"
    motion = (places[other] - places[target]).astype(float)
    kinds = np.zeros(count, np.uint8)
    near = np.linalg.norm(keypoints - places[target] - 2.0, axis=1) < 7.0
    kinds[near] = PointKind.TARGET_OBJECT
    kinds[-1] = PointKind.HAND
    steps = np.linspace(0.0, 1.0, TINY.horizon + 1)
    moving = (kinds > 0).astype(float)
    traces = np.ones((count, TINY.horizon + 1, 3))
    traces[..., :2] = keypoints[:, None] + moving[:, None, None] * steps[:, None] * motion
    targets = np.array([[*places[target] + 2.0, 1.0], [*places[other] + 2.0, 1.0], [*keypoints[-1], 1.0]])
    depth = np.ones((side, side), np.float32)
    depth[:4] = 0.0
    return TraceSample(stem, image, depth, keypoints, traces, kinds, targets)


def write_episodes(root: Path, scenes: int) -> Path:
    """``scenes`` scenes of one image each, with two instructions for it."""
    for scene in range(scenes):
        writer = EpisodeWriter(root)
        for target in ("red", "green"):
            sample = draw_sample(np.random.default_rng(scene), f"scene{scene:03d}_0", target)
            writer.write(
                f"scene{scene:03d}_{target}", [sample], [f"move the {target} block", f"{target} away"]
            )
    return root


@pytest.fixture
def episodes(tmp_path: Path) -> Path:
    return write_episodes(tmp_path / "episodes", scenes=6)
