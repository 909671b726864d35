"""Draws traces from a network, and says how far guidance pushes its velocity. ``integrators`` has the methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from tracegen_model.network.integrators import SamplerError, SamplingPlan
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.trace_network import TraceNetwork

Velocity = Callable[[Tensor, float], Tensor]
"""dx/dt of a state (B, ...) at a time 0..1."""


class GuidanceError(ValueError):
    """Guidance is asked of a network that cannot be guided, or without its null condition."""


@torch.no_grad()
def sample(
    network: TraceNetwork,
    condition: Any,
    noise: Tensor,
    steps: int,
    method: str = "euler",
    guidance: float = 1.0,
    null_condition: Any = None,
) -> Tensor:
    """Normalised increments (B, points, horizon, 3) under a condition.

    Args:
        network: Whose velocity is followed.
        condition: Condition of the B samples, from ``network.condition``.
        noise: (B, points, horizon, 3) standard normal noise, from :func:`draw_noise`.
        steps: Number of steps, any from 1 up.
        method: A key of ``integrators.METHODS``.
        guidance: g of v = v_null + g (v - v_null) (Ho and Salimans 2022): 1 = the condition as it is, 0 = none at all,
            more than 1 = beyond it. Only networks trained with condition dropout know what v_null is; see
            :func:`require_guidance`.
        null_condition: Condition of the same images with the empty sentence; needed unless ``guidance`` is 1.

    Raises:
        SamplerError: Unknown method, fewer than 1 step, or noise of another shape than the network's.
        GuidanceError: Guidance other than 1 without a null condition.
    """
    plan = SamplingPlan.of(method, steps, network.config.time_shift)
    expected = (network.config.points, network.config.horizon, 3)
    if noise.ndim != 4 or noise.shape[1:] != expected:
        raise SamplerError(f"noise must be (B, {', '.join(map(str, expected))}), got {tuple(noise.shape)}")
    if guidance == 1.0:
        velocity = _plain_velocity(network, condition)
    elif null_condition is None:
        raise GuidanceError(
            f"guidance {guidance} needs null_condition: the condition of the same images with empty sentences"
        )
    else:
        velocity = _guided_velocity(network, condition, null_condition, guidance)
    return plan.integrate(velocity, noise)


def require_guidance(guidance: float, condition_dropout: float) -> None:
    """Raise GuidanceError when a checkpoint cannot be guided.

    Args:
        guidance: What is asked for; 1 = no guidance.
        condition_dropout: The checkpoint's share of training samples whose sentence was empty.
    """
    if not 0.0 <= guidance < float("inf"):
        raise GuidanceError(f"guidance must be 0 or more, got {guidance}")
    if guidance != 1.0 and not condition_dropout > 0.0:
        raise GuidanceError(
            f"guidance {guidance} compares the instruction with the empty one, but this checkpoint was trained with "
            "condition_dropout 0 and never saw the empty instruction: what it says about it means nothing. "
            "Use guidance 1, or train with condition_dropout, 0.1 for example"
        )


def draw_noise(config: NetworkConfig, seeds: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """(B, points, horizon, 3) standard normal noise of B samples.

    Each sample has a generator of its own, on the CPU: what a seed gives depends neither on the other samples nor on
    the device.
    """
    drawn = [
        torch.randn(config.points, config.horizon, 3, generator=torch.Generator().manual_seed(seed))
        for seed in seeds
    ]
    return torch.stack(drawn).to(device)


def repeat_condition(condition: Any, count: int) -> Any:
    """Condition of B samples to one of B * count, each sample's copies beside each other: several samples of one scene
    without encoding its image again."""
    return pytree.tree_map(lambda tensor: tensor.repeat_interleave(count, dim=0), condition)


def _plain_velocity(network: TraceNetwork, condition: Any) -> Velocity:
    def velocity(state: Tensor, time: float) -> Tensor:
        return network.velocity(state, state.new_full((len(state),), time), condition).to(state.dtype)

    return velocity


def _guided_velocity(network: TraceNetwork, condition: Any, null_condition: Any, guidance: float) -> Velocity:
    """Both velocities come from one pass over a doubled batch."""
    both = pytree.tree_map(lambda null, given: torch.cat([null, given]), null_condition, condition)
    doubled = _plain_velocity(network, both)

    def velocity(state: Tensor, time: float) -> Tensor:
        without, with_condition = doubled(torch.cat([state, state]), time).chunk(2)
        return torch.lerp(without, with_condition, guidance)

    return velocity
