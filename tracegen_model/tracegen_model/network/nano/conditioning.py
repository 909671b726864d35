"""What the trace transformer is told: words, the points that the words ask for, and what each patch lies on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import register_dataclass

from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.encoders import TYPICAL_DEPTH, VisualFeatures
from tracegen_model.network.nano.text_tokens import PADDING

SUPERVISED_POINTS = ("object", "zone", "hand")
"""Query points that training supervises with heat-maps, in the order of ``target_uvz``; the free ones follow."""

NEARNESS_RADIUS = 0.03
"""Scale of the soft "this grid point lies at that query point" feature [fractions of the image]."""

GEOMETRY_SCALE = 4.0
"""Brings offsets between points of a table scene, about 0.25, to the order of 1."""

MASKED = -1e4
"""Logit of places that attention must not see; finite, so that a sentence of no words gives no NaN."""


@dataclass(frozen=True)
class Conditioning:
    """What the trace transformer is told about B samples.

    Attributes:
        trace: (B, patches, width) features aligned with the patches of the query grid.
        tokens: (B, words + query points, width) tokens that join the attention.
        modulation: (B, modulation_width) vector that modulates every block.
    """

    trace: Tensor
    tokens: Tensor
    modulation: Tensor


register_dataclass(Conditioning)


@dataclass(frozen=True)
class QueryPoints:
    """Points found in the image.

    Attributes:
        uvz: (B, points, 3) u, v of pixel centres in fractions of the image, z [m].
        log_heat: (B, points, cells) logarithm of the heat-maps.
        values: (B, points, point_width) image features at the points.
    """

    uvz: Tensor
    log_heat: Tensor
    values: Tensor


class TextEncoder(nn.Module):
    """A small transformer over hashed words.

    A convolution over neighbouring words comes first: it binds "red" to "block" in "the red block" wherever that
    stands, which attention over absolute positions takes far longer to learn.
    """

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        width = config.text_width
        self.embedding = nn.Embedding(config.vocabulary, width)
        self.positions = nn.Parameter(0.1 * torch.randn(config.text_length, width))
        self.neighbours = nn.Conv1d(width, width, 5, padding=2)
        self.blocks = nn.ModuleList(TextBlock(width) for _ in range(config.text_blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, L, text_width), zero where padded, and the mask (B, L) of words, from ``words`` (B, L) ids."""
        present = words != PADDING
        keep = present[..., None].to(self.positions.dtype)
        tokens = self.embedding(words) * keep
        tokens = tokens + F.gelu(self.neighbours(tokens.transpose(1, 2)).transpose(1, 2)) + self.positions
        for block in self.blocks:
            tokens = block(tokens, present)
        return self.norm(tokens) * keep, present


