"""Samples stream from folders as the published loader makes them, and better where that one loses or spoils them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tracegen_model.data import episode_index
from tracegen_model.data.dataset import (
    FALLBACK_SENTENCE,
    KEEP_ALL,
    DatasetError,
    EpisodeDataset,
    ItemForm,
    SampleFilter,
)
from tracegen_model.data.episode import EpisodeError, EpisodeReader
from tracegen_model.data.open_dataset import open_dataset
from tracegen_model.data.packing import pack_dataset
from tracegen_model.data.trace_batch import collate
from tracegen_model.network.presets import preset
from tracegen_model.runtime.preprocessing import PREPARATIONS
from tracegen_model.trace_grid import grid_pixels

from .conftest import TINY, write_episodes

FORM = ItemForm(image_side=48, grid_side=5, horizon=8, preparation="bilinear", clip_to_image=True)
WIDTH, HEIGHT, STEPS = 96, 64, 20


def write_forge_episode(
    folder: Path,
    *,
    valid: int = 7,
    dimensions: int = 3,
    depth: bool = True,
    seed: int = 0,
    stem: str = "clip_0",
    change: Callable[[dict[str, NDArray]], None] | None = None,
    instructions: dict[str, str] | None = None,
) -> Path:
    """An episode as TraceForge writes it: padded with -inf after ``valid`` steps, with room for more."""
    rng = np.random.default_rng(seed)
    for part in ("images", "samples", "depth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(
        folder / "images" / f"{stem}.png"
    )
    if depth:
        readings = rng.uniform(0.5, 2.0, (HEIGHT, WIDTH)).astype(np.float32)
        np.savez(folder / "depth" / f"{stem}_raw.npz", depth=readings[None])
    keypoints = grid_pixels(WIDTH, HEIGHT, FORM.grid_side).astype(np.float32)
    traj = np.full((len(keypoints), STEPS, dimensions), -np.inf, np.float32)
    speed = np.geomspace(0.05, 6.0, len(keypoints))[:, None, None]  # paths around the threshold of moving
    walk = np.cumsum(rng.normal(0.0, 1.0, (len(keypoints), valid, 2)) * speed, axis=1)
    traj[:, :valid, :2] = keypoints[:, None] + walk - walk[:, :1]
    if dimensions == 3:
        traj[:, :valid, 2] = 1.0 + rng.normal(0.0, 0.1, (len(keypoints), valid))
    arrays = {
        "keypoints": keypoints,
        "traj": traj,
        "valid_steps": np.arange(STEPS) < valid,
        "image_path": np.array("clip.mp4"),
        "traj_2d": traj[..., :2],
    }
    if change is not None:
        change(arrays)
    np.savez(folder / "samples" / f"{stem}.npz", **arrays)
    if instructions is not None:
        (folder / "task_descriptions.json").write_text(json.dumps(instructions))
    return folder


def published_item(folder: Path, stem: str) -> dict[str, NDArray]:
    """The published loader's steps, restated one point and one step at a time."""
    with np.load(folder / "samples" / f"{stem}.npz") as arrays:
        traj = arrays["traj"]
    points, steps, dimensions = traj.shape
    side, horizon = FORM.image_side, FORM.horizon
    trajectory = np.zeros((points, horizon + 1, 3))
    mask = np.zeros((points, horizon + 1, 3), bool)
    moving = np.zeros(points, bool)
    for k in range(points):
        known = [[bool(traj[k, t, c] != -np.inf) for c in range(dimensions)] for t in range(steps)]
        filled = [[float(value) for value in traj[k, t]] for t in range(steps)]
        last = max((t for t in range(steps) if np.isfinite(filled[t][0])), default=None)
        if last is not None:
            for t in range(last + 1, steps):
                filled[t] = list(filled[last])
        path = 0.0
        for t in range(1, steps):
            path += abs(filled[t][0] - filled[t - 1][0]) / WIDTH * known[t][0]
            path += abs(filled[t][1] - filled[t - 1][1]) / HEIGHT * known[t][1]
        moving[k] = path > 0.1
        for t in range(min(steps, horizon + 1)):
            x = min(max(filled[t][0] * (side / WIDTH) / side, 0.0), 1.0)
            y = min(max(filled[t][1] * (side / HEIGHT) / side, 0.0), 1.0)
            z, z_known = (filled[t][2], known[t][2]) if dimensions == 3 else (0.0, False)
            trajectory[k, t] = x, y, z
            mask[k, t] = known[t][0], known[t][1], z_known
    trajectory[:, 1:] -= trajectory[:, :-1].copy()
    return {"increments": trajectory[:, 1:], "known": mask[:, 1:], "moving": moving}


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("valid", [5, 9, STEPS])
def test_targets_are_those_of_the_published_loader(tmp_path: Path, valid: int, dimensions: int) -> None:
    folder = write_forge_episode(tmp_path / "data" / "clip", valid=valid, dimensions=dimensions)
    item = EpisodeDataset([tmp_path / "data"], FORM)[0]
    expected = published_item(folder, "clip_0")
    np.testing.assert_array_equal(item.known, expected["known"])
    np.testing.assert_array_equal(item.moving, expected["moving"])
    known = expected["known"]
    np.testing.assert_allclose(item.increments[known], expected["increments"][known], atol=2e-7)
    assert (item.increments[~known] == 0.0).all()
    assert 0 < item.moving.sum() < len(item.moving)


