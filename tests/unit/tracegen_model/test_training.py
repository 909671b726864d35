"""A run trains, says how it goes, does not depend on how its work is divided, and stops in an orderly way."""

from __future__ import annotations

import builtins
import shutil
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tracegen_model import cli
from tracegen_model.data.dataset import EpisodeDataset
from tracegen_model.data.packing import pack_dataset
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.training.interruption import Interruption
from tracegen_model.training.objectives.flow_objective import FlowObjective
from tracegen_model.training.optimiser import make_optimiser, set_learning_rate
from tracegen_model.training.ranks import Ranks
from tracegen_model.training.run_config import OptimisationConfig, TrainingConfigError
from tracegen_model.training.start_run import open_data, prepare, run
from tracegen_model.training.trainer import NonFiniteError, Trainer
from tracegen_model.training.training_data import TrainingDataError

from .conftest import TINY, TINY_TRACEGEN, write_episodes
from .tiny_runs import (
    largest_difference,
    logged,
    logged_losses,
    saved_tensors,
    tiny_config,
    tiny_settings,
    train,
    write_config,
)

NETWORKS = pytest.mark.parametrize("network", [TINY, TINY_TRACEGEN], ids=["nano", "tracegen"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_episodes(tmp_path_factory.mktemp("data") / "episodes", 8)


@NETWORKS
def test_a_run_leaves_a_checkpoint_a_log_curves_and_pictures(
    folder: Path, tmp_path: Path, network: NetworkConfig
) -> None:
    found = run(tiny_config(network, folder, tmp_path / "run", validation__overlays=2))
    config, trained = load_checkpoint(tmp_path / "run" / "latest", EncoderSource(random=True))
    assert config == found
    assert config.training["step"] == 6
    assert config.condition_dropout == 0.2
    assert not trained.training
    losses = logged(tmp_path / "run")
    assert [entry["step"] for entry in losses] == [1, 2, 3, 4, 5, 6]
    assert all(np.isfinite(list(entry.values())[1:]).all() for entry in losses)
    first, last = logged(tmp_path / "run", "validation")
    assert (first["step"], last["step"]) == (0, 6)
    assert {"loss", "moving_ade_px", "gain_over_zero_motion", "gain_over_mean_motion"} <= set(last)
    sheet = cv2.imread(str(tmp_path / "run" / "overlays" / "overlays_00000006.png"))
    assert sheet is not None
    assert sheet.std() > 10.0
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_training_lowers_the_loss(folder: Path, tmp_path: Path) -> None:
    train(TINY, folder, tmp_path, optimisation__steps=40, optimisation__learning_rate=3e-3)
    losses = list(logged_losses(tmp_path).values())
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])


@NETWORKS
def test_a_run_is_repeatable_to_the_bit_and_another_seed_is_another_run(
    folder: Path, tmp_path: Path, network: NetworkConfig
) -> None:
    first, again = (train(network, folder, tmp_path / name) for name in ("first", "again"))
    assert largest_difference(first, again) == 0.0
    assert logged_losses(tmp_path / "first") == logged_losses(tmp_path / "again")
    other = train(network, folder, tmp_path / "other", seed=4)
    assert largest_difference(first, other) > 0.0


def test_workers_change_nothing(folder: Path, tmp_path: Path) -> None:
    alone = train(TINY, folder, tmp_path / "alone")
    helped = train(TINY, folder, tmp_path / "helped", data__workers=2)
    assert largest_difference(alone, helped) == 0.0


@NETWORKS
def test_micro_batches_change_the_losses_by_rounding_only(
    folder: Path, tmp_path: Path, network: NetworkConfig
) -> None:
    train(network, folder, tmp_path / "whole", optimisation__group_images=True)
    train(network, folder, tmp_path / "parts", optimisation__group_images=True, optimisation__micro_batch=2)
    whole, parts = logged_losses(tmp_path / "whole"), logged_losses(tmp_path / "parts")
    assert parts == pytest.approx(whole, rel=1e-4)


