"""The trace transformer: joint attention over conditioning tokens and trace tokens, as in CogVideoX.

A trace token carries a patch of the query grid over ``frames_in_channels`` steps. Both streams share the layers'
weights and are shifted, scaled and gated by their own modulation, made from time, text and query points (adaLN).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tracegen_model.network.nano.conditioning import SUPERVISED_POINTS, Conditioning
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.trace_patches import patchify, unpatchify

TIME_SCALE = 1000.0
"""Times 0..1 are embedded as 0..1000, the range that sinusoids with periods up to 10000 resolve."""


class TraceTransformer(nn.Module):
    """Predicts the clean traces from noisy ones: data prediction, the best guess of x at t = 1."""

    places: Tensor

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self._config = config
        self.to_tokens = nn.Linear(config.trace_channels, config.width)
        self.time = nn.Sequential(
            nn.Linear(config.modulation_width, config.modulation_width),
            nn.SiLU(),
            nn.Linear(config.modulation_width, config.modulation_width),
        )
        self.blocks = nn.ModuleList(JointBlock(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        self.norm_out = nn.Linear(config.modulation_width, 2 * config.width)
        self.to_traces = nn.Linear(config.width, config.trace_channels)
        _initialise_modulation(self.norm_out, gates=())
        nn.init.normal_(self.to_traces.weight, std=0.02)
        nn.init.zeros_(self.to_traces.bias)
        side = config.grid_side // config.patch_side
        self.register_buffer(
            "places", sin_cos_positions(config.width, config.frame_groups, side), persistent=False
        )

    def forward(self, noisy: Tensor, time: Tensor, condition: Conditioning) -> Tensor:
        """Best guess of the clean traces (B, points, horizon, 3), normalised.

        Args:
            noisy: (B, points, horizon, 3) normalised increments with noise.
            time: (B,) 0 = noise only, 1 = clean.
            condition: What the image and the sentence say.
        """
        modulation = self.time(
            _sinusoid(time * TIME_SCALE, self._config.modulation_width).to(condition.modulation.dtype)
        )
        modulation = F.silu(modulation + condition.modulation)
        placed = condition.trace.repeat(1, self._config.frame_groups, 1)
        placed = placed + self.places.to(placed.dtype)
        trace = self.to_tokens(patchify(noisy, self._config).to(placed.dtype)) + placed
        given = condition.tokens.to(trace.dtype)
        for index, block in enumerate(self.blocks):
            trace, given = block(trace, given, modulation, last=index == len(self.blocks) - 1)
        shift, scale = self.norm_out(modulation)[:, None].chunk(2, dim=-1)
        return unpatchify(self.to_traces(self.norm(trace) * (1.0 + scale) + shift), self._config)


class JointBlock(nn.Module):
    """Attention and feed-forward over conditioning and trace tokens, each stream with its own shift, scale and gate.

    The streams are joined for the attention only: each time costs as much as a layer norm.
    """

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        width = config.width
        self._heads, self._width = config.heads, width
        self._trace_tokens = config.frame_groups * config.patches
        given_tokens = config.text_length + len(SUPERVISED_POINTS) + config.free_points
        self._tokens = given_tokens + self._trace_tokens
        self.norm_attention = nn.LayerNorm(width)
        self.modulate_attention = nn.Linear(config.modulation_width, 6 * width)
        self.qkv = nn.Linear(width, 3 * width)
        self.norm_q = nn.LayerNorm(width // config.heads, eps=1e-6)
        self.norm_k = nn.LayerNorm(width // config.heads, eps=1e-6)
        self.out = nn.Linear(width, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.modulate_feed_forward = nn.Linear(config.modulation_width, 6 * width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )
        _initialise_modulation(self.modulate_attention, gates=(2, 5))
        _initialise_modulation(self.modulate_feed_forward, gates=(2, 5))

    def forward(
        self, trace: Tensor, given: Tensor, modulation: Tensor, last: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Trace tokens (B, N, width) and conditioning tokens (B, L, width) after the block.

        Args:
            trace: Trace tokens.
            given: Conditioning tokens.
            modulation: (B, modulation_width).
            last: Nobody reads the conditioning tokens after this block; they come back as they are.
        """
        for_trace, for_given = self._roles(self.modulate_attention(modulation))
        norm = self.norm_attention
        joint = torch.cat([_modulated(norm(given), for_given), _modulated(norm(trace), for_trace)], dim=1)
        found = self._attend(joint, skip=self._tokens - self._trace_tokens if last else 0)
        trace = _gated(trace, found[:, -self._trace_tokens :], for_trace)
        if not last:
            given = _gated(given, found[:, : -self._trace_tokens], for_given)

        for_trace, for_given = self._roles(self.modulate_feed_forward(modulation))
        norm = self.norm_feed_forward
        trace = _gated(trace, self.feed_forward(_modulated(norm(trace), for_trace)), for_trace)
        if not last:
            given = _gated(given, self.feed_forward(_modulated(norm(given), for_given)), for_given)
        return trace, given

    def _roles(self, modulation: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 2 * 3 * width) as shift, scale and gate (B, 3, width) of trace tokens and of conditioning tokens."""
        of_streams = modulation.view(-1, 2, 3, self._width)
        return of_streams[:, 0], of_streams[:, 1]

    def _attend(self, tokens: Tensor, skip: int) -> Tensor:
        """What the tokens after the first ``skip`` find in all ``tokens`` (B, L, width)."""
        width, heads = self._width, self._heads
        qkv = self.qkv(tokens).view(-1, self._tokens, 3, heads, width // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.norm_q(q[:, :, skip:]).to(v.dtype), self.norm_k(k).to(v.dtype)
        logits = (q @ k.transpose(2, 3)) * (width // heads) ** -0.5
        attended = torch.softmax(logits, dim=-1).to(v.dtype) @ v
        return torch.as_tensor(self.out(attended.transpose(1, 2).reshape(-1, self._tokens - skip, width)))


def sin_cos_positions(width: int, frame_groups: int, side: int) -> Tensor:
    """(frame_groups * side², width) sin-cos positions: a quarter of the width for time, the rest for column and row."""
    in_time = width // 4 if frame_groups > 1 else 0
    in_space = (width - in_time) // 2
    time, row, column = torch.meshgrid(
        torch.arange(frame_groups), torch.arange(side), torch.arange(side), indexing="ij"
    )
    parts = [(time, in_time), (column, in_space), (row, width - in_time - in_space)]
    return torch.cat([_sinusoid(place.flatten().float(), size) for place, size in parts if size], dim=-1)


def _sinusoid(values: Tensor, width: int) -> Tensor:
    """(V,) to (V, width): [sin, cos] at frequencies 10000^(-i / (width / 2))."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000.0) / half * torch.arange(half, device=values.device))
    angles = values.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _modulated(tokens: Tensor, roles: Tensor) -> Tensor:
    """tokens (1 + scale) + shift, with shift and scale the first of ``roles`` (B, 3, width)."""
    return tokens * (1.0 + roles[:, 1:2]) + roles[:, 0:1]


def _gated(tokens: Tensor, change: Tensor, roles: Tensor) -> Tensor:
    """tokens + gate * change, with the gate the last of ``roles`` (B, 3, width)."""
    return tokens + roles[:, 2:3] * change


def _initialise_modulation(layer: nn.Linear, gates: tuple[int, ...]) -> None:
    """Start as a plain pre-norm transformer: shift 0, scale 0, gate 1."""
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        for gate in gates:
            layer.bias.view(6, -1)[gate] = 1.0
