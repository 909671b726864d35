"""Flow matching on traces: how noise is mixed in, at which times, and what the loss is. ``samplers`` draws samples.

x_t = (1 - t) noise + t x, t from 0 (noise) to 1 (data). The published network predicts the velocity x - noise. The nano
network predicts x itself; the velocity follows as (x_predicted - x_t) / (1 - t).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

TIME_SPREAD = 1.3
"""Standard deviation of the time's logit around -ln(shift)."""

MAX_TIME_WEIGHT = 5.0
"""Errors count 1 / (1 - t) times, as a velocity's would, but never more than this."""


def original_times(uniform: Tensor, flow_times: int) -> Tensor:
    """(B,) the published training times 1 - k / flow_times, k = 0 .. flow_times - 1, of ``uniform`` (B,) in [0, 1)."""
    return 1.0 - (uniform * flow_times).floor().clamp(max=flow_times - 1) / flow_times


def shift_times(times: Tensor, shift: float) -> Tensor:
    """``times`` moved towards the noise, see ``flow_times``."""
    return times / (times + shift * (1.0 - times))


def logit_normal_times(normal: Tensor, shift: float) -> Tensor:
    """(B,) training times σ(1.3 n - ln shift) of ``normal`` (B,) standard normal numbers."""
    return torch.sigmoid(normal * TIME_SPREAD - math.log(shift))


def mix(clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """x_t of ``clean`` and ``noise`` (B, ...) at ``time`` (B,)."""
    t = time.view(-1, *[1] * (clean.ndim - 1))
    return (1.0 - t) * noise + t * clean


def velocity_errors(velocity: Tensor, clean: Tensor, noise: Tensor, known: Tensor) -> Tensor:
    """(B,) squared error of ``velocity`` against clean - noise (B, N, S, 3), summed over what is ``known``."""
    return ((velocity - (clean - noise)) * known).square().sum(dim=(1, 2, 3))


def trace_errors(
    predicted: Tensor, clean: Tensor, known: Tensor, time: Tensor, position_weight: float
) -> Tensor:
    """(B, N) squared error of each point's increments, plus that of the positions they sum up to.

    Args:
        predicted: (B, N, S, 3) predicted normalised increments.
        clean: (B, N, S, 3) true ones, anything where not known.
        known: (B, N, S, 3) or (B, N, S, 1) 1 where the truth is known.
        time: (B,) time of the noise.
        position_weight: Weight of the mean squared position error (in increments) over the horizon.
    """
    error = (predicted - clean) * known
    per_point = error.square().mean(dim=(2, 3)) + position_weight * error.cumsum(dim=2).square().mean(
        dim=(2, 3)
    )
    per_time = (1.0 / (1.0 - time).clamp(min=1.0 / MAX_TIME_WEIGHT))[:, None]
    return per_point * per_time


def euler_step(state: Tensor, clean: Tensor, time: Tensor, next_time: Tensor) -> Tensor:
    """One Euler step of the flow from ``time`` to ``next_time`` (scalars or (B, 1, 1, 1)); straight paths are exact."""
    return state + (clean - state) * ((next_time - time) / (1.0 - time))