class TextBlock(nn.Module):
    """A pre-norm transformer layer with masked self-attention."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self._heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """``tokens`` (B, L, width) attending to the ``present`` (B, L) ones."""
        batch, length, width = tokens.shape
        qkv = self.qkv(self.norm_attention(tokens)).view(batch, length, 3, self._heads, width // self._heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        logits = (q @ k.transpose(2, 3)) * (width // self._heads) ** -0.5
        logits = logits.float().masked_fill(~present[:, None, None], MASKED)
        attended = torch.softmax(logits, dim=-1).to(v.dtype) @ v
        tokens = tokens + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return tokens + self.feed_forward(self.norm_feed_forward(tokens))


class TextQueriedPoints(nn.Module):
    """Looks for points that the sentence asks for: a spatial softmax over image cells for each query.

    Each query pools the words in its own way, is matched with the image's cells, and yields a place (u, v, z) and the
    features there. Without supervision of the heat-maps the choice of object and zone stays at chance for long.
    """

    cell_places: Tensor

    def __init__(self, config: NanoConfig, cell_channels: int, cells_per_side: int) -> None:
        super().__init__()
        self.count = len(SUPERVISED_POINTS) + config.free_points
        width, text = config.point_width, config.text_width
        self.seeds = nn.Parameter(torch.randn(self.count, text))
        self.query_bias = nn.Parameter(0.1 * torch.randn(self.count, text))
        self.to_query = nn.Sequential(nn.Linear(text, 2 * text), nn.GELU(), nn.Linear(2 * text, width))
        self.key = nn.Conv1d(cell_channels, width, 1)
        self.value = nn.Conv1d(cell_channels, width, 1)
        self.sharpness = nn.Parameter(torch.full((self.count, 1), 3.0 * width**-0.5))
        correction = nn.Linear(64, 3)
        nn.init.zeros_(correction.weight)
        nn.init.zeros_(correction.bias)
        self.refine = nn.Sequential(nn.Linear(width + text, 64), nn.GELU(), correction)
        self.register_buffer("cell_places", _cell_places(cells_per_side), persistent=False)

    def forward(self, features: VisualFeatures, text: Tensor, present: Tensor) -> tuple[QueryPoints, Tensor]:
        """Query points of B samples and the words each query pooled (B, points, text_width).

        Args:
            features: Visual features of the samples.
            text: (B, L, text_width) word tokens.
            present: (B, L) mask of words.
        """
        word_logits = (self.seeds.to(text.dtype) @ text.transpose(1, 2)).float() * text.shape[-1] ** -0.5
        word_weights = torch.softmax(word_logits.masked_fill(~present[:, None], MASKED), dim=-1)
        pooled = word_weights.to(text.dtype) @ text + self.query_bias.to(text.dtype)
        query = self.to_query(pooled)
        logits = (query @ self.key(features.cells)).float() * self.sharpness
        log_heat = torch.log_softmax(logits, dim=-1)
        heat = log_heat.exp()
        values = (heat.to(query.dtype) @ self.value(features.cells).transpose(1, 2)).to(query.dtype)
        measured = (features.cell_depth > 0.0).float()[:, None]
        depth = (heat * features.cell_depth.float()[:, None]).sum(-1) / (heat * measured).sum(-1).clamp(
            min=1e-3
        )
        depth = torch.where((heat * measured).sum(-1) > 1e-3, depth, torch.full_like(depth, TYPICAL_DEPTH))
        places = heat @ self.cell_places.expand(heat.shape[0], -1, -1)
        found = torch.cat([places, depth[..., None]], dim=-1)
        correction = self.refine(torch.cat([values, pooled], dim=-1)).float()
        return QueryPoints(uvz=found + 0.1 * correction, log_heat=log_heat, values=values), pooled


class Conditioner(nn.Module):
    """Fuses image features, words and query points into the conditioning of the trace transformer."""

    grid_places: Tensor

    def __init__(self, config: NanoConfig, cell_channels: int, cells_per_side: int) -> None:
        super().__init__()
        self.text = TextEncoder(config)
        self.points = TextQueriedPoints(config, cell_channels, cells_per_side)
        width, text, count = config.width, config.text_width, self.points.count
        roles = len(SUPERVISED_POINTS)
        self.word_tokens = nn.Linear(text, width)
        self.point_tokens = nn.Linear(config.point_width + text + 5, width)
        point_features = count * (config.point_width + 5) + roles * 3
        self.modulation = nn.Sequential(
            nn.Linear(point_features + text, 2 * config.modulation_width),
            nn.GELU(),
            nn.Linear(2 * config.modulation_width, config.modulation_width),
        )
        per_point = 2 + 4 * roles
        self.patch_geometry = nn.Sequential(
            nn.Linear(per_point * config.patch_side**2, width), nn.GELU(), nn.Linear(width, width)
        )
        self._grid_side, self._patch = config.grid_side, config.patch_side
        line = (torch.linspace(0, config.image_side - 1, config.grid_side) + 0.5) / config.image_side
        rows, columns = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer(
            "grid_places", torch.stack([columns.flatten(), rows.flatten()], -1), persistent=False
        )

    def forward(self, features: VisualFeatures, words: Tensor) -> tuple[Conditioning, QueryPoints]:
        """Conditioning of B samples from their visual features and ``words`` (B, L)."""
        text, present = self.text(words)
        points, pooled = self.points(features, text, present)
        place = _metric_like(points.uvz).to(text.dtype)
        point_tokens = self.point_tokens(torch.cat([points.values, pooled, place], dim=-1))
        roles = len(SUPERVISED_POINTS)
        position = place[:, :roles, 2:]
        offsets = (position - position.roll(1, dims=1)) * GEOMETRY_SCALE
        word_count = present.sum(1, keepdim=True).clamp(min=1)
        summary = [points.values.flatten(1), place.flatten(1), offsets.flatten(1), text.sum(1) / word_count]
        conditioning = Conditioning(
            trace=features.tokens
            + self.patch_geometry(self._geometry(features.start_depth, points.uvz[:, :roles])),
            tokens=torch.cat([self.word_tokens(text), point_tokens], dim=1),
            modulation=self.modulation(torch.cat([part.to(text.dtype) for part in summary], dim=-1)),
        )
        return conditioning, points

    def _geometry(self, start_depth: Tensor, roles: Tensor) -> Tensor:
        """(B, patches, features): start depth of each patch's points, and where they lie from object, zone and hand."""
        measured = (start_depth > 0.0).float()
        start_depth = start_depth.float()
        shift = self.grid_places[None, :, None] - roles[:, None, :, :2]
        rise = (start_depth[..., None] - roles[:, None, :, 2]) * measured[..., None]
        nearness = torch.exp(-(shift / NEARNESS_RADIUS).square().sum(-1) / 2.0)
        relative = torch.cat([shift.flatten(2), rise, nearness / GEOMETRY_SCALE], dim=-1) * GEOMETRY_SCALE
        depth = torch.stack([(start_depth - TYPICAL_DEPTH) * measured, measured], dim=-1)
        per_point = torch.cat([depth, relative], dim=-1)
        side, patch = self._grid_side // self._patch, self._patch
        per_patch = per_point.view(-1, side, patch, side, patch, per_point.shape[-1]).transpose(2, 3)
        return per_patch.reshape(per_point.shape[0], side * side, -1)


def _metric_like(uvz: Tensor) -> Tensor:
    """(…, 3) u, v, z to (…, 5): u, v centred, and the place in space up to the focal lengths: (u z, v z, z)."""
    centred = uvz[..., :2] - 0.5
    return torch.cat([centred, centred * uvz[..., 2:], uvz[..., 2:] - TYPICAL_DEPTH], dim=-1) * 2.0


def _cell_places(side: int) -> Tensor:
    """(side * side, 2) u, v of cell centres in fractions of the image."""
    line = (torch.arange(side) + 0.5) / side
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], dim=-1)
