"""Visual encoders: colour and depth images to features at trace tokens and at the cells of a fine map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tracegen_model.network.nano.config import NanoConfig

FAR_DEPTH = 2.5
"""Depth at which the network stops telling distances apart [m]: a table scene lies nearer."""

TYPICAL_DEPTH = 1.0
"""Depth that the network sees as zero [m]."""

COARSE_STRIDE = 8
FINE_STRIDE = 4


@dataclass(frozen=True)
class VisualFeatures:
    """What an encoder finds in I images.

    Attributes:
        tokens: (I, patches, width) features aligned with the patches of the query grid.
        cells: (I, channels, cells) features of a fine map, row-major.
        cell_depth: (I, cells) mean measured depth of each cell [m]; 0 where nothing was measured.
        start_depth: (I, points) measured depth under each grid point [m]; 0 = hole.
    """

    tokens: Tensor
    cells: Tensor
    cell_depth: Tensor
    start_depth: Tensor

    def of_samples(self, image_index: Tensor) -> VisualFeatures:
        """Features of samples (B,), given the image that each of them shows."""
        return VisualFeatures(
            tokens=self.tokens[image_index],
            cells=self.cells[image_index],
            cell_depth=self.cell_depth[image_index],
            start_depth=self.start_depth[image_index],
        )


class ConvStemEncoder(nn.Module):
    """A light convolutional encoder, trained from scratch: stems of stride 4, a residual trunk of stride 8.

    Trace tokens get *aligned* features: the maps are sampled exactly at the grid's points (coarse map) and at four
    places around each (fine map), so that a token knows what its own points lie on without having to look for it.
    """

    at_points: Tensor
    around_points: Tensor
    point_pixels: Tensor
    positions: Tensor

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        fine, coarse, local = config.encoder_width, 2 * config.encoder_width, config.encoder_width // 2
        self.cell_channels = fine + fine // 3
        self.cells_per_side = config.image_side // FINE_STRIDE
        stem = fine // 2
        self.colour_stem = nn.Conv2d(3, stem, 2 * FINE_STRIDE, FINE_STRIDE, FINE_STRIDE // 2)
        self.depth_stem = nn.Conv2d(2, stem // 2, 2 * FINE_STRIDE, FINE_STRIDE, FINE_STRIDE // 2)
        self.fine = nn.Conv2d(stem + stem // 2 + 2, fine, 3, 1, 1)
        self.down = nn.Conv2d(fine, coarse, 3, 2, 1)
        self.trunk = nn.ModuleList(ResidualBlock(coarse, dilation) for dilation in (1, 2))
        self.from_fine = nn.Conv2d(fine, self.cell_channels, 1)
        self.from_coarse = nn.Conv2d(coarse, self.cell_channels, 1)
        self.mix = nn.Conv2d(self.cell_channels, self.cell_channels, 3, 1, 1)
        self.local = nn.Conv2d(fine, local, 1)
        patch = config.patch_side
        self.to_tokens = nn.Linear(coarse * patch**2 + local * (2 * patch) ** 2, config.width)
        self._patch = patch
        pixels = torch.linspace(0, config.image_side - 1, config.grid_side)
        spacing = (config.image_side - 1) / (config.grid_side - 1)
        around = torch.stack([pixels - spacing / 4, pixels + spacing / 4], dim=1).flatten()
        cells = self.cells_per_side
        self.register_buffer(
            "at_points", interpolation_matrix(pixels, cells // 2, COARSE_STRIDE), persistent=False
        )
        self.register_buffer(
            "around_points", interpolation_matrix(around, cells, FINE_STRIDE), persistent=False
        )
        self.register_buffer(
            "point_pixels", _flat_pixels(pixels.round().long(), config.image_side), persistent=False
        )
        line = torch.linspace(-1.0, 1.0, cells)
        rows, columns = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("positions", torch.stack([columns, rows])[None], persistent=False)

    def forward(self, colour: Tensor, depth: Tensor) -> VisualFeatures:
        """Features of ``colour`` (I, 3, side, side), -1..1, and ``depth`` (I, side, side) [m], 0 = hole."""
        valid = (depth > 0.0).to(depth.dtype)
        shown = (depth.clamp(max=FAR_DEPTH) - TYPICAL_DEPTH) * valid
        place = self.positions.to(colour.dtype).expand(colour.shape[0], -1, -1, -1)
        stems = self.colour_stem(colour), self.depth_stem(torch.stack([shown, valid], dim=1))
        fine = F.relu(self.fine(F.relu(torch.cat([*stems, place.to(stems[0].dtype)], dim=1))))
        coarse = F.relu(self.down(fine))
        for block in self.trunk:
            coarse = block(coarse)
        upsampled = F.interpolate(self.from_coarse(coarse), scale_factor=2.0, mode="nearest")
        mixed = F.relu(self.from_fine(fine) + upsampled)
        cells = mixed + F.relu(self.mix(mixed))
        at_points = F.pixel_unshuffle(_resample(coarse, self.at_points), self._patch)
        around = F.pixel_unshuffle(_resample(self.local(fine), self.around_points), 2 * self._patch)
        tokens = self.to_tokens(torch.cat([at_points, around], dim=1).flatten(2).transpose(1, 2))
        near = depth.clamp(max=FAR_DEPTH)
        depth_sum = F.avg_pool2d(near[:, None], FINE_STRIDE)
        share = F.avg_pool2d(valid[:, None], FINE_STRIDE)
        cell_depth = torch.where(share > 0.0, depth_sum / share.clamp(min=1e-3), torch.zeros_like(depth_sum))
        return VisualFeatures(
            tokens=tokens,
            cells=cells.flatten(2),
            cell_depth=cell_depth.flatten(1),
            start_depth=near.flatten(1)[:, self.point_pixels],
        )


class ResidualBlock(nn.Module):
    """x + ReLU(GroupNorm(conv3x3(x)))."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 1, dilation, dilation)
        self.norm = nn.GroupNorm(8, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Same shape as ``features`` (I, channels, h, w)."""
        return features + F.relu(self.norm(self.conv(features)))


def interpolation_matrix(pixels: Tensor, cells: int, stride: int) -> Tensor:
    """(P, cells) weights that read a map of ``cells`` cells of ``stride`` px linearly at ``pixels`` (P,) [px].

    The centre of cell i lies at pixel (i + 1/2) stride - 1/2; places beyond the outermost centres get those cells.
    """
    position = ((pixels + 0.5) / stride - 0.5).clamp(0.0, cells - 1.0)
    return (1.0 - (position[:, None] - torch.arange(cells)[None]).abs()).clamp(min=0.0)


def _resample(features: Tensor, weights: Tensor) -> Tensor:
    """(I, C, h, w) read at the lattice of ``weights`` (P, h = w) along both axes: (I, C, P, P)."""
    weights = weights.to(features.dtype)
    return weights @ features @ weights.T


def _flat_pixels(lines: Tensor, side: int) -> Tensor:
    return (lines[:, None] * side + lines[None]).flatten()


ENCODERS: dict[str, type[ConvStemEncoder]] = {"conv_stem": ConvStemEncoder}
"""Visual encoders by the name that a config gives."""
