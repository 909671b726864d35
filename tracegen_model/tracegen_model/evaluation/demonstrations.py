"""Measures of demonstrations that say what their points lie on: where the hand goes, and whether it goes to the right
things."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tracegen_model.data.episode import PointKind
from tracegen_model.data.trace_batch import TraceBatch
from tracegen_model.evaluation.metrics import CM_PER_M, SampleMeans
from tracegen_model.network.nano.conditioning import SUPERVISED_POINTS
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.trace_network import TraceNetwork

HAND_STEPS = (8, 16, 32)
"""Steps at which the hand's error is reported, beside the last one."""

HIT_RADIUS = 0.04
"""A query point within this of the truth is a hit [fractions of the image]; a block is about as large."""

TELLING_MOTION_M = 0.03
"""Mean distance of two true hand paths from which on they count as different choices [m]."""

MOVES_M = 0.01
"""An object that is carried this far moves [m]."""


@dataclass(frozen=True)
class HandPath:
    """Hand motion of one sample.

    Attributes:
        image: Number of its image.
        sentence: Its instruction.
        object_uvz: (3,) place of the object to move, which tells choices of object from choices of zone.
        predicted: (S, 3) median displacement of the hand's points [m].
        true: (S, 3) the same of the true traces.
    """

    image: int
    sentence: str
    object_uvz: NDArray[np.float32]
    predicted: NDArray[np.float64]
    true: NDArray[np.float64]


def condition_and_points(network: TraceNetwork, batch: TraceBatch) -> tuple[Any, Tensor | None]:
    """Condition of a batch; and where the network sees object, zone and hand (B, 3, 3), if it has such a notion."""
    if isinstance(network, NanoTraceGen):
        images = batch.images
        words = network.words(batch.sentences).to(images.colour.device)
        condition, points = network.find_points(
            2.0 * images.colour - 1.0, images.depth, words, batch.image_index
        )
        return condition, points.uvz[:, : len(SUPERVISED_POINTS)]
    return network.condition(batch.images, batch.sentences, batch.image_index), None


def hit_rates(found_uvz: Tensor, target_uvz: Tensor) -> dict[str, SampleMeans]:
    """Whether object, zone and hand (B, 3, 3) were found within ``HIT_RADIUS``, where they lie inside the image."""
    hits = {}
    for place, role in enumerate(SUPERVISED_POINTS):
        target, found = target_uvz[:, place, :2], found_uvz[:, place, :2]
        inside = ((target > 0.0) & (target < 1.0)).all(-1)
        near = ((found - target).norm(dim=-1) < HIT_RADIUS).double()
        hits[f"hit_{role}"] = SampleMeans.of_values(torch.where(inside, near, torch.nan))
    return hits


def kind_errors(predicted_m: Tensor, true_m: Tensor, known: Tensor, kinds: Tensor) -> dict[str, SampleMeans]:
    """Errors at the last step by what the points lie on.

    Args:
        predicted_m: (B, N, S, 3) predicted displacements [m].
        true_m: (B, N, S, 3) true ones.
        known: (B, N, S) bool whether the true one is known.
        kinds: (B, N) kinds of the points, see ``episode.PointKind``.

    Returns:
        object_cm: of all carried points together; background_cm: of the samples' means.
    """
    error_cm = CM_PER_M * (predicted_m[:, :, -1] - true_m[:, :, -1]).norm(dim=-1)
    at_end = known[:, :, -1]
    carried = at_end & (kinds == PointKind.TARGET_OBJECT) & (true_m[:, :, -1].norm(dim=-1) > MOVES_M)
    background = at_end & (kinds == PointKind.BACKGROUND)
    return {
        "object_cm": SampleMeans(
            torch.where(carried, error_cm, 0.0).sum(dim=1).double(), carried.sum(dim=1).double()
        ),
        "background_cm": SampleMeans.of_values(torch.where(background, error_cm, torch.nan).nanmean(dim=1)),
    }


def hand_paths(
    batch: TraceBatch, images: Sequence[int], predicted_m: Tensor, true_m: Tensor, known: Tensor
) -> list[HandPath | None]:
    """Hand motion of each sample; None where no point lies on the hand, or where its motion is not known.

    Args:
        batch: The samples.
        images: Number of each sample's image.
        predicted_m: (B, N, S, 3) predicted displacements [m].
        true_m: (B, N, S, 3) true ones.
        known: (B, N, S) bool whether the true one is known.
    """
    paths: list[HandPath | None] = []
    for row, image in enumerate(images):
        hand = (batch.point_kinds[row] == PointKind.HAND) & known[row].all(dim=-1)
        if not hand.any():
            paths.append(None)
            continue
        paths.append(
            HandPath(
                image=image,
                sentence=batch.sentences[row],
                object_uvz=batch.target_uvz[row, 0].cpu().numpy(),
                predicted=predicted_m[row, hand].median(dim=0).values.double().cpu().numpy(),
                true=true_m[row, hand].median(dim=0).values.double().cpu().numpy(),
            )
        )
    return paths


def hand_errors(paths: Sequence[HandPath | None], horizon: int) -> dict[str, SampleMeans]:
    """Mean error of the hand after some steps: hand_cm_<step>."""
    errors = np.full((len(paths), horizon), np.nan)
    for row, path in enumerate(paths):
        if path is not None:
            errors[row] = CM_PER_M * np.linalg.norm(path.predicted - path.true, axis=-1)
    steps = [step for step in sorted({*HAND_STEPS, horizon}) if step <= horizon]
    return {f"hand_cm_{step}": SampleMeans.of_values(torch.from_numpy(errors[:, step - 1])) for step in steps}


def right_choices(paths: Sequence[HandPath | None]) -> dict[str, SampleMeans]:
    """Whether the hand goes where its own instruction says, not where another one for the same image does.

    Returns:
        object_choice: against instructions with another object; zone_choice: against those with the same object and
        another zone. A choice is right when the hand's path is nearer to its own truth than to the other's.
    """
    count = len(paths)
    right = {name: np.zeros(count) for name in ("object_choice", "zone_choice")}
    asked = {name: np.zeros(count) for name in right}
    rows: dict[int, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        if path is not None:
            rows[path.image].append(row)
    for together in rows.values():
        for row in together:
            for other_row in together:
                own, other = paths[row], paths[other_row]
                assert own is not None and other is not None
                if _apart(own.true, other.true) < TELLING_MOTION_M:
                    continue
                name = "zone_choice" if np.array_equal(own.object_uvz, other.object_uvz) else "object_choice"
                asked[name][row] += 1.0
                right[name][row] += _apart(own.predicted, own.true) < _apart(own.predicted, other.true)
    return {name: SampleMeans(torch.from_numpy(right[name]), torch.from_numpy(asked[name])) for name in asked}


def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(a - b, axis=-1).mean())
