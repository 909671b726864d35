"""The nano network's objective: the flow's trace loss, and the heat-maps and places of object, zone and hand."""

from __future__ import annotations

import torch
from torch import Tensor

from tracegen_model.data.episode import PointKind
from tracegen_model.network import flow
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.nano.conditioning import SUPERVISED_POINTS, QueryPoints
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.training.objectives.objective import Losses, Objective
from tracegen_model.training.run_config import NanoObjectiveConfig
from tracegen_model.training.schedules import pure_noise_share
from tracegen_model.training.training_batch import TrainingBatch

HEAT_SPREAD = 1.2
"""Standard deviation of the heat-maps' targets [cells]."""


class NanoObjective(Objective):
    """Error of the predicted traces, of the heat-maps and of the places of object, zone and hand.

    Args:
        network: A nano network.
        checkpoint: See :class:`Objective`.
        autocast: See :class:`Objective`.
        config: Its settings.
    """

    network: NanoTraceGen
    kind_weights: Tensor

    def __init__(
        self,
        network: NanoTraceGen,
        checkpoint: CheckpointConfig,
        autocast: torch.dtype,
        config: NanoObjectiveConfig,
    ) -> None:
        super().__init__(network, checkpoint, autocast)
        self._config = config
        self.register_buffer("kind_weights", point_weights(config), persistent=False)

    def totals(self, batch: TrainingBatch) -> Tensor:
        """(5,) sum of the points' weights, samples that show each of object, zone and hand, and places seen."""
        weights = self.kind_weights.to(batch.samples.point_kinds.device)[batch.samples.point_kinds].sum()
        seen = _in_image(batch.samples.target_uvz)
        return torch.cat([weights.view(1), seen.sum(0), seen.sum().view(1)]).to(torch.float64)

    def losses(self, batch: TrainingBatch, progress: float, totals: Tensor) -> Losses:
        """See :class:`Objective`."""
        config, network, samples, draws = self._config, self.network, batch.samples, batch.draws
        clean = self._clean(batch)
        times = flow.logit_normal_times(draws.time_normal, network.config.time_shift)
        times = torch.where(draws.pure_noise < pure_noise_share(config, progress), 0.0, times)
        words = network.words(self._sentences(batch)).to(clean.device)
        images = samples.images
        condition, points = network.find_points(
            2.0 * images.colour - 1.0, images.depth, words, samples.image_index
        )
        predicted = network(flow.mix(clean, draws.noise, times), times, condition)
        # A hand has ten points, the background three hundred.
        weights = self.kind_weights[samples.point_kinds]
        errors = flow.trace_errors(predicted, clean, samples.known, times, config.position_weight)
        per_sample = (errors * weights).sum(1) / totals[0]
        heat, place = point_errors(points, samples.target_uvz, network.conditioner.points.cell_places)
        heat = heat.sum(0) / totals[1:4].clamp(min=1.0)
        places = place.sum() / totals[4].clamp(min=1.0)
        traces = per_sample.sum()
        loss = traces + config.heat_weight * heat.sum() + config.point_weight * places
        names = [f"heat_{name}" for name in SUPERVISED_POINTS]
        terms = {"traces": traces, **dict(zip(names, heat, strict=True)), "place": places}
        return Losses(loss, {name: term.detach() for name, term in terms.items()}, per_sample.detach())


def point_weights(config: NanoObjectiveConfig) -> Tensor:
    """(kinds,) weight of a point in the trace loss by what it lies on, see ``episode.PointKind``."""
    weights = torch.ones(len(PointKind))
    weights[PointKind.HAND] = config.hand_weight
    weights[PointKind.ARM] = config.arm_weight
    weights[PointKind.TARGET_OBJECT] = config.object_weight
    weights[PointKind.OTHER_OBJECT] = config.object_weight
    return weights


def point_errors(points: QueryPoints, target_uvz: Tensor, cell_places: Tensor) -> tuple[Tensor, Tensor]:
    """Errors of the first three query points against ``target_uvz``; points outside the image have none.

    Args:
        points: What the network found.
        target_uvz: (B, 3, 3) u, v in fractions of the image, z [m]; NaN where not applicable.
        cell_places: (cells, 2) u, v of the heat-maps' cells.

    Returns:
        (B, 3) cross-entropy of each heat-map; (B, 3) error of each place, |du| + |dv| in fractions of the image + |dz|
        in metres.
    """
    count = len(SUPERVISED_POINTS)
    seen = _in_image(target_uvz)
    target = torch.where(seen[..., None], target_uvz, torch.full_like(target_uvz, 0.5))
    spread = HEAT_SPREAD / cell_places.shape[0] ** 0.5
    distance = (cell_places - target[:, :, None, :2]).square().sum(-1)
    heat = torch.softmax(-distance / (2.0 * spread**2), dim=-1)
    entropy = -(heat * points.log_heat[:, :count]).sum(-1) * seen
    error = (points.uvz[:, :count] - target).abs().sum(-1) * seen
    return entropy, error


def _in_image(target_uvz: Tensor) -> Tensor:
    """(B, 3) whether each place is known and lies in the image."""
    return (torch.isfinite(target_uvz) & (target_uvz > 0.0)).all(-1) & (target_uvz[..., :2] < 1.0).all(-1)
