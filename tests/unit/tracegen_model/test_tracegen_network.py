"""The published network as its users meet it: conditions, velocities, caches, randomness."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import _pytree as pytree

from tracegen_model.network.images import ImageBatch
from tracegen_model.network.tracegen.condition import TraceCondition
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.t5 import REMEMBERED_SENTENCES
from tracegen_model.network.tracegen.tracegen import TraceGen

from .conftest import TINY_TRACEGEN

SIDE = TINY_TRACEGEN.image_side


@pytest.fixture
def network() -> TraceGen:
    torch.manual_seed(0)
    return TraceGen(TINY_TRACEGEN, EncoderSource(random=True)).eval()


def draw_images(count: int, seed: int = 1) -> ImageBatch:
    generator = torch.Generator().manual_seed(seed)
    return ImageBatch(
        colour=torch.rand(count, 3, SIDE, SIDE, generator=generator),
        depth=2.0 * torch.rand(count, SIDE, SIDE, generator=generator),
        depth_known=torch.ones(count, dtype=torch.bool),
    )


def draw_state(count: int, seed: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, TINY_TRACEGEN.points, TINY_TRACEGEN.horizon, 3, generator=generator)


def transformer_output(network: TraceGen, state: Tensor, label: float, condition: TraceCondition) -> Tensor:
    modulation = network.transformer.modulation(torch.full((len(state),), label))
    return torch.as_tensor(network.transformer(state, modulation, condition.projected))


@pytest.mark.parametrize(("time", "label"), [(0.25, 75.0), (1.0, 0.0), (0.0, 99.0), (0.005, 99.0)])
def test_velocity_points_from_noise_to_data_at_a_label_that_counts_down(
    network: TraceGen, time: float, label: float
) -> None:
    state, condition = draw_state(2), network.condition(draw_images(2), ["push", "pull"])
    found = network.velocity(state, torch.full((2,), time), condition)
    assert torch.allclose(found, -transformer_output(network, state, label, condition), atol=1e-6)
    other = transformer_output(network, state, 50.0, condition)
    assert not torch.allclose(found, -other, atol=1e-3)


def test_a_condition_is_a_tree_of_tensors_with_the_samples_first(network: TraceGen) -> None:
    condition = network.condition(draw_images(3), ["a", "b", "c"])
    leaves = pytree.tree_leaves(condition)
    assert [tuple(leaf.shape) for leaf in leaves] == [(3, 28, 32), (3, 28, 32)]
    second = pytree.tree_map(lambda leaf: leaf[1:2], condition)
    assert isinstance(second, TraceCondition)
    state, time = draw_state(3), torch.tensor([0.1, 0.5, 0.9])
    together = network.velocity(state, time, condition)[1:2]
    assert torch.allclose(network.velocity(state[1:2], time[1:2], second), together, atol=1e-5)


def test_samples_may_share_an_image(network: TraceGen) -> None:
    images, sentences = draw_images(2), ["left", "right", "up"]
    index = torch.tensor([1, 0, 1])
    shared = network.condition(images, sentences, index)
    repeated = ImageBatch(images.colour[index], images.depth[index], images.depth_known[index])
    assert torch.allclose(shared.tokens, network.condition(repeated, sentences).tokens, atol=1e-5)


def test_kept_encoder_features_change_nothing(network: TraceGen) -> None:
    images = draw_images(2)
    features = network.encoder_features(images)
    assert {name: tuple(value.shape) for name, value in features.items()} == {
        "dinov3": (2, 16, 32),
        "siglip": (2, 16, 32),
    }
    black = dataclasses.replace(images, colour=torch.zeros_like(images.colour), features=features)
    expected = network.condition(images, ["a", "b"])
    assert torch.equal(network.condition(black, ["a", "b"]).tokens, expected.tokens)


def test_an_image_without_depth_does_not_depend_on_what_stands_there(network: TraceGen) -> None:
    images = dataclasses.replace(draw_images(2), depth_known=torch.tensor([True, False]))
    other = dataclasses.replace(images, depth=images.depth + 1.0)
    first, second = (network.image_tokens(each) for each in (images, other))
    assert not torch.allclose(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_depth_reaches_the_network_in_its_own_unit(network: TraceGen) -> None:
    images = draw_images(1)
    scaled = dataclasses.replace(images, depth=images.depth * 1000.0)
    with torch.no_grad():
        network.depth.stem.bias.zero_()
        expected = network.image_tokens(images)
        network.depth.stem.weight /= 1000.0
    assert torch.allclose(network.image_tokens(scaled), expected, atol=1e-5)


def test_training_mode_changes_no_output(network: TraceGen) -> None:
    images, sentences, state, time = draw_images(2), ["a b", "c"], draw_state(2), torch.tensor([0.2, 0.7])
    expected = network.velocity(state, time, network.condition(images, sentences))
    trained = copy.deepcopy(network).train()
    assert not any(
        module.training
        for tower in (trained.dinov3, trained.siglip, trained.t5)
        for module in tower.tower.modules()
    )
    assert torch.equal(trained.velocity(state, time, trained.condition(images, sentences)), expected)


def test_every_trained_tensor_gets_a_gradient_and_no_frozen_one(network: TraceGen) -> None:
    images = dataclasses.replace(draw_images(2), depth_known=torch.tensor([True, False]))
    condition = network.train().condition(images, ["put it down", ""])
    network.velocity(draw_state(2), torch.tensor([0.3, 0.6]), condition).square().sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0.0, name
        else:
            assert parameter.grad is None, name


@pytest.fixture
def encoded(network: TraceGen, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the text tower encodes, call by call."""
    calls: list[list[str]] = []
    tokeniser = network.t5.tokeniser

    class Listening:
        def __call__(self, sentences: list[str]) -> NDArray[np.int64]:
            calls.append(list(sentences))
            return tokeniser(sentences)

    monkeypatch.setattr(network.t5, "tokeniser", Listening())
    return calls


