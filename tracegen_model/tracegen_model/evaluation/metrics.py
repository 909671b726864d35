"""Errors of predicted traces: pure functions of tensors, one number for each sample.

Means over a dataset are ratios of sums, so every measure of B samples comes as a :class:`SampleMeans`: what it adds to
the sum above, and to the sum below. Traces are increments (B, N points, S steps, 3): du, dv in fractions of the image,
dz in the depth's unit, not normalised.

A position is known while all increments up to it are: what lies behind a gap cannot be told from increments.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tracegen_model.camera import CameraIntrinsics

CM_PER_M = 100.0


@dataclass(frozen=True)
class SampleMeans:
    """A mean over samples in the making; the mean is ``total.sum() / weight.sum()``.

    Attributes:
        total: (B,) float64 what each sample adds to the sum.
        weight: (B,) float64 how much each sample counts; 0 where it has nothing to measure.
    """

    total: Tensor
    weight: Tensor

    @classmethod
    def of_values(cls, values: Tensor) -> SampleMeans:
        """Samples that count alike, with a value (B,) each; NaN = nothing to measure."""
        values = values.double()
        present = values.isfinite()
        return cls(torch.where(present, values, 0.0), present.double())

    @property
    def values(self) -> Tensor:
        """(B,) each sample's own mean; NaN where it has nothing to measure."""
        return torch.where(self.weight > 0.0, self.total / self.weight, torch.nan)


def displacement(increments: Tensor) -> Tensor:
    """(B, N, S, 3) float64 how far each point is from its start after each step."""
    return increments.double().cumsum(dim=2)


def known_positions(known: Tensor) -> Tensor:
    """(B, N, S, 3) bool whether the position after each step is known, from whether its increment is."""
    return known.cumprod(dim=2).bool()


def benchmark_errors(predicted: Tensor, true: Tensor, known: Tensor) -> dict[str, SampleMeans]:
    """Errors as TraceGen's benchmark defines them: of positions, in mixed units.

    The true start goes before the prediction, so that its error of 0 counts as a step. Squared and absolute errors are
    summed over the known numbers and divided by how many those are. The end point is each point's last known step;
    its three numbers count even where depth is not known, with an error of 0.

    Args:
        predicted: (B, N, S, 3) predicted increments.
        true: (B, N, S, 3) true ones, 0 where unknown.
        known: (B, N, S, 3) bool.

    Returns:
        trace_mse, trace_mae, endpoint_mse.
    """
    there = known_positions(known)
    error = torch.where(there, displacement(predicted) - displacement(true), 0.0)
    numbers = (there.sum(dim=(1, 2, 3)) + there[:, :, 0].sum(dim=(1, 2))).double()
    at_end, present = at_last_known(error, there.any(dim=-1))
    return {
        "trace_mse": SampleMeans(error.square().sum(dim=(1, 2, 3)), numbers),
        "trace_mae": SampleMeans(error.abs().sum(dim=(1, 2, 3)), numbers),
        "endpoint_mse": SampleMeans(at_end.square().sum(dim=(1, 2)), 3.0 * present.sum(dim=1).double()),
    }


def increment_errors(predicted: Tensor, true: Tensor) -> dict[str, SampleMeans]:
    """Errors as TraceGen's training code first reported them: of increments, in mixed units, unknown ones included.

    Returns:
        increment_mse, increment_mae; last_increment_mse and first_increment_mse, which it called the errors of the end
        point and of the first keypoint.
    """
    error = predicted.double() - true.double()
    batch, points, steps, channels = error.shape
    every = error.new_full((batch,), float(points * steps * channels))
    single = error.new_full((batch,), float(points * channels))
    squared = error.square()
    return {
        "increment_mse": SampleMeans(squared.sum(dim=(1, 2, 3)), every),
        "increment_mae": SampleMeans(error.abs().sum(dim=(1, 2, 3)), every),
        "first_increment_mse": SampleMeans(squared[:, :, 0].sum(dim=(1, 2)), single),
        "last_increment_mse": SampleMeans(squared[:, :, -1].sum(dim=(1, 2)), single),
    }


