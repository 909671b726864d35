"""How good a network's traces are on scenes it has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.data.episode import PointKind
from tracegen_model.data.packed_dataset import PackedDataset
from tracegen_model.network import samplers
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.training.batches import BatchMaker

DEMONSTRATION_CAMERA = CameraIntrinsics(615.0, 615.0, 319.5, 239.5, 640, 480)
"""Camera of the simulated demonstrations: turns image-space traces into metres. A D435's colour stream at 640x480."""

HAND_STEPS = (8, 16, 32)
"""Steps at which the hand's error is reported."""

HIT_RADIUS = 0.04
"""A query point within this of the truth is a hit [fractions of the image]; a block is about as large."""

TELLING_MOTION = 0.03
"""Mean distance of two true hand paths from which on they count as different choices [m]."""

MOVES = 0.01
"""An object that is carried this far moves [m]."""


@dataclass(frozen=True)
class _HandPath:
    """Hand motion of one sample.

    Attributes:
        image: Image of the sample.
        object_uvz: Place of the object to move, which tells choices of object from choices of zone.
        predicted: (horizon, 3) median displacement of the hand's points [m].
        true: (horizon, 3) the same of the true traces.
    """

    image: int
    object_uvz: NDArray[np.float32]
    predicted: NDArray[np.float64]
    true: NDArray[np.float64]


def evaluate(
    network: NanoTraceGen,
    dataset: PackedDataset,
    images: NDArray[np.int64],
    increment_std: Sequence[float],
    steps: int = 10,
    seed: int = 0,
    camera: CameraIntrinsics = DEMONSTRATION_CAMERA,
) -> dict[str, float]:
    """Measures of ``network`` on the samples of ``images``.

    Returns:
        hand_cm_<step>: mean error of the hand's median displacement [cm]; hand_cm_<last>_median; still_cm: the error of
        predicting no motion; object_cm, background_cm: mean error of points at the last step [cm]; object_choice,
        zone_choice: share of samples whose hand path is nearer to its own truth than to that of the same image under an
        instruction with another object (zone); hit_object, hit_zone, hit_hand: query points within 0.04 of the truth;
        measured_samples: how many there were.
    """
    device = next(network.parameters()).device
    config = network.config
    scale = torch.tensor(list(increment_std), device=device)
    generator = torch.Generator().manual_seed(seed)
    values: dict[str, list[float]] = defaultdict(list)
    paths: list[_HandPath] = []
    places = network.conditioner.grid_places
    network.eval()
    with torch.no_grad():
        for made in BatchMaker(dataset, config).evaluation(images):
            batch = made.to(device)
            condition, points = network.find_points(batch.colour, batch.depth, batch.words, batch.image_index)
            noise = torch.randn(batch.increments.shape, generator=generator).to(device)
            increments = samplers.sample(network, condition, noise, steps)
            depth = torch.from_numpy(dataset.start_depth[batch.samples].astype(np.float32)).to(device)
            start = torch.cat([places.expand(len(depth), -1, -1), depth[..., None]], -1)[:, :, None]
            lifted_start = _lift(start, camera)
            predicted = _lift(start + (increments * scale).cumsum(2), camera) - lifted_start
            true = _lift(start + batch.increments.cumsum(2), camera) - lifted_start
            _add_points(values, predicted, true, batch.point_kinds)
            _add_hits(values, points.uvz, batch.target_uvz)
            paths += _hand_paths(dataset, batch.samples, predicted, true, batch.point_kinds)
    _add_hands(values, paths, config.horizon)
    _add_choices(values, paths)
    measures = {name: float(np.nanmean(found)) for name, found in values.items() if found}
    last = f"hand_cm_{config.horizon}"
    if values[last]:
        measures[f"{last}_median"] = float(np.median(values[last]))
    measures["measured_samples"] = float(len(values["background_cm"]))
    return measures


def _lift(uvz: Tensor, camera: CameraIntrinsics) -> Tensor:
    """(…, 3) u, v in fractions of the image, z [m], to camera coordinates [m]."""
    size = torch.tensor([camera.width, camera.height], device=uvz.device)
    centre = torch.tensor([camera.cx, camera.cy], device=uvz.device)
    focal = torch.tensor([camera.fx, camera.fy], device=uvz.device)
    depth = uvz[..., 2:]
    return torch.cat([(uvz[..., :2] * size - 0.5 - centre) / focal * depth, depth], dim=-1)


def _add_points(values: dict[str, list[float]], predicted: Tensor, true: Tensor, kinds: Tensor) -> None:
    error_cm = 100.0 * (predicted[:, :, -1] - true[:, :, -1]).norm(dim=-1)
    carried = (kinds == PointKind.TARGET_OBJECT) & (true[:, :, -1].norm(dim=-1) > MOVES)
    values["object_cm"] += error_cm[carried].tolist()
    for error, background in zip(error_cm, kinds == PointKind.BACKGROUND, strict=True):
        values["background_cm"].append(float(error[background].nanmean()))


def _add_hits(values: dict[str, list[float]], found: Tensor, target: Tensor) -> None:
    for i, role in enumerate(("object", "zone", "hand")):
        inside = ((target[:, i, :2] > 0.0) & (target[:, i, :2] < 1.0)).all(-1)
        near = (found[:, i, :2] - target[:, i, :2]).norm(dim=-1) < HIT_RADIUS
        values[f"hit_{role}"] += near[inside].float().tolist()


def _hand_paths(
    dataset: PackedDataset, samples: NDArray[np.int64], predicted: Tensor, true: Tensor, kinds: Tensor
) -> list[_HandPath]:
    paths = []
    for i, sample in enumerate(samples):
        hand = kinds[i] == PointKind.HAND
        if hand.any():
            paths.append(
                _HandPath(
                    image=int(dataset.sample_image[sample]),
                    object_uvz=dataset.target_uvz[sample, 0],
                    predicted=predicted[i, hand].median(dim=0).values.double().cpu().numpy(),
                    true=true[i, hand].median(dim=0).values.double().cpu().numpy(),
                )
            )
    return paths


def _add_hands(values: dict[str, list[float]], paths: Sequence[_HandPath], horizon: int) -> None:
    for path in paths:
        error_cm = 100.0 * np.linalg.norm(path.predicted - path.true, axis=-1)
        for step in sorted({*HAND_STEPS, horizon}):
            if step <= horizon:
                values[f"hand_cm_{step}"].append(float(error_cm[step - 1]))
        values["still_cm"].append(100.0 * float(np.linalg.norm(path.true[-1])))


def _add_choices(values: dict[str, list[float]], paths: Sequence[_HandPath]) -> None:
    by_image: dict[int, list[_HandPath]] = defaultdict(list)
    for path in paths:
        by_image[path.image].append(path)
    for together in by_image.values():
        for own in together:
            for other in together:
                if other is own or _apart(own.true, other.true) < TELLING_MOTION:
                    continue
                name = "zone_choice" if np.array_equal(own.object_uvz, other.object_uvz) else "object_choice"
                right = _apart(own.predicted, own.true) < _apart(own.predicted, other.true)
                values[name].append(float(right))


def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(a - b, axis=-1).mean())