def test_a_sentence_is_encoded_once_and_by_itself(network: TraceGen, encoded: list[list[str]]) -> None:
    first = network.t5(["push", "pull", "push"])
    again = network.t5(["pull", "push", "lift"])
    assert encoded == [["push"], ["pull"], ["lift"]]
    assert torch.equal(first[1], again[0]) and torch.equal(first[2], again[1])


def test_the_least_recently_used_sentence_is_forgotten_first(
    network: TraceGen, encoded: list[list[str]]
) -> None:
    sentences = [f"sentence {index}" for index in range(REMEMBERED_SENTENCES)]
    network.t5.features(sentences)
    network.t5.features([sentences[0], "one too many"])
    encoded.clear()
    network.t5.features([sentences[0], sentences[2], "one too many"])
    assert encoded == []
    network.t5.features([sentences[1]])
    assert encoded == [[sentences[1]]]


def test_features_of_a_sentence_do_not_depend_on_those_beside_it(network: TraceGen) -> None:
    alone = network.t5.features(["push the cup"])
    other = TraceGen(TINY_TRACEGEN, EncoderSource(random=True))
    assert torch.equal(other.t5.features(["a", "b c d e", "push the cup"])[2], alone[0])


def test_what_inference_remembered_can_be_trained_on(network: TraceGen) -> None:
    with torch.inference_mode():
        network.t5(["push"])
    network.t5(["push"]).sum().backward()
    assert network.t5.norm.weight.grad is not None


def test_random_towers_follow_their_seed_and_leave_other_randomness_alone() -> None:
    torch.manual_seed(5)
    first = TraceGen(TINY_TRACEGEN, EncoderSource(random=True, seed=3))
    torch.manual_seed(5)
    second = TraceGen(TINY_TRACEGEN, EncoderSource(random=True, seed=4))
    third = TraceGen(TINY_TRACEGEN, EncoderSource(random=True, seed=3))
    trained = {name: tensor for name, tensor in first.state_dict().items() if ".tower." not in name}
    assert all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in trained.items())
    assert first.encoder_digests() == third.encoder_digests()
    different = [
        name for name, value in first.encoder_digests().items() if second.encoder_digests()[name] != value
    ]
    assert different == ["dinov3", "siglip", "t5"]


def test_condition_under_autocast_stays_close(network: TraceGen) -> None:
    images, sentences = draw_images(2), ["a b", "c"]
    expected = network.condition(images, sentences).tokens
    with torch.autocast("cpu", torch.bfloat16):
        rough = network.condition(images, sentences)
        velocity = network.velocity(draw_state(2), torch.tensor([0.2, 0.7]), rough)
    assert (rough.tokens.float() - expected).abs().max() < 0.1 * expected.abs().max()
    assert bool(velocity.isfinite().all())
    assert torch.equal(network.condition(images, sentences).tokens, expected)
