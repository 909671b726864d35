"""A student comes nearer to where its teacher's flow leads than the teacher itself does in as few steps."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tracegen_model.data.augmentation import AugmentationConfig
from tracegen_model.data.dataset import EpisodeDataset, ItemForm
from tracegen_model.data.trace_batch import TraceBatch, collate
from tracegen_model.network.checkpoint import load_checkpoint, save_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.networks import build_network
from tracegen_model.network.presets import NetworkConfig, architecture_of
from tracegen_model.network.samplers import draw_noise, sample
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.training.batch_plan import BatchPlan
from tracegen_model.training.objectives.objectives import make_objective
from tracegen_model.training.objectives.teacher import Teacher, times_until
from tracegen_model.training.overrides import read_run_config
from tracegen_model.training.run_config import DistillationConfig, ObjectiveConfig, TrainingConfigError
from tracegen_model.training.training_batch import TrainingBatches

from .conftest import TINY, TINY_TRACEGEN, write_episodes
from .tiny_runs import largest_difference, train

SCALE = (0.05, 0.05, 0.04)
ANOTHER = dataclasses.replace(TINY, width=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_episodes(tmp_path_factory.mktemp("data") / "episodes", 6)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher whose flow is bent: its prediction depends on the noisy traces, as a trained one's does."""
    return save_teacher(tmp_path_factory.mktemp("teacher"), TINY)


def save_teacher(folder: Path, config: NetworkConfig, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    network = build_network(config, EncoderSource(random=True))
    if isinstance(network, NanoTraceGen):
        with torch.no_grad():
            network.transformer.to_traces.weight.mul_(20.0)
    checkpoint = CheckpointConfig(
        "teacher", "nano", config, SCALE, 4, step_length_m=0.01, encoders=network.encoder_digests()
    )
    save_checkpoint(folder, checkpoint, network.trained_tensors())
    return folder


def distil(teacher: Path, episodes: Path, output: Path, **changes: Any) -> dict[str, Tensor]:
    """A run that makes a student of ``teacher``."""
    settings: dict[str, Any] = {
        "preset": None,
        "network": {},
        "augmentation": {},
        "objective": {"distillation": {"teacher": str(teacher), "steps": [1, 2]}},
        "validation__at_start": False,
        "data__validation_share": 0.0,
    }
    return train(TINY, episodes, output, **settings, **changes)


def followed(network: TraceNetwork, batch: TraceBatch, noise: Tensor, until: float = 0.5) -> Tensor:
    """Where the flow leads: 200 Euler steps to ``until``, and the network's guess of the data there."""
    with torch.no_grad():
        condition = network.condition(batch.images, batch.sentences, batch.image_index)
        state, times = noise, torch.linspace(0.0, until, 201)
        for now, after in pairwise(times):
            state = state + network.velocity(state, now.expand(len(state)), condition) * (after - now)
        return state + network.velocity(state, times[-1].expand(len(state)), condition) * (1.0 - until)


def distance(one: Tensor, other: Tensor) -> float:
    """Mean distance in shares of the length of ``other``."""
    return float(((one - other).flatten(1).norm(dim=1) / other.flatten(1).norm(dim=1)).mean())


def samples_of(folder: Path) -> TraceBatch:
    dataset = EpisodeDataset([folder], ItemForm.of(TINY), jobs=1)
    return collate([dataset[index] for index in range(len(dataset))])


def test_a_student_comes_nearer_to_the_flow_than_its_teacher_in_as_few_steps(
    folder: Path, teacher: Path, tmp_path: Path
) -> None:
    distil(
        teacher,
        folder,
        tmp_path / "run",
        optimisation={
            "steps": 70,
            "batch": 12,
            "learning_rate": 3e-3,
            "constant_share": 0.3,
            "ema": 0.9,
            "weight_decay": 0.0,
        },
    )
    batch = samples_of(write_episodes(tmp_path / "unseen", 4))
    _, taught = load_checkpoint(teacher)
    config, student = load_checkpoint(tmp_path / "run" / "latest")
    noise = draw_noise(TINY, range(100, 100 + len(batch)))
    goal = followed(taught, batch, noise)
    elsewhere = distance(followed(taught, batch, noise.roll(1, dims=1)), goal)
    assert config.step_length_m == 0.01
    for steps in (1, 2):
        theirs, ours = (
            distance(
                sample(
                    network,
                    network.condition(batch.images, batch.sentences, batch.image_index),
                    noise,
                    steps,
                ),
                goal,
            )
            for network in (taught, student)
        )
        assert ours < 0.5 * theirs, f"{steps} steps"
        # Not because the student drew the same whatever the noise: from other noise the flow leads elsewhere.
        assert ours < 0.5 * elsewhere, f"{steps} steps"


def test_only_the_trace_transformer_changes(folder: Path, teacher: Path, tmp_path: Path) -> None:
    distil(teacher, folder, tmp_path / "run")
    before = load_checkpoint(teacher)[1].state_dict()
    after = load_checkpoint(tmp_path / "run" / "latest")[1].state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("transformer.") for name in changed)


