"""What training minimises: the flow's trace loss, and the heat-maps and places of object, zone and hand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tracegen_model.data.episode import PointKind
from tracegen_model.network.nano.conditioning import SUPERVISED_POINTS, QueryPoints
from tracegen_model.training.config import TrainingConfig

HEAT_SPREAD = 1.2
"""Standard deviation of the heat-maps' targets [cells]."""


@dataclass(frozen=True)
class PointLosses:
    """Losses of the supervised query points.

    Attributes:
        heat: (3,) cross-entropy of each heat-map, the mean over samples where the point lies in the image.
        place: Mean error of the points' places, |du| + |dv| in fractions of the image + |dz| in metres.
    """

    heat: Tensor
    place: Tensor


def point_weights(config: TrainingConfig, point_kinds: Tensor) -> Tensor:
    """(B, N) weights by what each point lies on, 1 on average: a hand has ten points, the background three hundred."""
    by_kind = torch.ones(len(PointKind), device=point_kinds.device)
    by_kind[PointKind.HAND] = config.hand_weight
    by_kind[PointKind.ARM] = config.arm_weight
    by_kind[PointKind.TARGET_OBJECT] = config.object_weight
    by_kind[PointKind.OTHER_OBJECT] = config.object_weight
    weights = by_kind[point_kinds]
    return weights / weights.mean()


def point_losses(points: QueryPoints, target_uvz: Tensor, cell_places: Tensor) -> PointLosses:
    """Losses of the first three query points against ``target_uvz`` (B, 3, 3); points outside the image do not count.

    Args:
        points: What the network found.
        target_uvz: (B, 3, 3) u, v in fractions of the image, z [m]; NaN where not applicable.
        cell_places: (cells, 2) u, v of the heat-maps' cells.
    """
    count = len(SUPERVISED_POINTS)
    seen = (torch.isfinite(target_uvz) & (target_uvz > 0.0)).all(-1) & (target_uvz[..., :2] < 1.0).all(-1)
    target = torch.where(seen[..., None], target_uvz, torch.full_like(target_uvz, 0.5))
    spread = HEAT_SPREAD / cell_places.shape[0] ** 0.5
    distance = (cell_places - target[:, :, None, :2]).square().sum(-1)
    heat = torch.softmax(-distance / (2.0 * spread**2), dim=-1)
    entropy = -(heat * points.log_heat[:, :count]).sum(-1) * seen
    error = (points.uvz[:, :count] - target).abs().sum(-1) * seen
    return PointLosses(
        heat=entropy.sum(0) / seen.sum(0).clamp(min=1),
        place=error.sum() / seen.sum().clamp(min=1),
    )
