"""Several processes train as one: the same losses, and the same weights in each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tracegen_model.network.checkpoint import load_tensors
from tracegen_model.training.ranks import Ranks, choose_device, join_ranks

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

TOLERANCE = 1e-4
"""Relative difference of losses: sums of float32 in another order, carried on through some steps."""

CHANGES: dict[str, Any] = {
    "optimisation__batch": 7,
    "optimisation__steps": 8,
    "optimisation__group_images": True,
    "objective__flow": {"normalise": "known"},
    "validation__at_start": False,
}
SMALL_CHANGE = 2e-3
"""Difference of weights that eight steps of 1e-3 may have grown from the rounding of gradients near 0."""

WAYS = {"nano": ("ddp",), "tracegen": ("ddp", "fsdp")}
NETWORKS = {"nano": TINY, "tracegen": TINY_TRACEGEN}


@pytest.mark.timeout(600)
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    folder = write_episodes(tmp_path / "episodes", 6)
    configs = []
    for name, network in NETWORKS.items():
        train(network, folder, tmp_path / f"{name}_alone", **CHANGES)
        for parallel in WAYS[name]:
            changes = {**CHANGES, "optimisation__micro_batch": 2, "hardware__parallel": parallel}
            settings = tiny_settings(network, folder, tmp_path / f"{name}_{parallel}", **changes)
            configs.append(write_config(tmp_path / f"{name}_{parallel}.yaml", settings))
    script = Path(__file__).with_name("distributed_run.py")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        script,
        *configs,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=540
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name, parallel in ((name, parallel) for name, ways in WAYS.items() for parallel in ways):
        alone, together = tmp_path / f"{name}_alone", tmp_path / f"{name}_{parallel}"
        assert len(logged_losses(alone)) == 8
        assert logged_losses(together) == pytest.approx(logged_losses(alone), rel=TOLERANCE)
        of_rank = [load_tensors(together / f"rank{rank}.safetensors") for rank in range(2)]
        assert all(weight.equal(of_rank[1][key]) for key, weight in of_rank[0].items())
        saved, expected = saved_tensors(together), saved_tensors(alone)
        assert largest_difference(saved, expected) < SMALL_CHANGE
        (measured,), (of_alone,) = logged(together, "validation"), logged(alone, "validation")
        assert measured["moving_ade_px"] == pytest.approx(of_alone["moving_ade_px"], rel=1e-2)


def test_one_process_needs_nothing_to_be_started() -> None:
    with join_ranks("cpu") as ranks:
        assert ranks == Ranks(0, 1, choose_device("cpu"))
        assert ranks.gather("a") == ["a"]
        assert ranks.broadcast("a") == "a"
