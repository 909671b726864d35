"""What is held out is held out whole, and stays held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tracegen_model.data.dataset import DatasetError
from tracegen_model.data.split import split_scenes


@dataclass
class Scenes:
    """A dataset of which only the scenes are asked."""

    names: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("a split reads no samples")

    def image_of(self, index: int) -> int:
        return index

    def scene_of(self, index: int) -> str:
        return self.names[index]


def scenes(count: int, samples: int = 1) -> Scenes:
    return Scenes([f"scene{i:04d}" for i in range(count) for _ in range(samples)])


def held_out(dataset: Scenes, **options: Any) -> set[str]:
    return {dataset.names[i] for i in split_scenes(dataset, **options).validation}


def test_every_sample_is_on_one_side_and_scenes_are_whole() -> None:
    dataset = scenes(40, samples=3)
    split = split_scenes(dataset, validation_share=0.3)
    assert sorted([*split.training, *split.validation]) == list(range(120))
    assert not {dataset.names[i] for i in split.training} & {dataset.names[i] for i in split.validation}


def test_the_share_is_about_right_and_the_seed_draws_others() -> None:
    dataset = scenes(2000)
    assert len(held_out(dataset, validation_share=0.1)) == pytest.approx(200, abs=45)
    assert held_out(dataset, validation_share=0.1) != held_out(dataset, validation_share=0.1, seed=1)


def test_scenes_stay_on_their_side_when_others_are_added() -> None:
    few, many = scenes(200), scenes(300)
    before = held_out(few, validation_share=0.2)
    after = held_out(many, validation_share=0.2)
    assert before == after & set(few.names)
    assert held_out(Scenes(few.names[::-1]), validation_share=0.2) == before


@pytest.mark.parametrize("share", [1e-6, 0.01, 0.999])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_share_leaves_neither_side_empty(share: float, count: int) -> None:
    for seed in range(10):
        split = split_scenes(scenes(count), validation_share=share, seed=seed)
        assert len(split.training)
        assert len(split.validation)


def test_no_share_holds_nothing_out() -> None:
    assert not held_out(scenes(5), validation_share=0.0)
    assert not held_out(scenes(1), validation_share=0.0)


def test_the_last_scenes_can_be_held_out_by_number() -> None:
    assert held_out(scenes(5, samples=2), validation_last=2) == {"scene0003", "scene0004"}
    assert held_out(scenes(5), validation_last=0) == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either validation_share or validation_last"),
        ({"validation_share": 0.1, "validation_last": 1}, "either validation_share or validation_last"),
        ({"validation_share": 1.0}, "below 1, found 1.0"),
        ({"validation_share": -0.1}, "found -0.1"),
        ({"validation_last": 3}, "from 0 to 2"),
    ],
)
def test_impossible_splits_say_what_is_possible(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        split_scenes(scenes(3), **options)


def test_a_share_of_one_scene_cannot_be_held_out() -> None:
    with pytest.raises(DatasetError, match="two scenes or more"):
        split_scenes(scenes(1, samples=4), validation_share=0.5)
