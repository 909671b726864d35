"""The transformer over conditioning tokens and trace tokens.

A CogVideoX-style diffusion transformer (Yang et al. 2024): all tokens attend to all tokens, and the flow's time shifts,
scales and gates every block, the conditioning tokens with numbers of their own.

Compared with a plain construction of the same formulas, nothing that stays the same is computed again: positions are a
buffer; the conditioning is projected once per frame (``project_condition``); the modulation of all blocks is one matrix
product (``modulation``); and the last block leaves out the conditioning tokens' outputs, which nobody reads.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tracegen_model.network.trace_patches import patchify, unpatchify
from tracegen_model.network.tracegen.config import TraceGenConfig

LAYER_NORM_EPSILON = 1e-5
HEAD_NORM_EPSILON = 1e-6
"""What layer norms add to the variance: those of tokens, and those of queries and keys."""

FREQUENCY_BASE = 10000.0
"""Ratio of the highest to the lowest frequency of embedded times and positions."""

FEED_FORWARD_FACTOR = 4
"""Width inside the feed-forward layers, in widths of a token."""

STREAMS, ROLES, LAYERS = 2, 3, 2
"""A block's modulation: trace tokens and conditioning tokens; shift, scale and gate; attention and feed-forward."""


class TraceTransformer(nn.Module):
    """Noisy traces, modulation and conditioning to the velocity of the published direction of time, noise - data.

    Attributes:
        trace_projection: Numbers of a trace token to its vector.
        condition_projection: Conditioning tokens to vectors.
        time_embedding: Embedded time to the vector that modulates.
        modulation_projection: That vector to the modulation of all blocks and of the output, in this order: of each
            block first its attention, then its feed-forward layers, each with shift, scale and gate of the trace tokens
            and then of the conditioning tokens; last shift and scale of the output.
        blocks: The joint-attention blocks.
        norm_final: Layer norm of the trace tokens.
        norm_out: Layer norm that the output's modulation acts on.
        trace_out: Vectors to the numbers of trace tokens.
    """

    positions: Tensor

    def __init__(self, config: TraceGenConfig) -> None:
        super().__init__()
        self.config = config
        width, time_width = config.width, config.time_width
        self.trace_projection = nn.Linear(config.trace_channels, width)
        self.condition_projection = nn.Linear(config.condition_width, width)
        self.time_embedding = nn.Sequential(
            nn.Linear(width, time_width), nn.SiLU(), nn.Linear(time_width, time_width)
        )
        rows = config.blocks * LAYERS * STREAMS * ROLES + 2
        self.modulation_projection = nn.Linear(time_width, rows * width)
        self.blocks = nn.ModuleList(JointBlock(config) for _ in range(config.blocks))
        self.norm_final = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.norm_out = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.trace_out = nn.Linear(width, config.trace_channels)
        self.register_buffer("positions", trace_positions(config), persistent=False)

    def project_condition(self, tokens: Tensor) -> Tensor:
        """(B, L, width) what blocks see of the conditioning tokens (B, L, condition_width)."""
        return torch.as_tensor(self.condition_projection(tokens))

    def modulation(self, labels: Tensor) -> Tensor:
        """(B, rows, width) modulation of all blocks and of the output at the times ``labels`` (B,), 0..flow_times."""
        embedded = embed_times(labels, self.config.width).to(self.trace_projection.weight.dtype)
        vector = F.silu(self.time_embedding(embedded))
        return torch.as_tensor(self.modulation_projection(vector)).unflatten(-1, (-1, self.config.width))

    def forward(self, noisy: Tensor, modulation: Tensor, condition: Tensor) -> Tensor:
        """Noise minus data (B, points, horizon, 3).

        Args:
            noisy: (B, points, horizon, 3) normalised increments mixed with noise.
            modulation: (B, rows, width) from :meth:`modulation`.
            condition: (B, L, width) from :meth:`project_condition`.
        """
        config = self.config
        patches = patchify(noisy, config.grid_side, config.patch_side, config.frames_in_channels)
        trace = self.trace_projection(patches) + self.positions
        given = condition.shape[1]
        tokens = torch.cat([condition.to(trace.dtype), trace], dim=1)
        of_blocks = modulation[:, :-2].unflatten(1, (config.blocks, LAYERS, STREAMS, ROLES))
        for index, block in enumerate(self.blocks):
            tokens = block(tokens, of_blocks[:, index], given, last=index == config.blocks - 1)
        shift, scale = modulation[:, -2:].split(1, dim=1)
        out = _modulated(self.norm_out, self.norm_final(tokens), shift, scale)
        return unpatchify(self.trace_out(out), config.grid_side, config.patch_side, config.frames_in_channels)