def test_a_distillation_that_goes_on_equals_one_that_never_stopped_to_the_bit(
    folder: Path, teacher: Path, tmp_path: Path
) -> None:
    changes = {"checkpoints__every_steps": 4, "checkpoints__keep": 5, "optimisation__micro_batch": 4}
    whole = distil(teacher, folder, tmp_path / "whole", **changes)
    distil(teacher, folder, tmp_path / "parts", **changes)
    (tmp_path / "parts" / "latest").unlink()
    (tmp_path / "parts" / "latest").symlink_to("saves/step_00000004")
    parts = distil(teacher, folder, tmp_path / "parts", resume=True, **changes)
    assert largest_difference(parts, whole) == 0.0


def test_a_run_goes_on_with_its_own_teacher_only(folder: Path, teacher: Path, tmp_path: Path) -> None:
    distil(teacher, folder, tmp_path / "run")
    another = save_teacher(tmp_path / "another", TINY, seed=1)
    with pytest.raises(TrainingConfigError, match="started with another teacher"):
        distil(another, folder, tmp_path / "run", resume=True)
    larger = save_teacher(tmp_path / "larger", ANOTHER)
    with pytest.raises(TrainingConfigError, match="width: expected 32, found 64"):
        distil(larger, folder, tmp_path / "run", resume=True)
    published = save_teacher(tmp_path / "published", TINY_TRACEGEN)
    with pytest.raises(TrainingConfigError, match="architecture: expected nano, found tracegen"):
        distil(published, folder, tmp_path / "run", resume=True)


def test_a_student_keeps_its_teachers_sizes_but_may_step_at_other_times(
    folder: Path, teacher: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingConfigError, match="do not fit the changed network"):
        distil(teacher, folder, tmp_path / "wide", network__width=64)
    distil(teacher, folder, tmp_path / "shifted", network__time_shift=4.0)
    config, _ = load_checkpoint(tmp_path / "shifted" / "latest")
    assert config.network == dataclasses.replace(TINY, time_shift=4.0)


def test_a_teacher_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere.*one of the shipped: .*fr3_blocks_nano"):
        distil(tmp_path / "nowhere", folder, tmp_path / "run")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("preset=nano", "distillation from fr3_blocks_nano takes the network from there: set preset=null"),
        ("checkpoints.init_from=x", "a student starts from its teacher, fr3_blocks_nano: expected null"),
        ("objective.distillation.teacher=null", "objective.distillation.teacher; found none"),
        ("objective.distillation.teacher=''", "or null, found an empty text"),
        ("objective.distillation.steps=[]", "expected different numbers from 1 up"),
        ("objective.distillation.steps=[1,1]", "expected different numbers from 1 up"),
        ("objective.distillation.steps=[0]", "expected different numbers from 1 up"),
        ("objective.distillation.method=rk4", "expected one of euler, midpoint, heun, adams_bashforth"),
        ("objective.distillation.teacher_steps=0", "teacher_steps: expected at least 1, found 0"),
        ("objective.distillation.until=1", "until: expected a time between 0 and 1, found 1"),
        ("objective.distillation.position_weight=-1", "position_weight: expected at least 0, found -1"),
    ],
)
def test_what_is_wrong_with_a_distillation_is_said(override: str, message: str) -> None:
    with pytest.raises(TrainingConfigError, match=message):
        read_run_config("nano_distilled", [override])


