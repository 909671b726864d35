"""Episodes survive the disk, and damaged ones are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tracegen_model.data.episode import EpisodeError, EpisodeReader, EpisodeWriter, TraceSample

from .conftest import draw_sample


@pytest.fixture
def written(tmp_path: Path) -> tuple[EpisodeReader, TraceSample]:
    sample = draw_sample(np.random.default_rng(0), "kitchen_7", "red")
    folder = EpisodeWriter(tmp_path).write(
        "kitchen", [sample], ["move the red block", "red away", "take red"]
    )
    return EpisodeReader(folder), sample


def test_an_episode_reads_back_as_it_was_written(written: tuple[EpisodeReader, TraceSample]) -> None:
    episode, sample = written
    traces = episode.traces("kitchen_7")
    assert episode.stems() == ["kitchen_7"]
    np.testing.assert_array_equal(episode.image("kitchen_7"), sample.image)
    np.testing.assert_allclose(episode.depth("kitchen_7"), sample.depth)
    np.testing.assert_allclose(traces.traces, sample.traces, rtol=1e-6)
    np.testing.assert_array_equal(traces.point_kinds, sample.point_kinds)
    np.testing.assert_allclose(traces.target_uvz, sample.target_uvz)
    assert episode.instructions() == ["move the red block", "red away", "take red"]


def test_the_layout_is_traceforges(written: tuple[EpisodeReader, TraceSample]) -> None:
    folder = written[0].folder
    with np.load(folder / "samples" / "kitchen_7.npz") as arrays:
        assert arrays["keypoints"].shape == (16, 2)
        assert arrays["traj"].shape == (16, 9, 3)
        assert arrays["valid_steps"].dtype == bool
    assert (folder / "images" / "kitchen_7.png").is_file()
    assert np.load(folder / "depth" / "kitchen_7_raw.npz")["depth"].shape == (32, 32)
    assert json.loads((folder / "three_instructions.json").read_text())["instruction_3"] == "take red"


def test_unknown_positions_are_padded_on_disk_and_nan_in_memory(tmp_path: Path) -> None:
    sample = draw_sample(np.random.default_rng(0), "s_0", "red")
    sample.traces[:, 5:] = np.nan
    folder = EpisodeWriter(tmp_path).write("s", [sample], ["go"])
    with np.load(folder / "samples" / "s_0.npz") as arrays:
        assert np.isneginf(arrays["traj"][:, 5:]).all()
        assert arrays["valid_steps"].tolist() == [True] * 5 + [False] * 4
    assert np.isnan(EpisodeReader(folder).traces("s_0").traces[:, 5:]).all()


def test_samples_of_one_stem_share_their_image_on_disk(episodes: Path) -> None:
    red = episodes / "scene000_red" / "images" / "scene000_0.png"
    green = episodes / "scene000_green" / "images" / "scene000_0.png"
    assert red.stat().st_ino == green.stat().st_ino


@pytest.mark.parametrize("name", ["images/kitchen_7.png", "samples/kitchen_7.npz", "depth/kitchen_7_raw.npz"])
def test_a_damaged_file_is_named(written: tuple[EpisodeReader, TraceSample], name: str) -> None:
    path = written[0].folder / name
    path.write_bytes(b"not what it was")
    with pytest.raises(EpisodeError, match=path.name):
        {
            "images": written[0].image,
            "samples": written[0].traces,
            "depth": written[0].depth,
        }[path.parent.name]("kitchen_7")


def test_a_sample_without_valid_steps_says_what_is_missing(
    written: tuple[EpisodeReader, TraceSample],
) -> None:
    path = written[0].folder / "samples" / "kitchen_7.npz"
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays.files if name != "valid_steps"}
    np.savez(path, **kept)
    with pytest.raises(EpisodeError, match="no valid_steps"):
        written[0].traces("kitchen_7")


def test_broken_instructions_are_named(written: tuple[EpisodeReader, TraceSample]) -> None:
    (written[0].folder / "three_instructions.json").write_text("{")
    with pytest.raises(EpisodeError, match=r"three_instructions\.json"):
        written[0].instructions()


def test_a_sample_whose_arrays_disagree_is_refused() -> None:
    sample = draw_sample(np.random.default_rng(0), "s_0", "red")
    with pytest.raises(EpisodeError, match="point_kinds"):
        TraceSample(
            "s_0",
            sample.image,
            sample.depth,
            sample.keypoints,
            sample.traces,
            sample.point_kinds[:3],
            sample.target_uvz,
        )


def test_an_empty_folder_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="samples/"):
        EpisodeReader.find(tmp_path)