class JointBlock(nn.Module):
    """Attention of all tokens to all tokens, then feed-forward layers; both modulated and gated by the time.

    Attributes:
        norm_attention: Layer norm before the attention, for tokens of both kinds.
        attention: The attention.
        norm_feed_forward: Layer norm before the feed-forward layers.
        feed_forward: The feed-forward layers.
    """

    def __init__(self, config: TraceGenConfig) -> None:
        super().__init__()
        width = config.width
        self.norm_attention = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.attention = JointAttention(width, config.heads)
        self.norm_feed_forward = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, FEED_FORWARD_FACTOR * width),
            nn.GELU(approximate="tanh"),
            nn.Linear(FEED_FORWARD_FACTOR * width, width),
        )

    def forward(self, tokens: Tensor, modulation: Tensor, given: int, last: bool) -> Tensor:
        """Tokens (B, given + trace tokens, width) after the block; the trace tokens alone when it is the ``last``.

        Args:
            tokens: The conditioning tokens, ``given`` of them, and the trace tokens.
            modulation: (B, LAYERS, STREAMS, ROLES, width).
            given: Number of conditioning tokens.
            last: The conditioning tokens are not read any more.
        """
        trace = tokens.shape[1] - given
        shift, scale, gate = _per_token(modulation[:, 0], given, trace)
        skip = given if last else 0
        attended = self.attention(_modulated(self.norm_attention, tokens, shift, scale), skip)
        tokens = torch.addcmul(tokens[:, skip:], gate[:, skip:], attended)
        shift, scale, gate = _per_token(modulation[:, 1], given - skip, trace)
        return torch.addcmul(
            tokens, gate, self.feed_forward(_modulated(self.norm_feed_forward, tokens, shift, scale))
        )


class JointAttention(nn.Module):
    """Self-attention of several heads; queries and keys are normalised per head.

    Attributes:
        qkv: Tokens to queries, keys and values.
        norm_query: Layer norm of a head's queries.
        norm_key: Layer norm of a head's keys.
        out: What the heads found, to tokens.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.norm_query = nn.LayerNorm(width // heads, eps=HEAD_NORM_EPSILON)
        self.norm_key = nn.LayerNorm(width // heads, eps=HEAD_NORM_EPSILON)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, skip: int = 0) -> Tensor:
        """(B, L - skip, width) what the tokens after the first ``skip`` find in all ``tokens`` (B, L, width)."""
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self._heads, -1)).unbind(2)
        query = self.norm_query(query[:, skip:]).transpose(1, 2)
        key = self.norm_key(key).transpose(1, 2)
        found = F.scaled_dot_product_attention(query, key, value.transpose(1, 2))
        return torch.as_tensor(self.out(found.transpose(1, 2).flatten(2)))


def embed_times(labels: Tensor, width: int) -> Tensor:
    """(B, width) float32 embedding of times ``labels`` (B,): [cos, sin] at frequencies 10000^(-i / (width / 2))."""
    angles = labels.float()[:, None] * _frequencies(width // 2).to(labels.device)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def trace_positions(config: TraceGenConfig) -> Tensor:
    """(trace tokens, width) embedded places of trace tokens, in the order of ``patchify``.

    A quarter of the width says when, three eighths in which column and three eighths in which row; each part is
    [sin, cos] at frequencies 10000^(-i / (its width / 2)). Conditioning tokens have no places.
    """
    side, width = config.grid_side // config.patch_side, config.width
    time, row, column = torch.meshgrid(
        torch.arange(config.frame_groups), torch.arange(side), torch.arange(side), indexing="ij"
    )
    in_time, in_space = width // 4, width * 3 // 8
    parts = (
        (time.flatten().double(), in_time),
        (column.flatten().double() / config.spatial_scale, in_space),
        (row.flatten().double() / config.spatial_scale, in_space),
    )
    return torch.cat([_embed_places(place, size) for place, size in parts], dim=-1)


def _embed_places(places: Tensor, width: int) -> Tensor:
    angles = places[:, None] * _frequencies(width // 2, torch.float64).to(places.device)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).float()


def _frequencies(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.exp(-math.log(FREQUENCY_BASE) / count * torch.arange(count, dtype=dtype))


def _per_token(modulation: Tensor, given: int, trace: int) -> tuple[Tensor, Tensor, Tensor]:
    """Shift, scale and gate (B, given + trace, width) from ``modulation`` (B, STREAMS, ROLES, width)."""
    of_trace, of_given = modulation.unbind(1)
    per_token = torch.cat(
        [of_given[:, :, None].expand(-1, -1, given, -1), of_trace[:, :, None].expand(-1, -1, trace, -1)],
        dim=2,
    )
    shift, scale, gate = per_token.unbind(1)
    return shift, scale, gate


def _modulated(norm: nn.LayerNorm, tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """norm(tokens) (1 + scale) + shift."""
    normalised = norm(tokens)
    return torch.addcmul(normalised + shift, normalised, scale)