def test_packed_data_train_as_the_episodes_they_were_packed_from(folder: Path, tmp_path: Path) -> None:
    pack_dataset(folder, tmp_path / "packed", jobs=1, image_side=TINY.image_side)
    changes: dict[str, Any] = {"data__moving_only": False, "data__fewest_valid_steps": 0, "augmentation": {}}
    train(TINY, folder, tmp_path / "streamed", **changes)
    train(TINY, tmp_path / "packed", tmp_path / "mapped", **changes)
    streamed, mapped = logged_losses(tmp_path / "streamed"), logged_losses(tmp_path / "mapped")
    assert len(mapped) == 6
    assert all(np.isfinite(loss) for loss in (*streamed.values(), *mapped.values()))


def test_held_out_episodes_are_never_trained_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    original = EpisodeDataset.__getitem__
    monkeypatch.setattr(EpisodeDataset, "__getitem__", lambda self, i: read.append(i) or original(self, i))
    data: dict[str, Any] = {"validation__at_start": False, "optimisation__steps": 8}
    config = tiny_config(TINY, folder, tmp_path, **data)
    opened = open_data(config.data, TINY)
    monkeypatch.setattr(Trainer, "_validate", lambda self, log: None)
    read.clear()
    run(config)
    assert set(read) == set(opened.training.tolist())
    assert not set(read) & set(opened.validation.tolist())
    assert len(opened.validation) >= 2


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_trains_close_to_float32(folder: Path, tmp_path: Path, precision: str) -> None:
    train(TINY_TRACEGEN, folder, tmp_path / "exact")
    reduced = train(TINY_TRACEGEN, folder, tmp_path / "reduced", hardware__precision=precision)
    exact = logged_losses(tmp_path / "exact")
    assert logged_losses(tmp_path / "reduced") == pytest.approx(exact, rel=0.03)
    assert all(tensor.dtype == torch.float32 for tensor in reduced.values())


def test_averaged_weights_are_what_is_exported(folder: Path, tmp_path: Path) -> None:
    averaged = train(TINY, folder, tmp_path / "averaged")
    last = train(TINY, folder, tmp_path / "last", optimisation__ema=0.0)
    names = [name.removeprefix("weight.") for name in last if name.startswith("weight.")]
    assert all(torch.equal(last[f"weight.{name}"], last[f"average.{name}"]) for name in names)
    assert any(not torch.equal(averaged[f"weight.{name}"], averaged[f"average.{name}"]) for name in names)


def test_fine_tuning_starts_from_the_checkpoint_and_keeps_what_it_says(folder: Path, tmp_path: Path) -> None:
    train(TINY_TRACEGEN, folder, tmp_path / "first", objective__increment_scale=[0.1, 0.2, 0.3])
    checkpoint = tmp_path / "first" / "latest"
    changes: dict[str, Any] = {
        "preset": None,
        "network": {"time_shift": 2.0},
        "checkpoints": {"init_from": str(checkpoint)},
        "objective": {},
        "optimisation__learning_rate": 1e-9,
        "optimisation__steps": 2,
    }
    tuned = train(TINY_TRACEGEN, folder, tmp_path / "tuned", **changes)
    first = saved_tensors(tmp_path / "first")
    averages = [name for name in first if name.startswith("average.")]
    assert max(float((first[name] - tuned[name]).abs().max()) for name in averages) < 1e-6
    config = CheckpointConfig.load(tmp_path / "tuned" / "latest")
    assert config.increment_scale == (0.1, 0.2, 0.3)
    assert config.condition_dropout == 0.2
    assert config.network.time_shift == 2.0
    assert config.preset == "base"
    with pytest.raises(TrainingConfigError, match="do not fit the changed network"):
        run(tiny_config(TINY_TRACEGEN, folder, tmp_path / "no", **{**changes, "network": {"blocks": 3}}))


def break_loss(monkeypatch: pytest.MonkeyPatch, at_step: int) -> None:
    """Make the loss of the second sample of a step not a number."""
    original = FlowObjective.losses
    calls = 0

    def losses(self: FlowObjective, batch: Any, progress: float, totals: Any) -> Any:
        nonlocal calls
        found = original(self, batch, progress, totals)
        calls += 1
        if calls == at_step:
            mark = torch.zeros(len(found.per_sample))
            mark[1] = torch.nan
            found = found._replace(loss=found.loss + mark.sum(), per_sample=found.per_sample + mark)
        return found

    monkeypatch.setattr(FlowObjective, "losses", losses)