def test_the_teachers_traces_are_where_its_flow_leads(folder: Path, teacher: Path) -> None:
    batch, (_, network) = samples_of(folder), load_checkpoint(teacher)
    noise = draw_noise(TINY, range(len(batch)))
    goal = followed(network, batch, noise)
    made = Teacher(network, DistillationConfig(teacher="x", teacher_steps=20))
    condition = made.condition(batch.images, batch.sentences, batch.image_index)
    assert distance(made.traces(noise, condition), goal) < 0.02
    assert distance(sample(network, condition, noise, 1), goal) > 0.1


def test_the_last_step_before_the_guess_ends_where_it_is_told() -> None:
    times = times_until(0.5, 4, 10.0)
    assert times[0] == 0.0
    assert times[-1] == pytest.approx(0.5)
    before_shift = [10.0 * time / (1.0 - time + 10.0 * time) for time in times]
    assert np.diff(before_shift) == pytest.approx(np.full(4, before_shift[-1] / 4))


@pytest.mark.parametrize("network", [TINY, TINY_TRACEGEN], ids=["nano", "tracegen"])
def test_the_loss_is_that_of_the_samplers_own_traces(folder: Path, network: NetworkConfig) -> None:
    """Of both kinds of network; with the losses of micro-batches adding up to that of the batch."""
    encoders = EncoderSource(random=True)
    torch.manual_seed(0)
    student, taught = build_network(network, encoders), build_network(network, encoders)
    taught.load_state_dict(student.state_dict())
    with torch.no_grad():
        for name, weight in student.named_parameters():
            if name.startswith("transformer."):
                weight.add_(0.02 * torch.randn_like(weight))
    config = ObjectiveConfig(distillation=DistillationConfig(teacher="x", steps=[1, 3], position_weight=0.0))
    made = Teacher(taught, config.distillation)
    checkpoint = CheckpointConfig("", "", network, SCALE, 2)
    objective = make_objective(student, checkpoint, config, teacher=made)
    objective.train()
    dataset = EpisodeDataset([folder], ItemForm.of(network), jobs=1)
    batches = TrainingBatches(
        dataset, BatchPlan(np.arange(len(dataset)), 6, seed=0), AugmentationConfig(), seed=0
    )
    parts = [batches[0, 0, 2], batches[0, 2, 6]]
    totals = torch.stack([objective.totals(part) for part in parts]).sum(0)
    found = [objective(part, 0.5, totals) for part in parts]
    whole = batches[0, 0, 6]
    condition = made.condition(whole.samples.images, whole.samples.sentences, whole.samples.image_index)
    target = made.traces(whole.draws.noise, condition)
    weights = torch.tensor([1.0, 6.0, 2.0, 12.0, 12.0] if architecture_of(network) == "nano" else [1.0] * 5)
    of_points = weights[whole.samples.point_kinds]
    for steps in (1, 3):
        drawn = sample(student, condition, whole.draws.noise, steps)
        error = ((drawn - target).square().mean(dim=(2, 3)) * of_points).sum() / of_points.sum()
        assert sum(float(part.terms[f"steps_{steps}"]) for part in found) == pytest.approx(
            float(error), rel=1e-4
        )
        assert sum(float(part.terms[f"distance_{steps}"]) for part in found) == pytest.approx(
            distance(drawn, target), rel=1e-4
        )
    for losses in found:
        losses.loss.backward()
    for name, parameter in student.named_parameters():
        trained = name.startswith("transformer.") and "condition_projection" not in name
        assert (parameter.grad is not None) == parameter.requires_grad == trained, name
    assert all(parameter.grad is None for parameter in taught.parameters())
    assert not any(module.training for module in taught.modules())
