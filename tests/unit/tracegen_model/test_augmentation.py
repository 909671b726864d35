"""Augmented samples are still true: image, depth, grid, traces and sentence tell one story."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tracegen_model.data.augmentation import (
    NANO_AUGMENTATION,
    Augmentation,
    AugmentationConfig,
    AugmentationConfigError,
)
from tracegen_model.data.colour_augmentation import ExposureConfig, change_exposure, jitter_colour
from tracegen_model.data.dataset import EpisodeDataset, ItemForm
from tracegen_model.data.depth_augmentation import DepthConfig, disturb_depth
from tracegen_model.data.episode import EpisodeReader, EpisodeWriter, TraceSample
from tracegen_model.data.grid_augmentation import mirror, shift
from tracegen_model.data.sentence_augmentation import (
    COLOUR_WORDS,
    SIDE_WORDS,
    WordsConfig,
    mirror_words,
    sloppy_sentence,
)
from tracegen_model.data.synthetic_episodes import SyntheticSizes, write_synthetic_episodes
from tracegen_model.data.trace_batch import collate
from tracegen_model.data.trace_item import TraceItem

FORM = ItemForm(image_side=64, grid_side=8, horizon=6, preparation="nearest_depth", clip_to_image=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "drawn"
    write_synthetic_episodes(root, 4, SyntheticSizes(side=64, grid_side=8, horizon=6))
    return root


@pytest.fixture(scope="module")
def item(folder: Path) -> TraceItem:
    return EpisodeDataset([folder], FORM)[0]


def augmented(item: TraceItem, seed: int = 0, **settings: Any) -> TraceItem:
    rngs = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    return Augmentation(AugmentationConfig(**settings))(item, *rngs)


def assert_equal(item: TraceItem, other: TraceItem, *, but: tuple[str, ...] = (), atol: float = 0.0) -> None:
    for name, value in vars(item).items():
        if name in but:
            continue
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(value, getattr(other, name), atol=atol, err_msg=name)
        else:
            assert value == getattr(other, name), name


def test_the_default_only_chooses_among_the_wordings(item: TraceItem) -> None:
    sentences = set()
    for seed in range(20):
        changed = augmented(item, seed)
        assert_equal(changed, item, but=("sentence",))
        sentences.add(changed.sentence)
    assert sentences == set(item.wordings.values())
    assert len(sentences) == 3
    assert {augmented(item, seed, wordings="first").sentence for seed in range(20)} == {item.sentence}


def test_a_mirrored_sample_is_the_sample_of_the_mirrored_scene(folder: Path, tmp_path: Path) -> None:
    reader = EpisodeReader(folder / "scene00000_a")
    traces = reader.traces("scene00000_0")
    image, depth = reader.image("scene00000_0"), reader.depth("scene00000_0")
    assert depth is not None
    turned = traces.traces.reshape(8, 8, 7, 3)[:, ::-1].reshape(64, 7, 3).copy()
    turned[..., 0] = 63.0 - turned[..., 0]
    targets = traces.target_uvz.copy()
    targets[:, 0] = 63.0 - targets[:, 0]
    sample = TraceSample(
        "scene00000_0",
        np.ascontiguousarray(image[:, ::-1]),
        np.ascontiguousarray(depth[:, ::-1]),
        traces.keypoints,
        turned,
        traces.point_kinds.reshape(8, 8)[:, ::-1].ravel(),
        targets,
    )
    EpisodeWriter(tmp_path / "data").write("scene00000_a", [sample], ["move the shape on the right"])
    expected = EpisodeDataset([tmp_path / "data"], FORM)[0]
    item = replace(EpisodeDataset([folder], FORM)[0], sentence="move the shape on the left")
    assert_equal(mirror(item), expected, but=("key", "image_key", "wordings"), atol=1e-6)


def test_mirroring_twice_changes_nothing(item: TraceItem) -> None:
    assert mirror(item).increments.tolist() != item.increments.tolist()
    assert_equal(mirror(mirror(item)), item, but=("image_key",), atol=1e-6)


@pytest.mark.parametrize(
    ("sentence", "mirrored"),
    [
        ("Put the LEFT cube right of it.", "Put the RIGHT cube left of it."),
        ("the leftmost, right-hand one; Rightwards", "the rightmost, left-hand one; Leftwards"),
        ("bright upright leftover copyright", "bright upright leftover copyright"),
        ("", ""),
    ],
)
def test_a_mirror_exchanges_left_and_right(sentence: str, mirrored: str) -> None:
    assert mirror_words(sentence) == mirrored
    assert mirror_words(mirrored) == sentence


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, -1), (2, 3), (-3, 1), (7, -7)])
def test_a_shifted_sample_moves_everything_by_whole_cells(item: TraceItem, right: int, down: int) -> None:
    moved = shift(item, right, down)
    cell = 63.0 / 7.0 / 64.0
    for row in range(8):
        for column in range(8):
            point, source = row * 8 + column, (row - down) * 8 + column - right
            if 0 <= row - down < 8 and 0 <= column - right < 8:
                assert moved.point_kinds[point] == item.point_kinds[source]
                assert moved.moving[point] == item.moving[source]
                np.testing.assert_allclose(
                    moved.start_uvz[point],
                    item.start_uvz[source] + [right * cell, down * cell, 0.0],
                    atol=1e-6,
                )
                known = moved.known[point]
                np.testing.assert_array_equal(moved.increments[point][known], item.increments[source][known])
                if not item.moving[source]:
                    assert known.all()
            else:
                assert not moved.known[point].any()
                assert not moved.moving[point]
                assert not moved.increments[point].any()
            # The point is where the grid's point of that number is, wherever it comes from.
            np.testing.assert_allclose(
                moved.start_uvz[point, :2] * 64 - 0.5, [9.0 * column, 9.0 * row], atol=1e-4
            )
    pixels = 9 * right, 9 * down
    inner = slice(max(pixels[1], 0), 64 + min(pixels[1], 0)), slice(max(pixels[0], 0), 64 + min(pixels[0], 0))
    outer = (
        slice(max(-pixels[1], 0), 64 + min(-pixels[1], 0)),
        slice(max(-pixels[0], 0), 64 + min(-pixels[0], 0)),
    )
    np.testing.assert_array_equal(moved.depth[inner], item.depth[outer])
    np.testing.assert_array_equal(moved.colour[inner], item.colour[outer])
    assert (np.delete(moved.depth, np.arange(64)[inner[0]], axis=0) == 0.0).all()


def test_shifted_motion_outside_of_the_image_is_unknown(item: TraceItem) -> None:
    for cells in [(3, 0), (0, -4), (-5, 5)]:
        moved = shift(item, *cells)
        path = moved.start_uvz[:, None, :2] + np.cumsum(moved.increments[..., :2], axis=1)
        known = moved.known[..., 0]
        assert (path[known] >= 0.0).all()
        assert (path[known] <= 1.0).all()
    assert item.moving.sum() > 0


def test_motion_that_may_have_been_clipped_is_not_trusted_after_a_shift(item: TraceItem) -> None:
    increments, known = np.zeros_like(item.increments), np.ones_like(item.known)
    increments[9, :, 0] = [
        -10.0 / 64,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
    ]  # reaches the left edge, then seems to rest there
    moved = shift(replace(item, increments=increments, known=known), 1, 0)
    assert not moved.known[10].any()
    assert moved.known[11].all()


def test_a_shift_beyond_the_grid_is_refused(item: TraceItem) -> None:
    with pytest.raises(ValueError, match="less than 8 cells, found 8 and 0"):
        shift(item, 8, 0)


def test_geometry_is_drawn_from_the_images_generator_alone(item: TraceItem) -> None:
    augmentation = Augmentation(
        AugmentationConfig(
            horizontal_flip=0.5, shift=2, exposure=ExposureConfig(noise=0.1), depth=DepthConfig(noise=0.1)
        )
    )
    one, other, another = (
        augmentation(item, np.random.default_rng(image), np.random.default_rng(sentence))
        for image, sentence in [(0, 0), (0, 5), (1, 0)]
    )
    assert_equal(one, other, but=("sentence", "wordings"))
    assert one.image_key == other.image_key != another.image_key != item.image_key
    assert len(collate([one, other, another]).images) == 2


def test_flips_come_at_their_share_and_shifts_within_their_range(item: TraceItem) -> None:
    keys = [augmented(item, seed, horizontal_flip=0.25).image_key for seed in range(200)]
    assert sum(key.endswith(".mirrored") for key in keys) == pytest.approx(50, abs=20)
    shifts = {augmented(item, seed, shift=1).image_key.removeprefix(item.image_key) for seed in range(100)}
    assert len(shifts) == 9


def test_colours_are_jittered_by_pillows_rules_as_in_the_original() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    rng = np.random.default_rng(4)
    jittered = jitter_colour(colour, 0.4, 0.0, 0.0, 0.0, rng)
    twin = np.random.default_rng(4)
    twin.permutation(4)
    expected = ImageEnhance.Brightness(Image.fromarray(colour)).enhance(twin.uniform(0.6, 1.4))
    np.testing.assert_array_equal(jittered, np.asarray(expected))


@pytest.mark.parametrize("setting", ["brightness", "contrast", "saturation", "hue"])
def test_each_kind_of_jitter_changes_colours_and_nothing_else(item: TraceItem, setting: str) -> None:
    changed = augmented(item, **{setting: 0.3})
    assert (changed.colour != item.colour).any()
    assert_equal(changed, item, but=("colour", "sentence", "image_key"))


def test_a_turn_of_the_hues_takes_red_to_blue_and_green() -> None:
    red = np.full((2, 2, 3), (200, 0, 0), np.uint8)
    found = {
        int(jitter_colour(red, 0, 0, 0, 0.5, np.random.default_rng(s))[0, 0].argmax()) for s in range(30)
    }
    assert found == {0, 1, 2}


def test_exposure_has_the_strength_that_it_says() -> None:
    rng = np.random.default_rng(0)
    grey, bright = np.full((1, 1, 3), 128, np.uint8), np.full((1, 1, 3), 200, np.uint8)
    gains = [float(change_exposure(bright, ExposureConfig(gain=0.15), rng).mean()) for _ in range(500)]
    assert np.std(gains) == pytest.approx(0.15 * (200 - 127.5), rel=0.15)
    assert change_exposure(grey, ExposureConfig(gain=0.5), rng).mean() == pytest.approx(128, abs=1)
    offsets = [float(change_exposure(grey, ExposureConfig(offset=0.05), rng).mean()) for _ in range(500)]
    assert np.std(offsets) == pytest.approx(0.05 * 255, rel=0.15)
    noisy = change_exposure(np.full((64, 64, 3), 128, np.uint8), ExposureConfig(noise=0.02), rng)
    assert noisy.std() == pytest.approx(0.02 * 255, rel=0.1)


def test_colours_stay_themselves_in_the_nano_recipe() -> None:
    red = np.full((8, 8, 3), (217, 38, 38), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(200):
        mean = change_exposure(red, NANO_AUGMENTATION.exposure, rng).mean(axis=(0, 1))
        assert mean.argmax() == 0


def test_depth_keeps_its_holes_and_its_scale() -> None:
    depth = np.full((32, 32), 2.0, np.float32)
    depth[:4] = 0.0
    rng = np.random.default_rng(0)
    changed = disturb_depth(depth, DepthConfig(noise=0.01), rng)
    assert (changed[:4] == 0.0).all()
    assert (changed[4:] > 0.0).all()
    assert (changed[4:] - 2.0).std() == pytest.approx(0.01, rel=0.1)
    scaled = [float(disturb_depth(depth, DepthConfig(scale=0.1), rng)[10, 10]) for _ in range(300)]
    assert np.std(scaled) == pytest.approx(0.2, rel=0.15)
    assert (disturb_depth(np.full((4, 4), 1e-3, np.float32), DepthConfig(noise=1.0), rng) > 0.0).all()
    holes = [
        float((disturb_depth(depth, DepthConfig(holes=3, hole_side=0.5), rng)[4:] == 0.0).mean())
        for _ in range(50)
    ]
    assert 0.0 < np.mean(holes) < 0.4


def test_depth_dropout_takes_the_whole_depth_of_its_share(item: TraceItem) -> None:
    without = [augmented(item, seed, depth=DepthConfig(dropout=0.3)) for seed in range(100)]
    assert sum(not each.depth_known for each in without) == pytest.approx(30, abs=14)
    for each in without:
        assert each.depth_known or not each.depth.any()
        np.testing.assert_array_equal(each.increments, item.increments)


def test_colours_and_sides_stay_in_order_however_sloppy_the_sentence() -> None:
    config = WordsConfig(share=1.0, insert=0.5, replace=0.5, drop=0.4)
    kept = COLOUR_WORDS | SIDE_WORDS
    rng = np.random.default_rng(0)
    for _ in range(50):
        words = sloppy_sentence("Put the Red, left block in the green-blue zone", config, rng).split()
        assert [word for word in words if word.strip(",").lower() in kept or "-" in word] == [
            "Red,",
            "left",
            "green-blue",
        ]


def test_sentences_change_at_their_share_and_words_at_theirs() -> None:
    rng = np.random.default_rng(0)
    sentence = "put the block in the zone"
    changed = [sloppy_sentence(sentence, WordsConfig(share=0.35), rng) != sentence for _ in range(400)]
    # A chosen sentence of six words stays as it is with probability (0.75 * 0.75) ** 6, 3 in a hundred.
    assert np.mean(changed) == pytest.approx(0.34, abs=0.07)
    dropped = [sloppy_sentence(sentence, WordsConfig(1.0, 0.0, 0.0, 0.5), rng).split() for _ in range(200)]
    assert np.mean([len(words) for words in dropped]) == pytest.approx(3.0, abs=0.3)
    inserted = [sloppy_sentence(sentence, WordsConfig(1.0, 0.5, 0.0, 0.0), rng).split() for _ in range(200)]
    assert np.mean([len(words) for words in inserted]) == pytest.approx(9.0, abs=0.3)


def test_only_what_changes_images_forbids_keeping_their_features(item: TraceItem) -> None:
    assert not AugmentationConfig(words=WordsConfig(share=0.5), wordings="first").changes_images
    assert augmented(item, words=WordsConfig(share=1.0)).image_key == item.image_key
    assert AugmentationConfig(depth=DepthConfig(dropout=0.1)).changes_images
    assert NANO_AUGMENTATION.changes_images


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizontal_flip": 1.5}, "horizontal_flip: expected 0 to 1, found 1.5"),
        ({"hue": 0.6}, "hue: expected 0 to 0.5"),
        ({"shift": -1}, "shift: expected 0 or more"),
        ({"brightness": float("nan")}, "brightness: expected 0 or more, found nan"),
        ({"exposure": ExposureConfig(noise=-0.1)}, "exposure.noise: expected 0 or more"),
        ({"depth": DepthConfig(dropout=2.0)}, "depth.dropout: expected 0 to 1"),
        ({"words": WordsConfig(replace=0.7, drop=0.7)}, "words.replace \\+ words.drop: expected 0 to 1"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AugmentationConfigError, match=message):
        AugmentationConfig(**settings)