QUIET: dict[str, Any] = {"validation__at_start": False, "data__validation_share": 0.0}


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_sample(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_loss(monkeypatch, at_step=3)
    with pytest.raises(
        NonFiniteError, match=r"step 3: the loss is nan; samples: episodes/scene\d+_(red|green)/scene\d+_0;"
    ):
        train(TINY_TRACEGEN, folder, tmp_path, **QUIET)


def test_a_loss_that_is_not_finite_is_skipped_on_request(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_loss(monkeypatch, at_step=3)
    trained = train(TINY_TRACEGEN, folder, tmp_path, optimisation__non_finite="skip", **QUIET)
    assert [entry["step"] for entry in logged(tmp_path)] == [1, 2, 4, 5, 6]
    assert "skipped: step 3: the loss is nan" in caplog.text
    assert all(tensor.isfinite().all() for tensor in trained.values())


def test_data_that_do_not_fit_are_refused_before_anything_starts(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="expected at least one folder"):
        run(tiny_config(TINY, folder, tmp_path / "a", data__folders=[]))
    with pytest.raises(ValueError, match="nothing_here"):
        run(tiny_config(TINY, folder, tmp_path / "b", data__folders=[str(tmp_path / "nothing_here")]))
    with pytest.raises(ValueError, match=r"expected keypoints on a grid of side 20"):
        run(tiny_config(TINY, folder, tmp_path / "c", network={}))


def test_a_new_run_does_not_overwrite_another(folder: Path, tmp_path: Path) -> None:
    train(TINY, folder, tmp_path, optimisation__steps=1)
    with pytest.raises(CheckpointError, match="holds a run already: go on with `tracegen train --resume"):
        train(TINY, folder, tmp_path)


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """Let this process get a signal while a step is under way."""
    original = Trainer._step

    def interrupted(self: Trainer, *arguments: Any) -> dict[str, float]:
        if self.progress.step + 1 == step:
            signal.raise_signal(number)
        return original(self, *arguments)

    monkeypatch.setattr(Trainer, "_step", interrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_finishes_its_step_saves_and_can_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    whole = train(TINY, folder, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_at(3, patch, number)
        config = run(tiny_config(TINY, folder, tmp_path / "parts"))
    assert config.training["step"] == 3
    assert largest_difference(train(TINY, folder, tmp_path / "parts", resume=True), whole) == 0.0
    assert signal.getsignal(number) is not Interruption.ask


def test_a_second_ctrl_c_stops_at_once() -> None:
    interruption = Interruption()
    interruption.ask(signal.SIGINT, None)
    assert interruption.reason == "SIGINT"
    with pytest.raises(KeyboardInterrupt):
        interruption.ask(signal.SIGINT, None)


def test_missing_weights_and_biases_is_said_before_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = builtins.__import__

    def without_wandb(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "wandb":
            raise ImportError(name)
        return original(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_wandb)
    with pytest.raises(TrainingConfigError, match="needs the package wandb"):
        train(TINY, folder, tmp_path, logging__wandb_project="mine")


def test_the_command_line_trains_resumes_and_says_what_is_wrong_in_one_line(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path / "tiny.yaml", tiny_settings(TINY, folder, tmp_path / "run"))
    assert cli.main(["train", "--config", str(config), "optimisation.steps=2"]) == 0
    assert cli.main(["train", "--resume", str(tmp_path / "run"), "optimisation.steps=4"]) == 0
    assert [entry["step"] for entry in logged(tmp_path / "run")] == [1, 2, 3, 4]
    assert cli.main(["train", "--config", str(config), "optimisation.stepps=2"]) == 1
    assert "did you mean optimisation.steps?" in caplog.text
    assert cli.main(["train", "--resume", str(tmp_path / "nothing")]) == 1
    assert "nothing holds no run to resume" in caplog.text
    assert cli.main(["train", "--list"]) == 0
    assert "nano_demo" in capsys.readouterr().out


def test_ctrl_c_before_training_starts_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tracegen_model.training.overrides.read_run_config", interrupted)
    assert cli.main(["train", "--config", "base"]) == 130
    assert caplog.messages == ["tracegen train: interrupted"]


def test_the_optimiser_decays_matrices_only_and_slows_what_conditions(folder: Path) -> None:
    weights = dict(NanoTraceGen(TINY).named_parameters())
    config = OptimisationConfig(steps=10, conditioning_rate=0.1, weight_decay=0.3)
    optimiser = make_optimiser(config, weights)
    assert set_learning_rate(optimiser, config, 0, 0.0) == config.learning_rate
    group_of = {id(weight): group for group in optimiser.param_groups for weight in group["params"]}
    assert len(group_of) == len(weights)
    for name, weight in weights.items():
        group = group_of[id(weight)]
        matrix = sum(size > 1 for size in weight.shape) > 1
        assert group["weight_decay"] == (0.3 if matrix else 0.0), name
        rate = 1.0 if name.startswith("transformer.") else 0.1
        assert group["lr"] == pytest.approx(rate * config.learning_rate), name


def test_kept_features_change_nothing(folder: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {**QUIET, "augmentation": {"words": {"share": 0.5}}}
    fresh = train(TINY_TRACEGEN, folder, tmp_path / "fresh", **changes)
    for name in ("filling", "filled"):
        kept = train(
            TINY_TRACEGEN, folder, tmp_path / name, data__feature_cache=str(tmp_path / "cache"), **changes
        )
        assert largest_difference(kept, fresh) < 1e-5
        assert logged_losses(tmp_path / name) == pytest.approx(logged_losses(tmp_path / "fresh"), rel=1e-5)
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 8
    with pytest.raises(TrainingConfigError, match="augmentation changes images"):
        train(TINY_TRACEGEN, folder, tmp_path / "no", data__feature_cache=str(tmp_path / "cache"))
    with pytest.raises(TrainingConfigError, match="nano network has no frozen encoders"):
        train(TINY, folder, tmp_path / "nano", data__feature_cache=str(tmp_path / "cache"))


def test_a_fine_tuned_run_goes_on_without_the_checkpoint_it_came_from(folder: Path, tmp_path: Path) -> None:
    train(TINY, folder, tmp_path / "first", optimisation__steps=2)
    (tmp_path / "first").rename(tmp_path / "start")
    changes: dict[str, Any] = {
        "checkpoints": {"init_from": str(tmp_path / "start" / "latest")},
        "preset": None,
    }
    train(TINY, folder, tmp_path / "run", optimisation__steps=2, **changes)
    shutil.rmtree(tmp_path / "start")
    train(TINY, folder, tmp_path / "run", resume=True, optimisation__steps=3, **changes)
    assert len(logged_losses(tmp_path / "run")) == 3


def test_the_folder_of_a_run_stands_for_its_latest_save(folder: Path, tmp_path: Path) -> None:
    train(TINY, folder, tmp_path / "run", optimisation__steps=2)
    assert find_checkpoint(tmp_path / "run") == tmp_path / "run" / "latest"


def test_a_batch_smaller_than_the_number_of_processes_is_refused(folder: Path, tmp_path: Path) -> None:
    config = tiny_config(TINY, folder, tmp_path / "run", optimisation__batch=1)
    with pytest.raises(TrainingConfigError, match="a sample for each of 2 processes"):
        prepare(config, Ranks(0, 2, torch.device("cpu")))


def test_a_run_that_cannot_begin_leaves_no_folder_but_what_was_there(tmp_path: Path) -> None:
    config = tiny_config(TINY, tmp_path / "nothing", tmp_path / "runs" / "run")
    with pytest.raises(ValueError, match="nothing"):
        run(config)
    assert not (tmp_path / "runs" / "run").exists()
    (tmp_path / "runs" / "run").mkdir()
    (tmp_path / "runs" / "run" / "notes.txt").touch()
    with pytest.raises(ValueError, match="nothing"):
        run(config)
    assert [path.name for path in (tmp_path / "runs" / "run").iterdir()] == ["notes.txt"]
