"""Traces of a query grid to tokens and back: a token holds a square of points over a few consecutive steps."""

from __future__ import annotations

from torch import Tensor

from tracegen_model.network.trace_tokens import TraceTokenSizes


def patchify(traces: Tensor, config: TraceTokenSizes) -> Tensor:
    """Trace tokens (B, frame_groups * patches, trace_channels) of ``traces`` (B, points, horizon, 3).

    Points are row-major. Tokens go frame group by frame group, then row by row; the numbers of a token are coordinate,
    step within the frame group, row and column within the patch, the last of them fastest.
    """
    side, patch = config.grid_side // config.patch_side, config.patch_side
    split = traces.reshape(-1, side, patch, side, patch, config.frame_groups, config.frames_in_channels, 3)
    return split.permute(0, 5, 1, 3, 7, 6, 2, 4).reshape(
        -1, config.frame_groups * side * side, config.trace_channels
    )


def unpatchify(tokens: Tensor, config: TraceTokenSizes) -> Tensor:
    """Traces (B, points, horizon, 3); the inverse of :func:`patchify`."""
    side, patch = config.grid_side // config.patch_side, config.patch_side
    split = tokens.reshape(-1, config.frame_groups, side, side, 3, config.frames_in_channels, patch, patch)
    return split.permute(0, 2, 6, 3, 7, 1, 5, 4).reshape(-1, config.points, config.horizon, 3)
