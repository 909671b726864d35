"""The frozen towers against the formulas of the published models, written out; and what is done around them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tracegen_model.network.images import ImageBatch
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.tracegen import TraceGen

from .conftest import TINY_TRACEGEN

Array = NDArray[np.float64]
Weights = Mapping[str, Array]

SIDE, PATCH = TINY_TRACEGEN.image_side, TINY_TRACEGEN.siglip.patch_side
CELLS = SIDE // PATCH
WIDTH = 32
RELATIVE = 1e-5


def assert_close(found: Tensor, expected: Array, relative: float = RELATIVE) -> None:
    assert found.shape == expected.shape
    error = np.abs(found.detach().double().numpy() - expected).max() / np.abs(expected).max()
    assert error <= relative, f"{error:.2e} relative"


@pytest.fixture
def network() -> TraceGen:
    """With random weights everywhere: norms and scales that start as constants would hide errors."""
    network = TraceGen(TINY_TRACEGEN, EncoderSource(random=True)).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
        parameter.data = torch.randn(parameter.shape, generator=generator) / math.sqrt(fan_in)
    return network


def draw_images(count: int, depth_known: list[bool] | None = None) -> ImageBatch:
    generator = torch.Generator().manual_seed(1)
    return ImageBatch(
        colour=torch.rand(count, 3, SIDE, SIDE, generator=generator),
        depth=2.0 * torch.rand(count, SIDE, SIDE, generator=generator),
        depth_known=torch.tensor(depth_known or [True] * count),
    )


def weights_of(module: nn.Module) -> Weights:
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


def linear(w: Weights, name: str, x: Array) -> Array:
    out: Array = x @ w[f"{name}.weight"].T
    return out + w[f"{name}.bias"] if f"{name}.bias" in w else out


def layer_norm(w: Weights, name: str, x: Array, epsilon: float) -> Array:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * w[f"{name}.weight"] + w[f"{name}.bias"]


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gelu_exact(x: Array) -> Array:
    return 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def naive_patch_tokens(kernel: Array, bias: Array, image: Array) -> Array:
    """(tokens, width) of image (3, side, side), row by row."""
    tokens = []
    for row in range(CELLS):
        for column in range(CELLS):
            patch = image[:, row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
            tokens.append((kernel * patch).sum(axis=(1, 2, 3)) + bias)
    return np.array(tokens)


def rotate(x: Array, angles: Array) -> Array:
    """Turn the pairs (i, i + half) of the last axis."""
    half = x.shape[-1] // 2
    turned = np.concatenate([-x[:, half:], x[:, :half]], axis=-1)
    return x * np.cos(angles) + turned * np.sin(angles)


def naive_dinov3(w: Weights, colour: Array, heads: int, registers: int) -> Array:
    """Tokens of places, after the backbone's own last norm, from colour (3, side, side) 0..1."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    image = (colour - mean[:, None, None]) / deviation[:, None, None]
    patches = naive_patch_tokens(w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], image)
    tokens = np.concatenate([w["cls_token"][0], w["reg_token"][0], patches])
    head_width, prefix = WIDTH // heads, 1 + registers
    periods = 100.0 ** (2.0 * np.arange(head_width // 4) / (head_width // 2))
    angles = []
    for row in range(CELLS):
        for column in range(CELLS):
            v, u = (2.0 * (place + 0.5) / CELLS - 1.0 for place in (row, column))
            once = np.concatenate([2.0 * math.pi * v / periods, 2.0 * math.pi * u / periods])
            angles.append(np.concatenate([once, once]))
    for index in range(TINY_TRACEGEN.dinov3.depth):
        name = f"blocks.{index}"
        x = layer_norm(w, f"{name}.norm1", tokens, 1e-5)
        query, key, value = np.split(linear(w, f"{name}.attn.qkv", x), 3, axis=-1)
        found = np.zeros_like(tokens)
        for head in range(heads):
            part = slice(head * head_width, (head + 1) * head_width)
            q, k = query[:, part].copy(), key[:, part].copy()
            q[prefix:], k[prefix:] = (
                rotate(q[prefix:], np.array(angles)),
                rotate(k[prefix:], np.array(angles)),
            )
            found[:, part] = softmax(q @ k.T / math.sqrt(head_width)) @ value[:, part]
        tokens = tokens + w[f"{name}.gamma_1"] * linear(w, f"{name}.attn.proj", found)
        x = gelu_exact(linear(w, f"{name}.mlp.fc1", layer_norm(w, f"{name}.norm2", tokens, 1e-5)))
        tokens = tokens + w[f"{name}.gamma_2"] * linear(w, f"{name}.mlp.fc2", x)
    return layer_norm(w, "norm", tokens, 1e-5)[prefix:]


def naive_siglip(w: Weights, image: Array, heads: int) -> Array:
    """Tokens after the backbone's own last norm, from an image (3, side, side) as it takes it."""
    kernel, bias = w["embeddings.patch_embedding.weight"], w["embeddings.patch_embedding.bias"]
    tokens = naive_patch_tokens(kernel, bias, image) + w["embeddings.position_embedding.weight"]
    size = WIDTH // heads
    for index in range(TINY_TRACEGEN.siglip.depth):
        name = f"encoder.layers.{index}"
        x = layer_norm(w, f"{name}.layer_norm1", tokens, 1e-6)
        query, key, value = (linear(w, f"{name}.self_attn.{part}_proj", x) for part in "qkv")
        found = np.zeros_like(tokens)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            found[:, part] = softmax(query[:, part] @ key[:, part].T / math.sqrt(size)) @ value[:, part]
        tokens = tokens + linear(w, f"{name}.self_attn.out_proj", found)
        x = linear(w, f"{name}.mlp.fc1", layer_norm(w, f"{name}.layer_norm2", tokens, 1e-6))
        tokens = tokens + linear(w, f"{name}.mlp.fc2", gelu_tanh(x))
    return layer_norm(w, "post_layernorm", tokens, 1e-6)


def t5_bucket(distance: int) -> int:
    """Bucket of key position minus query position: 16 for each direction, the nearest 8 exact, then logarithmic."""
    ahead, far = 16 if distance > 0 else 0, abs(distance)
    if far < 8:
        return ahead + far
    return ahead + min(15, 8 + int(math.log(far / 8) / math.log(128 / 8) * 8))


def naive_t5(w: Weights, ids: list[int]) -> Array:
    """Tokens (length, width) of padded word ids; words see words only, not padding."""

    def rms_norm(name: str, x: Array) -> Array:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * w[f"{name}.weight"]

    sizes = TINY_TRACEGEN.t5
    tokens = w["embed_tokens.weight"][ids]
    table = w["block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    buckets = [[t5_bucket(key - query) for key in range(len(ids))] for query in range(len(ids))]
    padding = np.where(np.array(ids) == 0, -np.inf, 0.0)
    for index in range(sizes.depth):
        name = f"block.{index}.layer"
        x = rms_norm(f"{name}.0.layer_norm", tokens)
        query, key, value = (linear(w, f"{name}.0.SelfAttention.{part}", x) for part in "qkv")
        found = np.zeros_like(query)
        for head in range(sizes.heads):
            part = slice(head * sizes.head_width, (head + 1) * sizes.head_width)
            logits = query[:, part] @ key[:, part].T + table[buckets][:, :, head] + padding
            found[:, part] = softmax(logits) @ value[:, part]
        tokens = tokens + linear(w, f"{name}.0.SelfAttention.o", found)
        x = linear(w, f"{name}.1.DenseReluDense.wi", rms_norm(f"{name}.1.layer_norm", tokens))
        tokens = tokens + linear(w, f"{name}.1.DenseReluDense.wo", np.maximum(x, 0.0))
    return rms_norm("final_layer_norm", tokens)


def as_array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def test_the_geometry_tower_is_dinov3_without_its_prefix_tokens(network: TraceGen) -> None:
    images = draw_images(2)
    w, sizes = weights_of(network.dinov3.tower), TINY_TRACEGEN.dinov3
    expected = [naive_dinov3(w, as_array(colour), sizes.heads, sizes.registers) for colour in images.colour]
    features = network.dinov3.features(images.colour)
    assert_close(features, np.array(expected))
    normed = layer_norm(weights_of(network.dinov3), "norm", np.array(expected), 1e-5)
    assert_close(network.dinov3(features), normed)


def test_the_appearance_tower_is_siglip_on_colours_of_minus_one_to_one(network: TraceGen) -> None:
    images = draw_images(2)
    w = weights_of(network.siglip.tower)
    expected = [
        naive_siglip(w, (as_array(colour) - 0.5) / 0.5, TINY_TRACEGEN.siglip.heads)
        for colour in images.colour
    ]
    features = network.siglip.features(images.colour)
    assert_close(features, np.array(expected))
    normed = layer_norm(weights_of(network.siglip), "norm", np.array(expected), 1e-5)
    assert_close(network.siglip(features), normed)


def naive_depth_tokens(network: TraceGen, depth: Array) -> Array:
    kernel, bias = as_array(network.depth.stem.weight)[:, 0], as_array(network.depth.stem.bias)
    channels = depth[None] * kernel + bias[:, None, None]
    tokens = naive_siglip(weights_of(network.siglip.tower), channels, TINY_TRACEGEN.siglip.heads)
    return layer_norm(weights_of(network.depth), "norm", tokens, 1e-5)


def test_depth_goes_through_a_linear_stem_and_the_same_siglip(network: TraceGen) -> None:
    images = draw_images(1)
    expected = naive_depth_tokens(network, as_array(images.depth[0]))
    assert_close(network.depth(images.depth, network.siglip)[0], expected)


@pytest.mark.parametrize("sentence", ["put the red block in the green zone", "", "a " * 40])
def test_the_text_tower_is_t5_whose_words_do_not_see_the_padding(network: TraceGen, sentence: str) -> None:
    ids = network.t5.tokeniser([sentence])[0].tolist()
    assert len(ids) == TINY_TRACEGEN.text_length
    expected = naive_t5(weights_of(network.t5.tower), ids)
    assert_close(network.t5.features([sentence])[0], expected)
    assert_close(network.t5([sentence])[0], layer_norm(weights_of(network.t5), "norm", expected, 1e-5))


def test_t5_puts_far_words_into_logarithmic_buckets(network: TraceGen) -> None:
    attention = network.t5.tower.get_submodule("block.0.layer.0.SelfAttention")
    bias = attention.compute_bias(128, 128)[0, 0]
    table = attention.relative_attention_bias.weight[:, 0]
    buckets = [[t5_bucket(key - query) for key in range(128)] for query in range(128)]
    assert torch.equal(bias, table[torch.tensor(buckets)])


def test_fusion_takes_geometry_then_appearance_then_depth_and_text_follows_the_image(
    network: TraceGen,
) -> None:
    images, sentence = draw_images(2, depth_known=[True, False]), "push the cup"
    w = weights_of(network)
    of_depth = [
        naive_depth_tokens(network, as_array(images.depth[0])),
        np.tile(w["depth_mask_token"][0], (16, 1)),
    ]
    expected = []
    for index, colour in enumerate(as_array(images.colour)):
        dino = naive_dinov3(weights_of(network.dinov3.tower), colour, 2, 4)
        siglip = naive_siglip(weights_of(network.siglip.tower), 2.0 * colour - 1.0, 2)
        parts = [
            layer_norm(weights_of(network.dinov3), "norm", dino, 1e-5),
            layer_norm(weights_of(network.siglip), "norm", siglip, 1e-5),
            of_depth[index],
        ]
        image = linear(w, "fusion", np.concatenate(parts, axis=-1))
        text = naive_t5(weights_of(network.t5.tower), network.t5.tokeniser([sentence])[0].tolist())
        expected.append(np.concatenate([image, layer_norm(weights_of(network.t5), "norm", text, 1e-5)]))
    condition = network.condition(images, [sentence] * 2)
    assert_close(condition.tokens, np.array(expected))
    projected = linear(weights_of(network.transformer), "condition_projection", np.array(expected))
    assert_close(condition.projected, projected)
