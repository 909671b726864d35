"""Packing keeps what the episodes say and shares images."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from tracegen_model.data.dataset import DatasetError
from tracegen_model.data.episode import EpisodeError, EpisodeReader
from tracegen_model.data.packed_dataset import PackedDataset, PackedDatasetError, increments_of
from tracegen_model.data.packing import pack_dataset
from tracegen_model.data.statistics import SMALLEST_STD, increment_scale

from .conftest import TINY


@pytest.fixture
def packed(episodes: Path, tmp_path: Path) -> PackedDataset:
    return pack_dataset(episodes, tmp_path / "packed", jobs=1, image_side=TINY.image_side)


def test_samples_of_an_image_share_it(packed: PackedDataset) -> None:
    assert packed.image_count == 6
    assert packed.sample_count == 12
    assert packed.sample_image.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert packed.image_scene.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_packed_sample_is_the_episodes_sample(packed: PackedDataset, episodes: Path) -> None:
    for sample in range(packed.sample_count):
        image = int(packed.sample_image[sample])
        texts = packed.texts[int(packed.sample_text[sample])]
        colour = "red" if "red" in texts[0] else "green"
        episode = EpisodeReader(episodes / f"scene{image:03d}_{colour}")
        stem = f"scene{image:03d}_0"
        traces = episode.traces(stem)
        np.testing.assert_array_equal(packed.colour[image], episode.image(stem))
        np.testing.assert_allclose(packed.depth[image], episode.depth(stem))
        moved = (traces.traces[:, 1:] - traces.traces[:, :1]) / [32, 32, 1]
        np.testing.assert_allclose(packed.deltas[sample], moved, atol=1e-3)
        np.testing.assert_allclose(
            packed.target_uvz[sample, :, :2] * 32 - 0.5, traces.target_uvz[:, :2], atol=1e-4
        )


def test_increments_sum_up_to_the_positions(packed: PackedDataset) -> None:
    increments = increments_of(packed.deltas[:4])
    np.testing.assert_allclose(increments.cumsum(axis=-2), packed.deltas[:4].astype(np.float32), atol=1e-5)
    assert increment_scale(packed)[0] > 0.01
    assert increment_scale(packed)[2] == SMALLEST_STD  # nothing moves in depth here


def test_the_increment_scale_is_the_deviation_of_what_moves(packed: PackedDataset) -> None:
    def deviation(samples: range) -> float:
        increments = increments_of(packed.deltas[list(samples)])
        moving = increments[np.abs(increments).sum(axis=(2, 3)) > 0.02]
        return float(moving[..., 0].std())

    assert increment_scale(packed)[0] == pytest.approx(deviation(range(12)), rel=1e-4)
    assert increment_scale(packed, among=[1, 2, 3])[0] == pytest.approx(deviation(range(1, 4)), rel=1e-4)
    assert increment_scale(packed, among=[1, 2, 3], samples=2) == increment_scale(packed, among=[1, 3])


def test_nothing_that_moves_has_no_increment_scale(packed: PackedDataset) -> None:
    still = dataclasses.replace(packed, deltas=np.zeros_like(packed.deltas))
    with pytest.raises(DatasetError, match="no point moves"):
        increment_scale(still)
    with pytest.raises(DatasetError, match="no point moves"):
        increment_scale(packed, among=[])


def test_another_process_opens_the_arrays_itself(packed: PackedDataset) -> None:
    pickled = pickle.dumps(packed)
    assert len(pickled) < 1000
    np.testing.assert_array_equal(pickle.loads(pickled).deltas, packed.deltas)


def test_several_processes_pack_the_same(packed: PackedDataset, episodes: Path, tmp_path: Path) -> None:
    parallel = pack_dataset(episodes, tmp_path / "parallel", jobs=2, image_side=TINY.image_side)
    np.testing.assert_array_equal(parallel.colour, packed.colour)
    np.testing.assert_array_equal(parallel.deltas, packed.deltas)


def test_only_the_first_scenes_are_packed_when_asked(episodes: Path, tmp_path: Path) -> None:
    packed = pack_dataset(episodes, tmp_path / "few", jobs=1, image_side=TINY.image_side, max_scenes=2)
    assert packed.scenes == ["scene000", "scene001"]
    assert packed.sample_count == 4


def test_a_damaged_episode_stops_the_packing_by_name(episodes: Path, tmp_path: Path) -> None:
    (episodes / "scene003_red" / "samples" / "scene003_0.npz").write_bytes(b"")
    with pytest.raises(EpisodeError, match=r"scene003_red.*scene003_0.*nothing is packed"):
        pack_dataset(episodes, tmp_path / "packed", jobs=1, image_side=TINY.image_side)
    with pytest.raises(PackedDatasetError, match="not a packed dataset"):
        PackedDataset.open(tmp_path / "packed")


@pytest.mark.parametrize("jobs", [1, 2])
def test_everything_that_is_broken_is_named(
    episodes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, jobs: int
) -> None:
    broken = [
        episodes / "scene000_green" / "samples" / "scene000_0.npz",
        episodes / "scene001_red" / "images" / "scene001_0.png",
        episodes / "scene002_red" / "three_instructions.json",
        episodes / "scene004_green" / "depth" / "scene004_0_raw.npz",
        episodes / "scene005_red" / "images" / "scene005_0.png",
    ]
    for path in broken[:-1]:
        path.unlink()  # Other episodes have hard links to it.
        path.write_bytes(b"nothing")
    broken[-1].unlink()
    with pytest.raises(EpisodeError, match=r"4 more like it, named above"):
        pack_dataset(episodes, tmp_path / "packed", jobs=jobs, image_side=TINY.image_side)
    named = {message.removeprefix("broken: ").partition(":")[0] for message in caplog.messages}
    assert named == {str(path) for path in broken}


def test_episodes_without_a_sample_are_not_packed(tmp_path: Path) -> None:
    (tmp_path / "episodes" / "one" / "samples").mkdir(parents=True)
    with pytest.raises(EpisodeError, match="expected an episode with a sample, found none"):
        pack_dataset(tmp_path / "episodes", tmp_path / "packed", jobs=1)


def test_a_missing_array_is_named(packed: PackedDataset, tmp_path: Path) -> None:
    (tmp_path / "packed" / "deltas.npy").unlink()
    with pytest.raises(PackedDatasetError, match=r"deltas\.npy is missing"):
        PackedDataset.open(tmp_path / "packed")