def pixel_distances(predicted: Tensor, true: Tensor, source_size: Tensor) -> Tensor:
    """(B, N, S) distance of predicted and true positions [px of the image on disk].

    Args:
        predicted: (B, N, S, 3) predicted increments.
        true: (B, N, S, 3) true ones.
        source_size: (B, 2) width, height of each image [px].
    """
    apart = (displacement(predicted) - displacement(true))[..., :2]
    return (apart * source_size.double()[:, None, None]).norm(dim=-1)


def lifted_displacement(increments: Tensor, start_uvz: Tensor, camera: CameraIntrinsics) -> Tensor:
    """(B, N, S, 3) how far each point is from its start after each step, in camera coordinates [m].

    Args:
        increments: (B, N, S, 3) with dz in metres.
        start_uvz: (B, N, 3) start of each trace, u and v of pixel centres in fractions of the image, z [m]; NaN where
            unknown, and then so is the displacement.
        camera: Camera of the images, at any size of theirs.
    """
    start = start_uvz.double()[:, :, None]
    return lift(start + displacement(increments), camera) - lift(start, camera)


def lift(uvz: Tensor, camera: CameraIntrinsics) -> Tensor:
    """Places (..., 3) u, v of pixel centres in fractions of the image and z [m], in camera coordinates (..., 3) [m]."""
    size = uvz.new_tensor([camera.width, camera.height])
    centre = uvz.new_tensor([camera.cx + 0.5, camera.cy + 0.5])
    focal = uvz.new_tensor([camera.fx, camera.fy])
    depth = uvz[..., 2:]
    return torch.cat([(uvz[..., :2] * size - centre) / focal * depth, depth], dim=-1)


def average_displacement_error(distances: Tensor, known: Tensor, points: Tensor) -> SampleMeans:
    """ADE: a sample's mean over its points of their mean distance over the known steps.

    Args:
        distances: (B, N, S) distance of predicted and true positions.
        known: (B, N, S) bool.
        points: (B, N) bool, points that count.
    """
    return _mean_over_points(*_masked_mean(distances, known), points)


def final_displacement_error(distances: Tensor, known: Tensor, points: Tensor) -> SampleMeans:
    """FDE: a sample's mean over its points of the distance at their last known step.

    Args:
        distances: (B, N, S) distance of predicted and true positions.
        known: (B, N, S) bool.
        points: (B, N) bool, points that count.
    """
    at_end, present = at_last_known(distances[..., None], known)
    return _mean_over_points(at_end[..., 0], present, points)


def step_errors(distances: Tensor, known: Tensor, points: Tensor) -> Tensor:
    """(B, S) mean distance over the points that count and are known at that step; NaN where there is none."""
    mean, present = _masked_mean(distances.transpose(1, 2), (known & points[..., None]).transpose(1, 2))
    return torch.where(present, mean, torch.nan)


def at_last_known(values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """``values`` (B, N, S, C) at each point's last known step, (B, N, C), 0 where it has none; and whether it has."""
    steps = torch.arange(1, known.shape[2] + 1, device=known.device)
    last = (known * steps).amax(dim=2)
    present = last > 0
    index = (last - 1).clamp(min=0)[..., None, None].expand(-1, -1, 1, values.shape[-1])
    return torch.where(present[..., None], values.gather(2, index)[:, :, 0], 0.0), present


def _masked_mean(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the last axis where ``mask``, 0 where that is empty; and whether it is not."""
    count = mask.sum(dim=-1)
    return torch.where(mask, values, 0.0).sum(dim=-1) / count.clamp(min=1), count > 0


def _mean_over_points(values: Tensor, present: Tensor, points: Tensor) -> SampleMeans:
    mean, some = _masked_mean(values, present & points)
    return SampleMeans(mean.double(), some.double())
