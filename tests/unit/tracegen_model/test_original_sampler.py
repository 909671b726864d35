"""The authors' sampler, restated in their own layout around diffusers' transformer, gives what ours gives."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from diffusers import CogVideoXTransformer3DModel
from tests.network_speed.stock_transformer import stock_transformer
from torch import Tensor

from tracegen_model.network.integrators import SamplerError
from tracegen_model.network.samplers import sample
from tracegen_model.network.tracegen.cogvideox_names import from_cogvideox
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.original_sampler import (
    draw_original_noise,
    original_labels,
    sample_original,
)
from tracegen_model.network.tracegen.tracegen import TraceGen

from .conftest import TINY_TRACEGEN as CONFIG

SIDE, FRAMES, GROUPS = CONFIG.grid_side, CONFIG.frames_in_channels, CONFIG.frame_groups
SEED = 11


@cache
def networks() -> tuple[TraceGen, CogVideoXTransformer3DModel]:
    """Ours, and diffusers' transformer with the same weights."""
    torch.manual_seed(0)
    stock = stock_transformer(CONFIG).eval()
    ours = TraceGen(CONFIG, EncoderSource(random=True)).eval()
    ours.transformer.load_state_dict(from_cogvideox(stock.state_dict(), CONFIG.blocks))
    return ours, stock


def conditioning_tokens(batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(batch, CONFIG.condition_length, CONFIG.condition_width, generator=generator)


@torch.no_grad()
def restated(tokens: Tensor, steps: int, guidance: float) -> Tensor:
    """The authors' procedure, from its description: (B, points, horizon, 3) from the global generator's noise."""
    batch = len(tokens)
    stock = networks()[1]
    negative = torch.randn(batch, CONFIG.condition_length, CONFIG.condition_width) * 0.1
    video = torch.randn(batch, GROUPS, 3 * FRAMES, SIDE, SIDE)
    stride = 100 // steps
    for k in range(steps - 1, -1, -1):
        label = torch.full((batch,), float(k * stride))
        velocity = stock(video, tokens, label, return_dict=False)[0]
        if guidance > 1.0:
            away = stock(video, negative, label, return_dict=False)[0]
            velocity = away + guidance * (velocity - away)
        video = video - 0.01 * velocity
    out = torch.empty(batch, SIDE * SIDE, CONFIG.horizon, 3)
    for row in range(SIDE):
        for column in range(SIDE):
            for step in range(CONFIG.horizon):
                for coordinate in range(3):
                    channel = coordinate * FRAMES + step % FRAMES
                    out[:, row * SIDE + column, step, coordinate] = video[
                        :, step // FRAMES, channel, row, column
                    ]
    return out


@pytest.mark.parametrize(("steps", "guidance"), [(100, 1.0), (7, 1.0), (20, 0.5), (10, 2.5)])
def test_a_seed_gives_what_the_authors_procedure_gives(steps: int, guidance: float) -> None:
    ours = networks()[0]
    tokens = conditioning_tokens()
    with torch.no_grad():
        condition = ours.condition_from_tokens(tokens)
    torch.manual_seed(SEED)
    expected = restated(tokens, steps, guidance)
    torch.manual_seed(SEED)
    found = sample_original(ours, condition, steps, guidance)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    given = sample_original(ours, condition, steps, guidance, torch.Generator().manual_seed(SEED))
    assert torch.equal(given, found)


def test_the_first_draw_is_burnt_without_guidance_too() -> None:
    tokens = conditioning_tokens()
    generator = torch.Generator().manual_seed(SEED)
    first = draw_original_noise(CONFIG, tokens, generator)
    with torch.no_grad():
        condition = networks()[0].condition_from_tokens(tokens)
    barely_moved = sample_original(
        networks()[0], condition, steps=1, generator=torch.Generator().manual_seed(SEED)
    )
    assert (barely_moved - first).abs().max() > 1.0


def test_labels_have_the_leading_spacing() -> None:
    assert original_labels(100, 100) == list(range(99, -1, -1))
    assert original_labels(20, 100)[:2] == [95, 90]
    assert original_labels(30, 100)[0] == 87
    assert all(original_labels(steps, 100)[-1] == 0 for steps in (1, 3, 50))
    for steps in (0, 101):
        with pytest.raises(SamplerError, match=f"1 to 100 steps, got {steps}"):
            original_labels(steps, 100)


def test_only_as_many_steps_as_training_times_reach_the_data() -> None:
    """With all of them it follows the same flow as ours, up to its labels' lag; with fewer, noise is left."""
    ours = networks()[0]
    tokens = conditioning_tokens(1)
    with torch.no_grad():
        condition = ours.condition_from_tokens(tokens)
    generator = torch.Generator().manual_seed(SEED)
    torch.randn(tokens.shape, generator=generator)
    noise = draw_original_noise(CONFIG, tokens, generator)
    ours_there = sample(ours, condition, noise, 100)
    moved = (ours_there - noise).norm()

    def distance(steps: int) -> float:
        found = sample_original(ours, condition, steps, generator=torch.Generator().manual_seed(SEED))
        return float((found - ours_there).norm() / moved)

    assert distance(100) < 0.03
    assert distance(50) > 0.4
    assert distance(20) > 0.7
