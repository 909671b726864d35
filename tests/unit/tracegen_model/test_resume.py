"""A run that goes on equals one that never stopped, and no kill at any moment harms what was saved."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracegen_model.cli import main
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointError
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.training.run_folder import LATEST, SAVE_PREFIX, RunFolder
from tracegen_model.training.training_state import PROGRESS_FILE, TENSORS_FILE

from .conftest import TINY, TINY_TRACEGEN, write_episodes
from .tiny_runs import (
    largest_difference,
    logged,
    logged_losses,
    saved_tensors,
    tiny_settings,
    train,
    write_config,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_episodes(tmp_path_factory.mktemp("data") / "episodes", 6)


QUIET: dict[str, Any] = {"validation__at_start": False, "data__validation_share": 0.0}


@pytest.mark.parametrize(
    ("network", "precision"),
    [(TINY, "float32"), (TINY_TRACEGEN, "float32"), (TINY_TRACEGEN, "float16")],
    ids=["nano", "tracegen", "tracegen in half precision"],
)
def test_a_run_that_goes_on_equals_one_that_never_stopped_to_the_bit(
    folder: Path, tmp_path: Path, network: NetworkConfig, precision: str
) -> None:
    changes = {**QUIET, "hardware__precision": precision, "data__workers": 1, "optimisation__micro_batch": 4}
    changes |= {"checkpoints__every_steps": 4, "checkpoints__keep": 5}
    whole = train(network, folder, tmp_path / "whole", **changes)
    train(network, folder, tmp_path / "parts", **changes)
    # As after a kill: what came after the fourth step is not in the latest save.
    (tmp_path / "parts" / "latest").unlink()
    (tmp_path / "parts" / "latest").symlink_to("saves/step_00000004")
    parts = train(network, folder, tmp_path / "parts", resume=True, **changes)
    assert largest_difference(parts, whole) == 0.0
    assert logged_losses(tmp_path / "parts") == logged_losses(tmp_path / "whole")


def test_resuming_forgets_what_was_logged_after_the_save(folder: Path, tmp_path: Path) -> None:
    train(TINY, folder, tmp_path, checkpoints__every_steps=2, checkpoints__keep=5, **QUIET)
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").symlink_to("saves/step_00000002")
    with (tmp_path / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"kind": "losses", "step": 7, "lo')
    train(TINY, folder, tmp_path, resume=True, **QUIET)
    assert [entry["step"] for entry in logged(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_only_the_last_saves_are_kept(folder: Path, tmp_path: Path) -> None:
    train(TINY, folder, tmp_path, checkpoints__every_steps=1, checkpoints__keep=3, **QUIET)
    saves = sorted(path.name for path in (tmp_path / "saves").iterdir())
    assert saves == ["step_00000004", "step_00000005", "step_00000006"]
    assert (tmp_path / "latest").resolve().name == "step_00000006"


def test_resuming_on_other_data_is_refused(folder: Path, tmp_path: Path) -> None:
    train(TINY, folder, tmp_path / "run", **QUIET)
    other = write_episodes(tmp_path / "other", 5)
    with pytest.raises(CheckpointError, match="data are not those that this run was started with"):
        train(TINY, other, tmp_path / "run", resume=True, **QUIET)


def test_resuming_another_network_is_refused(folder: Path, tmp_path: Path) -> None:
    train(TINY, folder, tmp_path, optimisation__steps=1, **QUIET)
    with pytest.raises(CheckpointError, match=r"belongs to another network: .*expected .*found"):
        train(TINY, folder, tmp_path, resume=True, network__width=64, **QUIET)


def test_resuming_nothing_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run to resume"):
        train(TINY, folder, tmp_path, resume=True, **QUIET)


@pytest.mark.parametrize("name", [TENSORS_FILE, PROGRESS_FILE])
def test_a_damaged_save_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    train(TINY, folder, tmp_path, optimisation__steps=1, **QUIET)
    path = tmp_path / "latest" / name
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(CheckpointError, match=name):
        train(TINY, folder, tmp_path, resume=True, **QUIET)


class Killed(BaseException):
    """Stands for the end of the process: no handler of the code under test may catch it."""


@pytest.mark.parametrize("call", range(12))
def test_a_save_that_ends_anywhere_leaves_the_last_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """Ends the process at each change of the file system in turn."""
    run_folder = RunFolder(tmp_path)

    def write(step: int, folder: Path) -> None:
        (folder / "a").write_text(f"{step}", encoding="utf-8")
        (folder / "b").write_text(f"{step}", encoding="utf-8")

    for step in (1, 2):
        run_folder.save(step, lambda folder, step=step: write(step, folder), keep=2)
    calls = 0

    def killing(original: Any) -> Any:
        def change(*arguments: Any, **keywords: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > call:
                raise Killed
            return original(*arguments, **keywords)

        return change

    with monkeypatch.context() as patch:
        for name in ("write_text", "rename", "mkdir", "symlink_to", "replace", "unlink"):
            patch.setattr(Path, name, killing(getattr(Path, name)))
        patch.setattr("shutil.rmtree", killing(shutil.rmtree))
        try:
            run_folder.save(3, lambda folder: write(3, folder), keep=2)
        except Killed:
            pass
        else:
            assert call >= 9, "not all changes were tried"
    latest = run_folder.resume()
    step = int(latest.name.removeprefix("step_"))
    assert step in (2, 3)
    assert [(latest / name).read_text(encoding="utf-8") for name in "ab"] == [str(step)] * 2
    run_folder.save(step + 1, lambda folder: write(step + 1, folder), keep=2)
    left = sorted(path.name for path in (tmp_path / "saves").iterdir())
    assert left == [f"step_{step:08d}", f"step_{step + 1:08d}"]


KILLS = 10
"""Times that the run is killed; it spends about a third of its time saving."""


@pytest.mark.timeout(600)
def test_a_run_killed_again_and_again_gets_to_its_end_unharmed(folder: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {**QUIET, "optimisation__steps": 60, "checkpoints__every_steps": 1}
    whole = train(TINY, folder, tmp_path / "whole", **changes)
    output = tmp_path / "killed"
    settings = write_config(tmp_path / "run.yaml", tiny_settings(TINY, folder, output, **changes))
    rng = np.random.default_rng(0)
    reached = [0]
    for _ in range(KILLS):
        process = start(settings, output)
        wait_for_step(process, output, reached[-1] + 2)
        time.sleep(rng.uniform(0.0, 0.15))
        process.kill()
        process.join()
        # What is there is whole: it loads, and its digests hold.
        config, _ = load_checkpoint(output / "latest")
        assert int(config.training["step"]) >= reached[-1]
        reached.append(int(config.training["step"]))
    assert reached[-1] < 60, f"the last kills came after the run's end: {reached}"
    last = start(settings, output)
    last.join(timeout=300.0)
    assert last.exitcode == 0
    assert largest_difference(saved_tensors(output), whole) == 0.0
    assert logged_losses(output) == logged_losses(tmp_path / "whole")


def start(settings: Path, output: Path) -> BaseProcess:
    """A training process of its own: a new run, or one that goes on."""
    how = ["--resume", str(output)] if (output / LATEST).exists() else ["--config", str(settings)]
    processes = multiprocessing.get_context("forkserver")
    # What takes long to import, imported once; optimisers import torch._dynamo.
    processes.set_forkserver_preload(["tracegen_model.training.start_run", "torch._dynamo"])
    process = processes.Process(target=main, args=(["train", *how],))
    process.start()
    return process


def wait_for_step(process: BaseProcess, output: Path, step: int) -> None:
    """Wait until the run has logged and saved ``step``, or ends."""
    while process.is_alive():
        if (output / LATEST).exists() and int(
            (output / LATEST).resolve().name.removeprefix(SAVE_PREFIX)
        ) >= step:
            return
        time.sleep(0.005)
