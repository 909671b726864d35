"""The network keeps its promises about shapes and alignment, and learns."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tracegen_model.network import flow
from tracegen_model.network.config_error import NetworkConfigError
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.encoders import interpolation_matrix
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.nano.text_tokens import word_ids
from tracegen_model.network.presets import PRESETS
from tracegen_model.network.trace_patches import patchify, unpatchify

from .conftest import TINY


def inputs(batch: int, images: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    side, generator = TINY.image_side, torch.Generator().manual_seed(0)
    colour = torch.rand(images, 3, side, side, generator=generator) * 2.0 - 1.0
    depth = torch.rand(images, side, side, generator=generator) + 0.5
    words = torch.randint(1, TINY.vocabulary, (batch, TINY.text_length), generator=generator)
    return colour, depth, words


@pytest.mark.parametrize("frames", [1, 4, 8])
def test_patches_come_apart_as_they_were_put_together(frames: int) -> None:
    config = dataclasses.replace(TINY, frames_in_channels=frames)
    traces = torch.randn(2, config.points, config.horizon, 3)
    tokens = patchify(traces, config)
    assert tokens.shape == (2, config.patches * config.frame_groups, config.trace_channels)
    torch.testing.assert_close(unpatchify(tokens, config), traces)


def test_a_trace_token_holds_neighbours_on_the_grid() -> None:
    config = dataclasses.replace(TINY, frames_in_channels=8)
    number = torch.arange(config.points).float().view(1, -1, 1, 1).expand(1, -1, config.horizon, 3)
    assert sorted(patchify(number, config)[0, 0].unique().tolist()) == [0.0, 1.0, 4.0, 5.0]


def test_sharing_an_image_changes_nothing() -> None:
    torch.manual_seed(0)
    network = NanoTraceGen(TINY).eval()
    colour, depth, words = inputs(batch=3, images=2)
    index = torch.tensor([0, 1, 1])
    shared, _ = network.find_points(colour, depth, words, index)
    alone, _ = network.find_points(colour[index], depth[index], words)
    torch.testing.assert_close(shared.trace, alone.trace)
    torch.testing.assert_close(shared.modulation, alone.modulation)


def test_the_network_reads_word_order() -> None:
    torch.manual_seed(0)
    network = NanoTraceGen(TINY).eval()
    colour, depth, _ = inputs(batch=1, images=1)
    sentences = ("red block green zone", "green block red zone")
    words = [torch.from_numpy(word_ids(text, TINY.text_length, TINY.vocabulary))[None] for text in sentences]
    one, other = (network.find_points(colour, depth, ids)[0].modulation for ids in words)
    assert not torch.allclose(one, other)


def test_a_sentence_without_words_and_an_image_without_depth_give_numbers() -> None:
    network = NanoTraceGen(TINY).eval()
    colour, depth, words = inputs(batch=1, images=1)
    condition, points = network.find_points(colour, torch.zeros_like(depth), torch.zeros_like(words))
    clean = network(torch.randn(1, TINY.points, TINY.horizon, 3), torch.zeros(1), condition)
    assert torch.isfinite(clean).all()
    assert torch.isfinite(points.uvz).all()


def test_maps_are_read_where_the_points_are() -> None:
    pixels = torch.tensor([1.5, 3.5, 5.5, -4.0, 99.0])
    centres = torch.tensor([1.5, 5.5, 9.5])  # of cells of 4 px
    read = interpolation_matrix(pixels, cells=3, stride=4) @ centres
    torch.testing.assert_close(read, torch.tensor([1.5, 3.5, 5.5, 1.5, 9.5]))


def test_it_learns_a_batch_by_heart() -> None:
    torch.manual_seed(0)
    network = NanoTraceGen(TINY)
    colour, depth, words = inputs(batch=4, images=4)
    clean = torch.randn(4, TINY.points, 1, 3).expand(-1, -1, TINY.horizon, -1)
    known, time = torch.ones(4, TINY.points, TINY.horizon, 1), torch.zeros(4)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(120):
        condition, _ = network.find_points(colour, depth, words)
        predicted = network(torch.randn(clean.shape), time, condition)
        loss = flow.trace_errors(predicted, clean, known, time, position_weight=0.0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.8
    assert losses[-1] < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3}, "multiple of heads"),
        ({"grid_side": 5}, "multiple of patch_side"),
        ({"frames_in_channels": 3}, "multiple of frames_in_channels"),
        ({"blocks": 0}, "blocks must be a positive integer"),
        ({"time_shift": 0.5}, "time_shift"),
    ],
)
def test_impossible_sizes_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(NetworkConfigError, match=message):
        dataclasses.replace(TINY, **change)


def test_unknown_and_missing_fields_are_listed() -> None:
    values = dataclasses.asdict(TINY)
    del values["width"]
    with pytest.raises(NetworkConfigError, match=r"unknown fields \['depth'\], missing fields \['width'\]"):
        NanoConfig.from_dict({**values, "depth": 3})


def test_the_nano_preset_is_small() -> None:
    assert sum(parameter.numel() for parameter in NanoTraceGen(PRESETS["nano"]).parameters()) < 3_000_000
