"""Flow matching on traces: how noise is mixed in, what the loss is, and how samples are drawn.

x_t = (1 - t) noise + t x, t from 0 (noise) to 1 (data). The network predicts x itself; the velocity follows as
(x_predicted - x_t) / (1 - t).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from tracegen_model.network.flow_times import shifted_times

TIME_SPREAD = 1.3
"""Standard deviation of the time's logit around -ln(shift)."""

MAX_TIME_WEIGHT = 5.0
"""Errors count 1 / (1 - t) times, as a velocity's would, but never more than this."""


def draw_times(
    count: int, shift: float, pure_noise_fraction: float, generator: torch.Generator | None = None
) -> Tensor:
    """(count,) training times: σ(N(-ln shift, 1.3)), and a share at t = 0, where the task is regression."""
    times = torch.sigmoid(torch.randn(count, generator=generator) * TIME_SPREAD - math.log(shift))
    return torch.where(torch.rand(count, generator=generator) < pure_noise_fraction, torch.zeros(()), times)


def mix(clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """x_t of ``clean`` and ``noise`` (B, ...) at ``time`` (B,)."""
    t = time.view(-1, *[1] * (clean.ndim - 1))
    return (1.0 - t) * noise + t * clean


def trace_loss(
    predicted: Tensor, clean: Tensor, known: Tensor, weight: Tensor, time: Tensor, position_weight: float
) -> Tensor:
    """Weighted squared error of increments, plus that of the positions they sum up to.

    Args:
        predicted: (B, N, S, 3) predicted normalised increments.
        clean: (B, N, S, 3) true ones, anything where not known.
        known: (B, N, S, 1) 1 where the truth is known.
        weight: (B, N) weight of each point, 1 on average.
        time: (B,) time of the noise.
        position_weight: Weight of the mean squared position error (in increments) over the horizon.
    """
    error = (predicted - clean) * known
    per_point = error.square().mean(dim=(2, 3)) + position_weight * error.cumsum(dim=2).square().mean(
        dim=(2, 3)
    )
    per_time = (1.0 / (1.0 - time).clamp(min=1.0 / MAX_TIME_WEIGHT))[:, None]
    return (per_point * weight * per_time).mean()


def euler_step(state: Tensor, clean: Tensor, time: Tensor, next_time: Tensor) -> Tensor:
    """One Euler step of the flow from ``time`` to ``next_time`` (scalars or (B, 1, 1, 1)); straight paths are exact."""
    return state + (clean - state) * ((next_time - time) / (1.0 - time))


def sample(predict: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int, shift: float) -> Tensor:
    """Integrate the flow from ``noise`` (B, ...) to data in ``steps`` Euler steps.

    ``predict`` (state, time (B,)) gives the network's best guess of the data.
    """
    times = torch.as_tensor(shifted_times(steps, shift), dtype=noise.dtype, device=noise.device)
    state = noise
    for now, after in pairwise(times):
        state = euler_step(state, predict(state, now.expand(len(noise))).to(state.dtype), now, after)
    return state
