"""Traces of a query grid to tokens and back: a token holds a square of points over a few consecutive steps."""

from __future__ import annotations

from torch import Tensor


def patchify(traces: Tensor, grid_side: int, patch_side: int, frames_in_channels: int) -> Tensor:
    """Trace tokens (B, frame groups * patches, 3 * frames_in_channels * patch_side²) of ``traces`` (B, N, S, 3).

    Points are row-major. Tokens go step by step, then row by row; the numbers of a token are coordinate, step within
    the frame group, row and column within the patch, the last of them fastest.
    """
    batch, _, steps, coordinates = traces.shape
    side, groups = grid_side // patch_side, steps // frames_in_channels
    split = traces.reshape(batch, side, patch_side, side, patch_side, groups, frames_in_channels, coordinates)
    return split.permute(0, 5, 1, 3, 7, 6, 2, 4).reshape(batch, groups * side * side, -1)


def unpatchify(tokens: Tensor, grid_side: int, patch_side: int, frames_in_channels: int) -> Tensor:
    """Traces (B, N, S, 3); the inverse of :func:`patchify`."""
    batch, side = tokens.shape[0], grid_side // patch_side
    split = tokens.reshape(batch, -1, side, side, 3, frames_in_channels, patch_side, patch_side)
    return split.permute(0, 2, 6, 3, 7, 1, 5, 4).reshape(batch, grid_side**2, -1, 3)
