"""What inspected samples look like: their traces and depths, drawn side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.episode import EpisodeReader
from tracegen_model.data.inspection import HORIZON, EpisodeInspection
from tracegen_model.data.trace_targets import MOVES, path_lengths
from tracegen_model.overlay import draw_depth, draw_traces, grid_of_images


def draw_samples(
    episodes: Sequence[EpisodeInspection], count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Two sheets of ``count`` samples, spread evenly over those that are not broken: traces, and depth if there is any.

    Raises:
        ValueError: There is no sample to draw.
    """
    samples = [(episode, sample) for episode in episodes for sample in episode.samples]
    if not samples:
        raise ValueError("there is no sample to draw: all are broken")
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int))
    drawings, captions, depths, depth_captions = [], [], [], []
    for place in chosen:
        episode, sample = samples[place]
        reader = EpisodeReader(episode.folder)
        traces = reader.traces(sample.stem).traces[:, : HORIZON + 1]
        moving = path_lengths(traces, *sample.size) > MOVES
        sentence = next(iter(episode.wordings.values()), "(no instruction)")
        caption = f"{episode.folder.name}/{sample.stem}\n{sentence}\n"
        caption += f"{sample.valid_steps} valid steps, {sample.moving} moving points"
        drawings.append(
            draw_traces(reader.image(sample.stem), traces[..., :2].transpose(1, 0, 2), moving=moving)
        )
        captions.append(caption)
        depth = reader.depth(sample.stem)
        if depth is not None and sample.depth_range is not None:
            near, far = sample.depth_range
            depths.append(draw_depth(depth))
            depth_captions.append(
                f"{episode.folder.name}/{sample.stem}\n{near:.3g} to {far:.3g}, bright is near"
            )
    return grid_of_images(drawings, captions), grid_of_images(depths, depth_captions) if depths else None
