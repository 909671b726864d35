"""Drawn episodes say in image and sentence together what moves where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tracegen_model.data.dataset import EpisodeDataset, ItemForm
from tracegen_model.data.episode import EpisodeReader, PointKind
from tracegen_model.data.synthetic_episodes import COLOURS, SyntheticSizes, write_synthetic_episodes

SIZES = SyntheticSizes(side=96, grid_side=12, horizon=8)
FORM = ItemForm(96, 12, 8, "nearest_depth", clip_to_image=False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    folder = tmp_path_factory.mktemp("drawn")
    assert len(write_synthetic_episodes(folder, 21, SIZES, seed=3)) == 21
    return EpisodeDataset([folder], FORM, scenes="stem")


def test_every_sample_moves_and_is_used(dataset: EpisodeDataset) -> None:
    assert len(dataset) == 21
    assert not dataset.left_out
    for i in range(len(dataset)):
        item = dataset[i]
        assert item.moving.sum() >= 1
        np.testing.assert_array_equal(item.moving, item.point_kinds == PointKind.TARGET_OBJECT)
        assert item.known.all()
        assert len(item.wordings) == 3


def test_the_shape_that_the_sentence_names_goes_to_the_other_one(dataset: EpisodeDataset) -> None:
    for i in range(len(dataset)):
        item = dataset[i]
        words = item.sentence.split()
        moved, goal = (word for word in words if word in COLOURS)
        start, end = item.start_uvz[item.moving, :2], item.increments[item.moving, :, :2].sum(axis=1)
        for (u, v), colour in ((start.mean(axis=0), moved), ((start + end).mean(axis=0), goal)):
            pixel = item.colour[int(v * 96), int(u * 96)].astype(float)
            nearest = min(COLOURS, key=lambda name: float(np.abs(pixel - COLOURS[name]).sum()))
            assert nearest == colour
        np.testing.assert_allclose(end, np.broadcast_to(end[0], end.shape), atol=1e-5)


def test_two_sentences_move_different_shapes_of_one_image(dataset: EpisodeDataset) -> None:
    for i in range(0, 20, 2):
        one, other = dataset[i], dataset[i + 1]
        assert dataset.image_of(i) == dataset.image_of(i + 1)
        assert dataset.scene_of(i) == dataset.scene_of(i + 1)
        assert one.sentence != other.sentence
        assert not (one.moving & other.moving).any()


def test_depth_fits_the_traces(dataset: EpisodeDataset) -> None:
    item = dataset[0]
    z = item.start_uvz[item.moving, 2:] + np.cumsum(item.increments[item.moving, :, 2], axis=1)
    assert (z.min(axis=1) < item.start_uvz[item.moving, 2] - 0.05).all()
    pixels = np.rint(item.start_uvz[:, :2] * 96 - 0.5).astype(int)
    np.testing.assert_allclose(item.depth[pixels[:, 1], pixels[:, 0]], item.start_uvz[:, 2], atol=1e-3)


def test_an_episode_depends_on_its_number_and_the_seed_only(tmp_path: Path) -> None:
    for name, count, seed in (("few", 2, 0), ("many", 6, 0), ("other", 2, 1)):
        write_synthetic_episodes(tmp_path / name, count, SIZES, seed)
    few, many, other = (
        EpisodeReader(tmp_path / name / "scene00000_a").image("scene00000_0")
        for name in ("few", "many", "other")
    )
    np.testing.assert_array_equal(few, many)
    assert (few != other).any()


def test_the_coarsest_grids_still_see_something_move(tmp_path: Path) -> None:
    write_synthetic_episodes(tmp_path, 40, SyntheticSizes(side=32, grid_side=4, horizon=8))
    assert len(EpisodeDataset([tmp_path], ItemForm(32, 4, 8, "nearest_depth", clip_to_image=False))) == 40


def test_no_episodes_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one episode to draw, found 0"):
        write_synthetic_episodes(tmp_path, 0)
