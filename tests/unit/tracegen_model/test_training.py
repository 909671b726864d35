"""A run trains, can be taken up again, is repeatable, and is measured on scenes it has not seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tracegen_model import cli
from tracegen_model.data.augmentation import ColourJitter, DepthJitter
from tracegen_model.data.packed_dataset import PackedDataset, PackedDatasetError, pack_dataset
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.presets import PRESETS
from tracegen_model.training.batches import BatchMaker
from tracegen_model.training.config import TrainingConfig, TrainingConfigError
from tracegen_model.training.schedules import learning_rate, pure_noise_share
from tracegen_model.training.trainer import Trainer

from .conftest import TINY, write_episodes


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    folder = tmp_path_factory.mktemp("data")
    return pack_dataset(
        write_episodes(folder / "episodes", 8), folder / "packed", jobs=1, image_side=TINY.image_side
    )


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", TINY)


def settings(steps: int) -> TrainingConfig:
    return TrainingConfig(
        minutes=None,
        steps=steps,
        batch=6,
        warm_up_steps=5,
        held_out_scenes=2,
        compile=False,
        device="cpu",
        threads=1,
    )


def weights_after(packed: PackedDataset, output: Path, steps: int) -> dict[str, torch.Tensor]:
    Trainer(packed, "tiny", settings(steps), output, "tiny").run()
    return load_checkpoint(output)[1].state_dict()


def test_the_same_seed_gives_the_same_weights(packed: PackedDataset, tmp_path: Path) -> None:
    first, again = (weights_after(packed, tmp_path / name, 4) for name in ("a", "b"))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_training_lowers_the_loss_and_reports_it(packed: PackedDataset, tmp_path: Path) -> None:
    trainer = Trainer(packed, "tiny", settings(150), tmp_path, "tiny")
    trainer.run()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["heat_object"] for line in lines if line["kind"] == "losses"]
    assert losses[-1] < losses[0]
    measures = trainer.evaluate(steps=2)
    assert {"hand_cm_8", "object_cm", "background_cm", "hit_object", "object_choice"} <= set(measures)
    assert measures["measured_samples"] == 4


def test_a_run_can_be_taken_up_again(packed: PackedDataset, tmp_path: Path) -> None:
    Trainer(packed, "tiny", settings(3), tmp_path, "tiny").run()
    config = Trainer(packed, "tiny", settings(5), tmp_path, "tiny", resume=True).run()
    assert config.training["step"] == 5


def test_held_out_scenes_are_never_trained_on(packed: PackedDataset) -> None:
    training = packed.images_of_scenes(0, 6)
    batches = BatchMaker(packed, TINY).training(training, 4, np.random.default_rng(0))
    seen = {int(packed.sample_image[sample]) for _ in range(20) for sample in next(batches).samples}
    assert seen == set(training.tolist())


def test_a_dataset_of_other_sizes_is_refused(packed: PackedDataset) -> None:
    with pytest.raises(PackedDatasetError, match=r"\(192, 400, 32\)"):
        BatchMaker(packed, PRESETS["nano"])


def test_holding_out_everything_is_refused(packed: PackedDataset, tmp_path: Path) -> None:
    config = TrainingConfig(minutes=1.0, held_out_scenes=8)
    with pytest.raises(PackedDatasetError, match="nothing is left"):
        Trainer(packed, "tiny", config, tmp_path, "tiny")


def test_the_schedule_starts_as_regression_and_ends_as_flow() -> None:
    config = TrainingConfig(minutes=1.0)
    assert pure_noise_share(config, 0.0) == 1.0
    assert pure_noise_share(config, 0.9) == config.pure_noise_share
    assert learning_rate(config, 0, 0.0) < learning_rate(config, 1000, 0.1) == config.learning_rate
    assert learning_rate(config, 9000, 1.0) < 0.01 * config.learning_rate


@pytest.mark.parametrize(
    "change", [{"minutes": None}, {"minutes": 1.0, "steps": 5}, {"batch": 0}, {"device": "abacus"}]
)
def test_impossible_settings_are_refused(change: dict) -> None:
    with pytest.raises(TrainingConfigError):
        TrainingConfig(**change)


def test_holes_stay_holes_and_colours_keep_their_order() -> None:
    generator = torch.Generator().manual_seed(0)
    depth = torch.tensor([[[0.0, 1.0]]])
    changed = DepthJitter()(depth, generator)
    assert changed[0, 0, 0] == 0.0
    assert changed[0, 0, 1] > 0.9
    red = torch.tensor([0.7, -0.7, -0.7]).view(1, 3, 1, 1).expand(200, 3, 4, 4)
    mean = ColourJitter()(red, generator).mean(dim=(2, 3))
    assert (mean.argmax(dim=1) == 0).all()


def test_the_command_line_packs_and_says_what_is_wrong_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert cli.main(["data", "pack", str(tmp_path / "nothing"), str(tmp_path / "out")]) == 1
    assert "no such folder" in caplog.text
    assert cli.main(["eval", "no_such_checkpoint", "--data", str(tmp_path)]) == 1
    assert "no checkpoint 'no_such_checkpoint'" in caplog.text
