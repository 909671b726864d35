"""Losses are what the formulas say, and those of micro-batches add up to that of the batch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tracegen_model.data.augmentation import AugmentationConfig
from tracegen_model.data.dataset import EpisodeDataset, ItemForm
from tracegen_model.data.episode import PointKind
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.networks import build_network
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.training.batch_plan import BatchPlan
from tracegen_model.training.objectives.objective import Losses, Objective
from tracegen_model.training.objectives.objectives import make_objective
from tracegen_model.training.run_config import ObjectiveConfig
from tracegen_model.training.training_batch import TrainingBatch, TrainingBatches

from .conftest import TINY, TINY_TRACEGEN, write_episodes

SCALE = (0.05, 0.05, 0.04)
NETWORKS = pytest.mark.parametrize("network", [TINY, TINY_TRACEGEN], ids=["nano", "tracegen"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_episodes(tmp_path_factory.mktemp("data") / "episodes", 4)


def batches_of(folder: Path, network: NetworkConfig, batch: int = 6) -> TrainingBatches:
    dataset = EpisodeDataset([folder], ItemForm.of(network), jobs=1)
    plan = BatchPlan(np.arange(len(dataset)), batch, seed=0)
    return TrainingBatches(dataset, plan, AugmentationConfig(brightness=0.2, shift=1), seed=0)


def objective_of(
    network: NetworkConfig, clip: float | None = None, dropout: float = 0.0, **flow: str
) -> Objective:
    torch.manual_seed(0)
    checkpoint = CheckpointConfig("", "", network, SCALE, 4, clip_increments=clip, condition_dropout=dropout)
    config = ObjectiveConfig()
    config = dataclasses.replace(config, flow=dataclasses.replace(config.flow, **flow))  # type: ignore[arg-type]
    made = make_objective(build_network(network, EncoderSource(random=True)), checkpoint, config)
    made.train()
    return made


def gradients(objective: Objective) -> dict[str, torch.Tensor]:
    found = {}
    for name, weight in objective.trained_tensors().items():
        assert weight.grad is not None, f"{name} has no part in the loss"
        found[name] = weight.grad.clone()
    objective.zero_grad()
    return found


def backward(objective: Objective, parts: list[TrainingBatch]) -> list[Losses]:
    totals = torch.stack([objective.totals(part) for part in parts]).sum(0)
    found = [objective(part, 0.5, totals) for part in parts]
    for losses in found:
        losses.loss.backward()
    return found


@NETWORKS
def test_losses_and_gradients_of_micro_batches_add_up(folder: Path, network: NetworkConfig) -> None:
    batches, objective = batches_of(folder, network), objective_of(network, normalise="known")
    (whole,) = backward(objective, [batches[2, 0, 6]])
    expected = gradients(objective)
    parts = backward(objective, [batches[2, 0, 1], batches[2, 1, 4], batches[2, 4, 6]])
    found = gradients(objective)
    assert sum(losses.loss.item() for losses in parts) == pytest.approx(whole.loss.item(), rel=1e-5)
    for name in whole.terms:
        assert sum(losses.terms[name].item() for losses in parts) == pytest.approx(
            whole.terms[name].item(), rel=1e-5
        )
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5 * largest, msg=name)


@NETWORKS
@pytest.mark.parametrize("depth_known", [True, False])
def test_every_trained_weight_has_a_part_in_every_loss(
    folder: Path, network: NetworkConfig, depth_known: bool
) -> None:
    batches, objective = batches_of(folder, network), objective_of(network)
    batch = batches[0, 0, 4]
    images = dataclasses.replace(
        batch.samples.images, depth_known=torch.full_like(batch.samples.images.depth_known, depth_known)
    )
    batch = dataclasses.replace(batch, samples=dataclasses.replace(batch.samples, images=images))
    backward(objective, [batch])
    gradients(objective)


def restated_velocity_loss(objective: Objective, batch: TrainingBatch, clip: float) -> torch.Tensor:
    """As published, in its own direction of time: v = noise - data at t = k / 100, masked, over all elements."""
    samples, noise = batch.samples, batch.draws.noise
    data = (samples.increments / torch.tensor(SCALE)).clamp(-clip, clip)
    step = (100 * batch.draws.time_uniform).int().clamp(max=99)
    t = (step / 100.0).view(-1, 1, 1, 1)
    noisy = (1.0 - t) * data + t * noise
    network = objective.network
    condition = network.condition(samples.images, samples.sentences, samples.image_index)
    velocity = -network.velocity(noisy, 1.0 - step / 100.0, condition)
    mask = samples.known.float()
    return (mask * velocity - mask * (noise - data)).square().mean()


def test_the_published_loss_is_the_published_formula(folder: Path) -> None:
    batch = batches_of(folder, TINY_TRACEGEN)[1, 0, 6]
    known = batch.samples.known.clone()
    known[:2, :, 4:] = False
    batch = dataclasses.replace(batch, samples=dataclasses.replace(batch.samples, known=known))
    objective = objective_of(TINY_TRACEGEN, clip=0.3)
    (found,) = backward(objective, [batch])
    with torch.no_grad():
        expected = restated_velocity_loss(objective, batch, clip=0.3)
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-4)
    (by_known,) = backward(objective_of(TINY_TRACEGEN, clip=0.3, normalise="known"), [batch])
    share = batch.samples.known.float().mean().item()
    assert by_known.loss.item() == pytest.approx(expected.item() / share, rel=1e-4)


def test_what_is_unknown_has_no_part_in_the_loss(folder: Path) -> None:
    batch, objective = batches_of(folder, TINY_TRACEGEN)[0, 0, 4], objective_of(TINY_TRACEGEN)
    nothing = dataclasses.replace(batch.samples, known=torch.zeros_like(batch.samples.known))
    (found,) = backward(objective, [dataclasses.replace(batch, samples=nothing)])
    assert found.loss.item() == 0.0


def restated_nano_traces(objective: Objective, batch: TrainingBatch) -> float:
    """The weighted squared error of increments and positions, point by point."""
    samples, config, network = batch.samples, ObjectiveConfig().nano, objective.network
    clean = samples.increments / torch.tensor(SCALE)
    time = torch.sigmoid(1.3 * batch.draws.time_normal - np.log(network.config.time_shift))
    time = torch.where(batch.draws.pure_noise < config.pure_noise_share, 0.0, time)
    t = time.view(-1, 1, 1, 1)
    state = (1.0 - t) * batch.draws.noise + t * clean
    condition = network.condition(samples.images, samples.sentences, samples.image_index)
    predicted = network(state, time, condition)
    by_kind = {PointKind.HAND: config.hand_weight, PointKind.ARM: config.arm_weight}
    by_kind |= dict.fromkeys((PointKind.TARGET_OBJECT, PointKind.OTHER_OBJECT), config.object_weight)
    total, weights = 0.0, 0.0
    for sample in range(len(samples)):
        for point in range(clean.shape[1]):
            error = (predicted - clean)[sample, point] * samples.known[sample, point]
            size = error.square().mean() + config.position_weight * error.cumsum(0).square().mean()
            weight = by_kind.get(PointKind(int(samples.point_kinds[sample, point])), 1.0)
            total += weight * float(size) * min(5.0, 1.0 / (1.0 - float(time[sample])))
            weights += weight
    return total / weights


def test_the_nano_loss_weighs_points_by_what_they_lie_on(folder: Path) -> None:
    batch, objective = batches_of(folder, TINY)[1, 0, 6], objective_of(TINY)
    (found,) = backward(objective, [batch])
    with torch.no_grad():
        assert found.terms["traces"].item() == pytest.approx(restated_nano_traces(objective, batch), rel=1e-4)
    terms = found.terms
    heat = terms["heat_object"] + terms["heat_zone"] + terms["heat_hand"]
    assert found.loss.item() == pytest.approx(
        (terms["traces"] + 0.1 * heat + terms["place"]).item(), rel=1e-5
    )


def test_places_outside_the_image_are_not_supervised(folder: Path) -> None:
    batch, objective = batches_of(folder, TINY)[0, 0, 6], objective_of(TINY)
    target = batch.samples.target_uvz.clone()
    target[:, 2, 0] = torch.nan
    target[:, 1, 0] = 1.2
    (found,) = backward(
        objective, [dataclasses.replace(batch, samples=dataclasses.replace(batch.samples, target_uvz=target))]
    )
    assert found.terms["heat_hand"] == found.terms["heat_zone"] == 0.0
    assert found.terms["heat_object"] > 0.0
    assert torch.isfinite(found.loss)


def test_left_out_sentences_are_the_share_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    objective = objective_of(TINY_TRACEGEN, dropout=0.3)
    condition = objective.network.condition
    monkeypatch.setattr(
        objective.network,
        "condition",
        lambda images, sentences, index: seen.extend(sentences) or condition(images, sentences, index),
    )
    batches = batches_of(folder, TINY_TRACEGEN, batch=64)
    backward(objective, [batches[0, 0, 64], batches[1, 0, 64]])
    assert 0.2 < sum(sentence == "" for sentence in seen) / len(seen) < 0.4


def test_frozen_towers_stay_in_evaluation_mode_and_unchanged(folder: Path) -> None:
    objective = objective_of(TINY_TRACEGEN)
    network = objective.network
    assert network.training
    assert not any(
        module.training for module in (network.t5.tower, network.dinov3.tower, network.siglip.tower)
    )  # type: ignore[union-attr]
    trained = objective.trained_tensors()
    assert not set(trained) & set(network.frozen_parameters())
    assert set(trained) | set(network.frozen_parameters()) == set(network.state_dict())


def test_the_same_samples_drawn_again_look_the_same(folder: Path) -> None:
    batches, again = batches_of(folder, TINY), batches_of(folder, TINY)
    _ = again[7, 0, 6]
    one, other = batches[3, 2, 5], again[3, 2, 5]
    assert torch.equal(one.draws.noise, other.draws.noise)
    assert torch.equal(one.samples.images.colour, other.samples.images.colour)
    assert one.samples.sentences == other.samples.sentences
    whole = batches[3, 0, 6]
    assert torch.equal(whole.draws.noise[2:5], one.draws.noise)
    assert not torch.equal(batches[4, 2, 5].draws.noise, one.draws.noise)
