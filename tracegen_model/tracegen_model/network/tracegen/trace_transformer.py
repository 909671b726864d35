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
        trace, given = self.trace_projection(patchify(noisy, config)) + self.positions, condition
        of_blocks = modulation[:, :-2].unflatten(1, (config.blocks, LAYERS, STREAMS, ROLES))
        for index, block in enumerate(self.blocks):
            trace, given = block(trace, given, of_blocks[:, index], last=index == config.blocks - 1)
        trace = _modulated(self.norm_out, self.norm_final(trace), modulation[:, -2:])
        return unpatchify(self.trace_out(trace), config)


class JointBlock(nn.Module):
    """Attention of all tokens to all tokens, then feed-forward layers; both modulated and gated by the time.

    Trace tokens and conditioning tokens go through the same layers, modulated differently. They are joined for the
    attention only: each time costs as much as a layer norm.

    Attributes:
        norm_attention: Layer norm before the attention.
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

    def forward(
        self, trace: Tensor, given: Tensor, modulation: Tensor, last: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Trace tokens (B, N, width) and conditioning tokens (B, L, width) after the block.

        Args:
            trace: Trace tokens.
            given: Conditioning tokens.
            modulation: (B, LAYERS, STREAMS, ROLES, width).
            last: Nobody reads the conditioning tokens after this block; they come back as they are.
        """
        for_trace, for_given = modulation[:, 0].unbind(1)
        norm = self.norm_attention
        joint = torch.cat([_modulated(norm, given, for_given), _modulated(norm, trace, for_trace)], dim=1)
        length = given.shape[1]
        found = self.attention(joint, skip=length if last else 0)
        trace = _gated(trace, found[:, -trace.shape[1] :], for_trace)
        if not last:
            given = _gated(given, found[:, :length], for_given)

        for_trace, for_given = modulation[:, 1].unbind(1)
        norm = self.norm_feed_forward
        trace = _gated(trace, self.feed_forward(_modulated(norm, trace, for_trace)), for_trace)
        if not last:
            given = _gated(given, self.feed_forward(_modulated(norm, given, for_given)), for_given)
        return trace, given


class JointAttention(nn.Module):
    """Self-attention of several heads; queries and keys are normalised per head.

    Attributes:
        query: Tokens to queries.
        key: Tokens to keys.
        value: Tokens to values.
        norm_query: Layer norm of a head's queries.
        norm_key: Layer norm of a head's keys.
        out: What the heads found, to tokens.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.norm_query = nn.LayerNorm(width // heads, eps=HEAD_NORM_EPSILON)
        self.norm_key = nn.LayerNorm(width // heads, eps=HEAD_NORM_EPSILON)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, skip: int = 0) -> Tensor:
        """(B, L - skip, width) what the tokens after the first ``skip`` find in all ``tokens`` (B, L, width)."""
        query = self.norm_query(self._of_heads(self.query(tokens[:, skip:])))
        key = self.norm_key(self._of_heads(self.key(tokens)))
        value = self._of_heads(self.value(tokens))
        found = F.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        )
        return torch.as_tensor(self.out(found.transpose(1, 2).flatten(2)))

    def _of_heads(self, vectors: Tensor) -> Tensor:
        """(B, L, heads, width of a head)."""
        return vectors.unflatten(-1, (self._heads, -1))


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


def _modulated(norm: nn.LayerNorm, tokens: Tensor, roles: Tensor) -> Tensor:
    """norm(tokens) (1 + scale) + shift, with shift and scale the first of ``roles`` (B, ROLES, width)."""
    return torch.addcmul(roles[:, 0:1], norm(tokens), 1.0 + roles[:, 1:2])


def _gated(tokens: Tensor, change: Tensor, roles: Tensor) -> Tensor:
    """tokens + gate * change, with the gate the last of ``roles`` (B, ROLES, width)."""
    return torch.addcmul(tokens, change, roles[:, 2:3])