def test_images_are_squashed_as_by_the_published_loader(tmp_path: Path) -> None:
    folder = write_forge_episode(tmp_path / "data" / "clip")
    item = EpisodeDataset([tmp_path / "data"], FORM)[0]
    with Image.open(folder / "images" / "clip_0.png") as image:
        squashed = np.asarray(image.convert("RGB").resize((48, 48), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(item.colour, squashed)
    depth = torch.from_numpy(np.load(folder / "depth" / "clip_0_raw.npz")["depth"])[None]
    resized = torch.nn.functional.interpolate(depth, (48, 48), mode="bilinear", antialias=True)
    np.testing.assert_allclose(item.depth, resized[0, 0].numpy(), atol=1e-5)
    assert item.source_size == (WIDTH, HEIGHT)


def test_unknown_readings_do_not_spread_over_the_depth_image() -> None:
    depth = np.ones((32, 40), np.float32)
    depth[4, 4], depth[9, 9] = np.nan, np.inf
    for preparation in PREPARATIONS.values():
        for side in (16, 32):
            assert 0.0 <= preparation.depth(depth, side).min() <= preparation.depth(depth, side).max() <= 1.0
        assert preparation.depth(depth[:, :32], 32).max() == 1.0


def test_a_form_is_what_the_network_says() -> None:
    assert ItemForm.of(preset("base")) == ItemForm(384, 20, 32, "bilinear", clip_to_image=True)
    assert ItemForm.of(preset("nano")) == ItemForm(192, 20, 32, "nearest_depth", clip_to_image=False)
    with pytest.raises(DatasetError, match="no preparation 'bicubic'"):
        ItemForm(384, 20, 32, "bicubic", clip_to_image=True)


def test_motion_outside_of_the_image_counts_only_where_it_is_not_clipped(tmp_path: Path) -> None:
    def leave(arrays: dict[str, NDArray]) -> None:
        arrays["traj"][0, :7, 0] = -np.arange(7.0)
        arrays["traj"][0, :7, 1] = 0.0

    write_forge_episode(tmp_path / "data" / "clip", change=leave)
    form = ItemForm(48, 5, 8, "bilinear", clip_to_image=False)
    assert (EpisodeDataset([tmp_path / "data"], FORM)[0].increments[0, :, 0] == 0.0).all()
    np.testing.assert_allclose(
        EpisodeDataset([tmp_path / "data"], form)[0].increments[0, :6, 0], -1.0 / WIDTH, rtol=1e-5
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_masked_and_stays_where_it_is(tmp_path: Path, value: float) -> None:
    def spoil(arrays: dict[str, NDArray]) -> None:
        arrays["traj"][3, 2] = value
        arrays["traj"][4, :, 2] = value
        arrays["traj"][5] = value

    write_forge_episode(tmp_path / "data" / "clip")
    write_forge_episode(tmp_path / "spoilt" / "clip", change=spoil)
    clean = EpisodeDataset([tmp_path / "data"], FORM)[0]
    item = EpisodeDataset([tmp_path / "spoilt"], FORM)[0]
    assert np.isfinite(item.increments).all()
    assert not item.known[3, 1:3].any()
    assert item.known[3, 3:6].all()
    assert not item.known[4, :, 2].any()
    assert item.known[4, :6, :2].all()
    assert not item.known[5].any()
    assert not item.moving[5]
    others = [point for point in range(25) if point not in (3, 4, 5)]
    np.testing.assert_array_equal(item.increments[others], clean.increments[others])


def test_flat_traces_leave_depth_unknown_and_missing_depth_is_said(tmp_path: Path) -> None:
    write_forge_episode(tmp_path / "data" / "clip", dimensions=2, depth=False)
    item = EpisodeDataset([tmp_path / "data"], FORM)[0]
    assert not item.known[..., 2].any()
    assert item.known[..., :2].any()
    assert not item.depth_known
    assert (item.depth == 0.0).all()
    assert np.isnan(item.start_uvz[:, 2]).all()
    assert not collate([item]).images.depth_known.any()


@pytest.mark.parametrize("name", ["three_instructions.json", "task_descriptions.json"])
def test_sentences_are_read_under_either_name_with_their_kinds(tmp_path: Path, name: str) -> None:
    folder = write_forge_episode(tmp_path / "data" / "clip")
    kinds = {"short": "go", "instruction_10": "ten", "instruction_2": " two ", "instruction_1": "", "x": None}
    (folder / name).write_text(json.dumps(kinds))
    item = EpisodeDataset([tmp_path / "data"], FORM)[0]
    assert list(item.wordings.items()) == [
        ("instruction_2", "two"),
        ("instruction_10", "ten"),
        ("short", "go"),
    ]
    assert item.sentence == "two"


def test_episodes_without_text_have_the_fallback_sentence(tmp_path: Path) -> None:
    write_forge_episode(tmp_path / "data" / "clip")
    assert EpisodeDataset([tmp_path / "data"], FORM)[0].sentence == FALLBACK_SENTENCE
    item = EpisodeDataset([tmp_path / "data"], FORM, fallback_sentence="do it")[0]
    assert item.sentence == "do it"
    assert item.wordings == {}


def test_unified_files_replace_the_others_and_keep_their_depth(tmp_path: Path) -> None:
    folder = write_forge_episode(tmp_path / "data" / "clip", instructions={"instruction_1": "go"})
    expected = EpisodeDataset([tmp_path / "data"], FORM)[0]
    with np.load(folder / "samples" / "clip_0.npz") as arrays:
        sample = {name: arrays[name] for name in ("keypoints", "traj", "valid_steps")}
    # The traces are those of a video twice as large: corners are corners.
    scale = np.array([2 * WIDTH - 1, 2 * HEIGHT - 1]) / np.array([WIDTH - 1, HEIGHT - 1])
    sample["keypoints"] = (sample["keypoints"] * scale).astype(np.float32)
    sample["traj"][..., :2] *= scale.astype(np.float32)
    image = EpisodeReader(folder).image("clip_0")
    depth = np.load(folder / "depth" / "clip_0_raw.npz")["depth"][0]
    (folder / "all_data").mkdir()
    np.savez(folder / "all_data" / "clip_0.npz", image=image, depth=depth, **sample)
    (folder / "samples" / "clip_0.npz").write_bytes(b"not read any more")
    item = EpisodeDataset([tmp_path / "data"], FORM)[0]
    assert item.depth_known
    np.testing.assert_array_equal(item.depth, expected.depth)
    np.testing.assert_array_equal(item.colour, expected.colour)
    np.testing.assert_array_equal(item.known, expected.known)
    np.testing.assert_allclose(item.increments, expected.increments, atol=1e-6)
    np.testing.assert_allclose(item.start_uvz, expected.start_uvz, atol=1e-5)


def test_traces_shorter_than_the_horizon_are_filled_up_with_unknown_steps(tmp_path: Path) -> None:
    def cut(arrays: dict[str, NDArray]) -> None:
        arrays["traj"], arrays["valid_steps"] = arrays["traj"][:, :5], arrays["valid_steps"][:5]

    write_forge_episode(tmp_path / "data" / "clip", change=cut)
    item = EpisodeDataset([tmp_path / "data"], FORM)[0]
    assert item.increments.shape == (25, 8, 3)
    assert item.known[:, :4].all()
    assert not item.known[:, 4:].any()


def test_samples_that_teach_nothing_are_left_out_when_indexed(tmp_path: Path) -> None:
    def still(arrays: dict[str, NDArray]) -> None:
        arrays["traj"][:, :7, :2] = arrays["keypoints"][:, None]

    write_forge_episode(tmp_path / "data" / "a_used", valid=4)
    write_forge_episode(tmp_path / "data" / "b_short", valid=3)
    write_forge_episode(tmp_path / "data" / "c_still", change=still)
    dataset = EpisodeDataset([tmp_path / "data"], FORM)
    assert [dataset.key_of(i).episode for i in range(len(dataset))] == ["a_used"]
    assert dataset.left_out == {"fewer than 4 valid steps": 1, "no moving point": 1}
    assert len(EpisodeDataset([tmp_path / "data"], FORM, keep=KEEP_ALL)) == 3
    with pytest.raises(DatasetError, match=r"found none to use .*with fewer than 21 valid steps"):
        EpisodeDataset([tmp_path / "data"], FORM, keep=SampleFilter(valid_steps=21))


def test_points_that_are_not_the_query_grid_are_refused_by_file(tmp_path: Path) -> None:
    def columns_first(arrays: dict[str, NDArray]) -> None:
        arrays["keypoints"] = arrays["keypoints"].reshape(5, 5, 2).transpose(1, 0, 2).reshape(25, 2)

    write_forge_episode(tmp_path / "data" / "clip", change=columns_first)
    with pytest.raises(EpisodeError, match=r"clip_0\.npz.*5 x 5 grid.*px off"):
        EpisodeDataset([tmp_path / "data"], FORM)


def test_another_grid_than_the_networks_is_refused_by_file(tmp_path: Path) -> None:
    write_forge_episode(tmp_path / "data" / "clip")
    with pytest.raises(DatasetError, match=r"clip_0\.npz.*grid of side 20, found 5"):
        EpisodeDataset([tmp_path / "data"], ItemForm.of(preset("base")))


def test_broken_samples_stop_or_are_skipped_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c"):
        write_forge_episode(tmp_path / "data" / name)
    (tmp_path / "data" / "b" / "images" / "clip_0.png").unlink()
    (tmp_path / "data" / "c" / "samples" / "clip_0.npz").write_bytes(b"")
    with pytest.raises(EpisodeError, match=r"b/images/clip_0\.png.*no file.*1 more files are broken"):
        EpisodeDataset([tmp_path / "data"], FORM)
    dataset = EpisodeDataset([tmp_path / "data"], FORM, skip_broken=True)
    assert [dataset.key_of(i).episode for i in range(len(dataset))] == ["a"]
    assert "b/images/clip_0.png" in caplog.text
    assert "c/samples/clip_0.npz: expected a readable npz file, found an empty file" in caplog.text


@pytest.fixture
def read_episodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the episodes that the index reads."""
    names: list[str] = []
    read = episode_index.read_episode

    def noted(episode: EpisodeReader, fingerprint: str) -> episode_index.EpisodeRecord:
        names.append(episode.folder.name)
        return read(episode, fingerprint)

    monkeypatch.setattr(episode_index, "read_episode", noted)
    return names


def test_the_kept_index_notices_new_removed_and_edited_episodes(
    tmp_path: Path, read_episodes: list[str]
) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    for name in ("a", "b", "c"):
        write_forge_episode(data / name)

    def indexed() -> list[str]:
        read_episodes.clear()
        dataset = EpisodeDataset([data], FORM, cache=cache)
        return [dataset.key_of(i).episode for i in range(len(dataset))]

    assert indexed() == ["a", "b", "c"]
    assert read_episodes == ["a", "b", "c"]
    assert indexed() == ["a", "b", "c"]
    assert read_episodes == []
    write_forge_episode(data / "d")
    write_forge_episode(data / "b", valid=2)
    os.utime(data / "b" / "samples" / "clip_0.npz", ns=(1, 1))
    (data / "a").rename(tmp_path / "a")
    assert indexed() == ["c", "d"]
    assert read_episodes == ["b", "d"]
    (data / "c" / "task_descriptions.json").write_text('{"instruction_1": "new"}')
    assert EpisodeDataset([data], FORM, cache=cache)[0].sentence == "new"


def test_a_damaged_index_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_forge_episode(tmp_path / "data" / "a")
    EpisodeDataset([tmp_path / "data"], FORM, cache=tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    for content in ("{", '{"version": 1}', "[]"):
        path.write_text(content)
        assert len(EpisodeDataset([tmp_path / "data"], FORM, cache=tmp_path / "cache")) == 1
    assert "is damaged" in caplog.text
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [path.name]


def test_no_index_is_left_where_none_is_wanted(tmp_path: Path) -> None:
    write_forge_episode(tmp_path / "data" / "a")
    before = sorted(tmp_path.rglob("*"))
    EpisodeDataset([tmp_path / "data"], FORM)
    assert sorted(tmp_path.rglob("*")) == before


def test_folders_are_told_apart_and_kept_in_order(tmp_path: Path) -> None:
    for folder in ("one/data", "two/data", "other"):
        write_forge_episode(tmp_path / folder / "a")
    dataset = EpisodeDataset([tmp_path / "one/data", tmp_path / "two/data", tmp_path / "other"], FORM)
    names = [dataset.key_of(i).dataset for i in range(3)]
    assert names == [str(tmp_path / "one/data"), str(tmp_path / "two/data"), "other"]
    assert len({dataset.scene_of(i) for i in range(3)}) == 3
    with pytest.raises(DatasetError, match="more than once"):
        EpisodeDataset([tmp_path / "other", tmp_path / "one" / ".." / "other"], FORM)


def test_samples_of_one_image_share_its_number_and_key(episodes: Path) -> None:
    dataset = EpisodeDataset([episodes], ItemForm.of(TINY), scenes="stem")
    assert [dataset.image_of(i) for i in range(4)] == [0, 0, 1, 1]
    assert dataset[0].image_key == dataset[1].image_key != dataset[2].image_key
    assert dataset.scene_of(0) == dataset.scene_of(1) == "episodes/scene000"
    assert len(collate([dataset[i] for i in range(4)]).images) == 2
    by_episode = EpisodeDataset([episodes], ItemForm.of(TINY))
    assert by_episode.scene_of(0) != by_episode.scene_of(1)


def test_the_key_of_an_image_changes_with_its_depth(tmp_path: Path) -> None:
    folder = write_forge_episode(tmp_path / "data" / "clip")
    before = EpisodeDataset([tmp_path / "data"], FORM)[0].image_key
    np.savez(folder / "depth" / "clip_0_raw.npz", depth=np.ones((HEIGHT, WIDTH), np.float32))
    assert EpisodeDataset([tmp_path / "data"], FORM)[0].image_key != before


def test_several_processes_index_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_episodes(tmp_path / "data", scenes=2)
    alone = episode_index.index_folder(tmp_path / "data", jobs=1)
    monkeypatch.setattr(episode_index, "EPISODES_PER_TASK", 2)
    assert episode_index.index_folder(tmp_path / "data", jobs=2) == alone


def test_a_packed_dataset_gives_the_items_of_the_streamed_one(episodes: Path, tmp_path: Path) -> None:
    packed = open_packed(episodes, tmp_path / "packed")
    streamed = EpisodeDataset([episodes], ItemForm.of(TINY), keep=KEEP_ALL)
    numbers = {streamed.key_of(i)[1:]: i for i in range(len(streamed))}
    for i in range(len(packed)):
        item = packed[i]
        other = streamed[numbers[item.key[1:]]]
        assert item.sentence == other.sentence
        assert item.wordings == other.wordings
        assert item.depth_known
        np.testing.assert_array_equal(item.colour, other.colour)
        np.testing.assert_array_equal(item.known, other.known)
        np.testing.assert_array_equal(item.moving, other.moving)
        np.testing.assert_allclose(item.increments, other.increments, atol=1e-3)
        np.testing.assert_allclose(item.start_uvz, other.start_uvz, atol=1e-3)
        np.testing.assert_allclose(item.target_uvz, other.target_uvz, atol=1e-6)


def open_packed(episodes: Path, folder: Path):  # type: ignore[no-untyped-def]
    pack_dataset(episodes, folder, jobs=1, image_side=TINY.image_side)
    return open_dataset([folder], ItemForm.of(TINY))


def test_a_packed_dataset_of_another_form_is_refused(episodes: Path, tmp_path: Path) -> None:
    pack_dataset(episodes, tmp_path / "packed", jobs=1, image_side=24)
    with pytest.raises(DatasetError, match="pack the dataset for this network"):
        open_dataset([tmp_path / "packed"], ItemForm.of(TINY))
    with pytest.raises(DatasetError, match="give it alone"):
        open_dataset([tmp_path / "packed", episodes], ItemForm.of(TINY))
    assert len(open_dataset([episodes], ItemForm.of(TINY))) == 12


def test_packed_samples_that_teach_nothing_are_left_out_too(tmp_path: Path) -> None:
    def still(arrays: dict[str, NDArray]) -> None:
        arrays["traj"][:, :7, :2] = arrays["keypoints"][:, None]

    write_forge_episode(tmp_path / "data" / "a_used", valid=4)
    write_forge_episode(tmp_path / "data" / "b_short", valid=3)
    write_forge_episode(tmp_path / "data" / "c_still", change=still)
    pack_dataset(
        tmp_path / "data", tmp_path / "packed", jobs=1, image_side=48, preparation="bilinear", horizon=8
    )
    dataset = open_dataset([tmp_path / "packed"], FORM, fallback_sentence="do it")
    assert [dataset[i].key.episode for i in range(len(dataset))] == ["a_used"]
    assert dataset[0].sentence == "do it"
    assert len(open_dataset([tmp_path / "packed"], FORM, keep=KEEP_ALL)) == 3
    with pytest.raises(DatasetError, match="found none to use"):
        open_dataset([tmp_path / "packed"], FORM, keep=SampleFilter(valid_steps=21))


def test_packing_clips_and_cuts_as_streaming_does(tmp_path: Path) -> None:
    write_forge_episode(tmp_path / "data" / "clip", valid=12, instructions={"long": "go"})
    pack_dataset(
        tmp_path / "data", tmp_path / "packed", jobs=1, image_side=48, preparation="bilinear", horizon=8
    )
    item = open_dataset([tmp_path / "packed"], FORM)[0]
    other = EpisodeDataset([tmp_path / "data"], FORM)[0]
    np.testing.assert_array_equal(item.known, other.known)
    np.testing.assert_allclose(item.increments, other.increments, atol=2e-3)
    np.testing.assert_array_equal(item.colour, other.colour)
    assert item.source_size == (WIDTH, HEIGHT)
    assert item.wordings == {"long": "go"}
