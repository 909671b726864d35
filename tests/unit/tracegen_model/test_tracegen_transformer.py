"""The trace transformer against its formulas, written out one number at a time, and against diffusers' own."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.network_speed.stock_transformer import stock_transformer
from torch import Tensor

from tracegen_model.network.presets import preset
from tracegen_model.network.trace_patches import patchify, unpatchify
from tracegen_model.network.tracegen.cogvideox_names import from_cogvideox
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.trace_transformer import TraceTransformer, embed_times, trace_positions

from .conftest import TINY_TRACEGEN

Array = NDArray[np.float64]
Weights = Mapping[str, Array]

RELATIVE = 1e-5
"""What float32 may differ by from the same formula in float64, relative to the largest number."""


def assert_close(found: Tensor, expected: Array, relative: float = RELATIVE) -> None:
    assert found.shape == expected.shape
    error = np.abs(found.detach().double().numpy() - expected).max() / np.abs(expected).max()
    assert error <= relative, f"{error:.2e} relative"


def transformer(config: TraceGenConfig, seed: int = 0) -> TraceTransformer:
    """With random weights everywhere: layer norms that start as the identity would hide errors."""
    generator = torch.Generator().manual_seed(seed)
    network = TraceTransformer(config).eval()
    for parameter in network.parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        parameter.data = 0.5 * drawn / (math.sqrt(parameter.shape[-1]) if parameter.ndim == 2 else 1.0)
    return network


def weights_of(network: TraceTransformer) -> Weights:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def naive_sinusoid(position: float, count: int) -> list[float]:
    return [position * 10000.0 ** (-i / count) for i in range(count)]


def naive_times(label: float, width: int) -> Array:
    angles = naive_sinusoid(label, width // 2)
    return np.array([math.cos(a) for a in angles] + [math.sin(a) for a in angles])


def naive_positions(groups: int, side: int, width: int, scale: float) -> Array:
    rows = []
    for time in range(groups):
        for row in range(side):
            for column in range(side):
                code: list[float] = []
                for position, size in (
                    (time, width // 4),
                    (column / scale, 3 * width // 8),
                    (row / scale, 3 * width // 8),
                ):
                    angles = naive_sinusoid(position, size // 2)
                    code += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
                rows.append(code)
    return np.array(rows)


def naive_patches(traces: Array, config: TraceGenConfig) -> Array:
    """(tokens, channels) of traces (points, steps, 3): frame = 2 tau + j, channel = 2 c + j, row-major points."""
    side, patch, frames = config.grid_side // config.patch_side, config.patch_side, config.frames_in_channels
    tokens = []
    for tau in range(config.frame_groups):
        for row in range(side):
            for column in range(side):
                token = []
                for channel in range(3 * frames):
                    coordinate, j = divmod(channel, frames)
                    for down in range(patch):
                        for right in range(patch):
                            point = (row * patch + down) * config.grid_side + column * patch + right
                            token.append(traces[point, tau * frames + j, coordinate])
                tokens.append(token)
    return np.array(tokens)


def linear(w: Weights, name: str, x: Array) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(w: Weights, name: str, x: Array, epsilon: float = 1e-5) -> Array:
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * w[f"{name}.weight"] + w[f"{name}.bias"]


def silu(x: Array) -> Array:
    return x / (1.0 + np.exp(-x))


def gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def naive_attention(w: Weights, name: str, tokens: Array, heads: int) -> Array:
    width = tokens.shape[-1]
    size = width // heads
    query, key, value = (linear(w, f"{name}.{part}", tokens) for part in ("query", "key", "value"))
    found = np.zeros_like(tokens)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        q = layer_norm(w, f"{name}.norm_query", query[:, part], 1e-6)
        k = layer_norm(w, f"{name}.norm_key", key[:, part], 1e-6)
        for position in range(len(tokens)):
            logits = k @ q[position] / math.sqrt(size)
            share = np.exp(logits - logits.max())
            found[position, part] = share / share.sum() @ value[:, part]
    return linear(w, f"{name}.out", found)


def naive_block(
    w: Weights, index: int, given: Array, trace: Array, temb: Array, heads: int
) -> tuple[Array, Array]:
    name, width = f"blocks.{index}", trace.shape[-1]
    activated = silu(temb)
    for layer, norm in enumerate(("norm_attention", "norm_feed_forward")):
        rows = slice((index * 2 + layer) * 6 * width, (index * 2 + layer + 1) * 6 * width)
        six = w["modulation_projection.weight"][rows] @ activated + w["modulation_projection.bias"][rows]
        shift, scale, gate, given_shift, given_scale, given_gate = np.split(six, 6)
        normed_trace = layer_norm(w, f"{name}.{norm}", trace) * (1.0 + scale) + shift
        normed_given = layer_norm(w, f"{name}.{norm}", given) * (1.0 + given_scale) + given_shift
        both = np.concatenate([normed_given, normed_trace])
        if layer == 0:
            change = naive_attention(w, f"{name}.attention", both, heads)
        else:
            hidden = gelu_tanh(linear(w, f"{name}.feed_forward.0", both))
            change = linear(w, f"{name}.feed_forward.2", hidden)
        given = given + given_gate * change[: len(given)]
        trace = trace + gate * change[len(given) :]
    return given, trace


def naive_transformer(w: Weights, config: TraceGenConfig, noisy: Array, label: float, tokens: Array) -> Array:
    """Tokens (trace tokens, channels) of one sample, in the order of ``naive_patches``."""
    temb = linear(
        w, "time_embedding.2", silu(linear(w, "time_embedding.0", naive_times(label, config.width)))
    )
    trace = linear(w, "trace_projection", naive_patches(noisy, config))
    side = config.grid_side // config.patch_side
    trace = trace + naive_positions(config.frame_groups, side, config.width, config.spatial_scale)
    given = linear(w, "condition_projection", tokens)
    for index in range(config.blocks):
        given, trace = naive_block(w, index, given, trace, temb, config.heads)
    trace = layer_norm(w, "norm_final", trace)
    rows = slice(config.blocks * 12 * config.width, None)
    shift, scale = np.split(
        w["modulation_projection.weight"][rows] @ silu(temb) + w["modulation_projection.bias"][rows], 2
    )
    return linear(w, "trace_out", layer_norm(w, "norm_out", trace) * (1.0 + scale) + shift)


def draw(config: TraceGenConfig, batch: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    noisy = torch.randn(batch, config.points, config.horizon, 3, generator=generator)
    tokens = torch.randn(batch, config.condition_length, config.condition_width, generator=generator)
    return noisy, tokens


def run(network: TraceTransformer, noisy: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.as_tensor(network(noisy, network.modulation(labels), network.project_condition(tokens)))


def test_times_are_embedded_as_cosines_then_sines_of_the_raw_label() -> None:
    labels = [0.0, 1.0, 42.0, 99.0]
    expected = np.stack([naive_times(label, 768) for label in labels])
    assert_close(embed_times(torch.tensor(labels), 768), expected)


def test_positions_say_time_then_column_then_row() -> None:
    base = TraceGenConfig()
    assert_close(trace_positions(base), naive_positions(16, 10, 768, 1.875))
    assert trace_positions(base).shape == (1600, 768)


def test_a_trace_token_holds_a_patch_of_points_over_consecutive_steps() -> None:
    traces = np.random.default_rng(0).standard_normal((1, 400, 32, 3))
    tokens = patchify(torch.from_numpy(traces), TraceGenConfig())
    assert np.array_equal(tokens[0].numpy(), naive_patches(traces[0], TraceGenConfig()))
    assert np.array_equal(unpatchify(tokens, TraceGenConfig()).numpy(), traces)


def test_the_modulation_is_the_embedded_time_through_its_layers() -> None:
    network = transformer(TINY_TRACEGEN)
    w = weights_of(network)
    temb = linear(w, "time_embedding.2", silu(linear(w, "time_embedding.0", naive_times(7.0, 32))))
    expected = linear(w, "modulation_projection", silu(temb)).reshape(1, -1, 32)
    assert_close(network.modulation(torch.tensor([7.0])), expected)


@pytest.mark.parametrize("last", [False, True])
def test_a_block_follows_its_formulas(last: bool) -> None:
    network, config = transformer(TINY_TRACEGEN), TINY_TRACEGEN
    w, width = weights_of(network), TINY_TRACEGEN.width
    rng = np.random.default_rng(2)
    given, trace = rng.standard_normal((5, width)), rng.standard_normal((7, width))
    temb = linear(w, "time_embedding.2", silu(linear(w, "time_embedding.0", naive_times(30.0, width))))
    expected_given, expected_trace = naive_block(w, 0, given, trace, temb, config.heads)
    modulation = network.modulation(torch.tensor([30.0]))[:, :12].reshape(1, 2, 2, 3, width)
    tokens = (torch.from_numpy(each[None]).float() for each in (trace, given))
    found_trace, found_given = network.blocks[0](*tokens, modulation, last)
    assert_close(found_trace[0], expected_trace)
    assert_close(found_given[0], given if last else expected_given)


def test_the_whole_transformer_follows_its_formulas() -> None:
    network, config = transformer(TINY_TRACEGEN), TINY_TRACEGEN
    noisy, tokens = draw(config, batch=2)
    labels = [99.0, 13.5]
    found = run(network, noisy, torch.tensor(labels), tokens)
    for sample, label in enumerate(labels):
        expected = naive_transformer(
            weights_of(network),
            config,
            noisy[sample].double().numpy(),
            label,
            tokens[sample].double().numpy(),
        )
        assert_close(patchify(found, config)[sample], expected)


@pytest.mark.parametrize(
    "config",
    [TINY_TRACEGEN, pytest.param(preset("base"), marks=pytest.mark.timeout(180))],
    ids=["tiny", "base"],
)
def test_diffusers_transformer_with_the_same_weights_gives_the_same_velocity(config: TraceGenConfig) -> None:
    torch.manual_seed(0)
    stock = stock_transformer(config).eval()
    ours = TraceTransformer(config).eval()
    ours.load_state_dict(from_cogvideox(stock.state_dict(), config.blocks))
    noisy, tokens = draw(config, batch=1)
    side, frames = config.grid_side, config.frames_in_channels
    video = noisy.view(1, side, side, config.frame_groups, frames, 3).permute(0, 3, 5, 4, 1, 2)
    labels = torch.tensor([37.0])
    with torch.no_grad():
        expected = stock(video.flatten(2, 3), tokens, labels, return_dict=False)[0]
    found = run(ours, noisy, labels, tokens).view(1, side, side, config.frame_groups, frames, 3)
    assert_close(found.permute(0, 3, 5, 4, 1, 2).flatten(2, 3), expected.double().numpy())


def test_diffusers_transformer_gets_the_same_gradients() -> None:
    torch.manual_seed(0)
    stock = stock_transformer(TINY_TRACEGEN).eval()
    ours = TraceTransformer(TINY_TRACEGEN)
    ours.load_state_dict(from_cogvideox(stock.state_dict(), TINY_TRACEGEN.blocks))
    noisy, tokens = draw(TINY_TRACEGEN, batch=2)
    labels, side = torch.tensor([5.0, 80.0]), TINY_TRACEGEN.grid_side
    video = noisy.view(2, side, side, 4, 2, 3).permute(0, 3, 5, 4, 1, 2).flatten(2, 3)
    stock(video, tokens, labels, return_dict=False)[0].square().sum().backward()
    found = ours(noisy, ours.modulation(labels), ours.project_condition(tokens))
    found.square().sum().backward()
    expected = from_cogvideox(
        {name: entry.grad for name, entry in stock.named_parameters()}, TINY_TRACEGEN.blocks
    )
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None
        scale = expected[name].abs().max()
        assert (parameter.grad - expected[name]).abs().max() <= 1e-4 * scale + 1e-5, name


def test_samples_of_a_batch_do_not_touch_each_other() -> None:
    network = transformer(TINY_TRACEGEN)
    noisy, tokens = draw(TINY_TRACEGEN, batch=3)
    labels = torch.tensor([0.0, 50.0, 99.0])
    together = run(network, noisy, labels, tokens)
    alone = run(network, noisy[1:2], labels[1:2], tokens[1:2])
    assert_close(alone, together[1:2].double().numpy())
