"""Samplers: from noise to traces along the network's velocity, and how far guidance pushes that velocity.

All methods are exact where paths are straight, whatever the steps. None of them asks for the velocity at t = 1, where a
network that predicts the data has none (0 / 0). What they cost and how fast their error falls with the step h:

====================  =======================  =====  ==============================================================
method                evaluations in N steps   error  source
====================  =======================  =====  ==============================================================
``euler``             N                        h      one evaluation a step, at its start
``midpoint``          2 N                      h²     second one in the middle of the step
``heun``              2 N - 1                  h²     second one at its end, but for the last step, which is Euler's
                                                      (Karras et al. 2022, "EDM", algorithm 1)
``adams_bashforth``   N                        h²     line through this velocity and the last one, for unequal steps
                                                      (Hairer, Nørsett, Wanner 1993, section III.5); first step Euler's
====================  =======================  =====  ==============================================================

Which one is best depends on the network. On ``fr3_blocks_nano``, whose first steps are the hard ones, the distance of
traces to those of very many steps, in shares of the traces' own length, is at 10 evaluations 0.21 by ``euler``, 0.17 by
``midpoint``, 0.23 by ``heun`` in 9 and 0.17 by ``adams_bashforth``. That one extrapolates, and overshoots where a step
is several times as long as the one before: with shifted times, give it 5 steps or more.

The multistep method is Adams and Bashforth's rather than one of the DPM-Solver family, because those count time in the
logarithm of the signal-to-noise ratio, which is infinite at both ends of this flow, t = 0 and t = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from tracegen_model.network.flow_times import shifted_times
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.trace_network import TraceNetwork

Velocity = Callable[[Tensor, float], Tensor]
"""dx/dt of a state (B, ...) at a time 0..1."""


class SamplerError(ValueError):
    """There is no such sampling method, or what it is given does not fit together."""


class GuidanceError(ValueError):
    """Guidance is asked of a network that cannot be guided, or without its null condition."""


@dataclass(frozen=True)
class Method:
    """A way to integrate a velocity over given times.

    Attributes:
        integrate: (velocity, state at the first time, times) to the state at the last time.
        evaluations: Number of steps to number of evaluations of the velocity.
    """

    integrate: Callable[[Velocity, Tensor, Sequence[float]], Tensor]
    evaluations: Callable[[int], int]


def integrate_euler(velocity: Velocity, state: Tensor, times: Sequence[float]) -> Tensor:
    """First order: along the velocity at the start of each step."""
    for now, after in pairwise(times):
        state = torch.add(state, velocity(state, now), alpha=after - now)
    return state


def integrate_midpoint(velocity: Velocity, state: Tensor, times: Sequence[float]) -> Tensor:
    """Second order: along the velocity in the middle of each step."""
    for now, after in pairwise(times):
        half = 0.5 * (after - now)
        middle = torch.add(state, velocity(state, now), alpha=half)
        state = torch.add(state, velocity(middle, now + half), alpha=after - now)
    return state


def integrate_heun(velocity: Velocity, state: Tensor, times: Sequence[float]) -> Tensor:
    """Second order: along the mean of the velocities at both ends of each step; the last step is Euler's."""
    for now, after in pairwise(times[:-1]):
        at_start = velocity(state, now)
        at_end = velocity(torch.add(state, at_start, alpha=after - now), after)
        state = torch.add(state, at_start + at_end, alpha=0.5 * (after - now))
    return integrate_euler(velocity, state, times[-2:])


def integrate_adams_bashforth(velocity: Velocity, state: Tensor, times: Sequence[float]) -> Tensor:
    """Second order: along the line through the velocities at the start of this step and of the one before."""
    last: tuple[Tensor, float] | None = None
    for now, after in pairwise(times):
        found, length = velocity(state, now), after - now
        slope = found if last is None else torch.add(found, found - last[0], alpha=0.5 * length / last[1])
        state = torch.add(state, slope, alpha=length)
        last = found, length
    return state


METHODS: dict[str, Method] = {
    "euler": Method(integrate_euler, lambda steps: steps),
    "midpoint": Method(integrate_midpoint, lambda steps: 2 * steps),
    "heun": Method(integrate_heun, lambda steps: 2 * steps - 1),
    "adams_bashforth": Method(integrate_adams_bashforth, lambda steps: steps),
}
"""Sampling methods by name."""


def sampling_method(name: str) -> Method:
    """The method called ``name``; raises SamplerError naming the choices."""
    if name not in METHODS:
        raise SamplerError(f"no sampling method {name!r}; there is {', '.join(METHODS)}")
    return METHODS[name]


def evaluations(method: str, steps: int) -> int:
    """Evaluations of the network that ``steps`` steps of ``method`` take; guidance doubles their batch."""
    return sampling_method(method).evaluations(steps)


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
        method: A key of ``METHODS``.
        guidance: g of v = v_null + g (v - v_null) (Ho and Salimans 2022): 1 = the condition as it is, 0 = none at all,
            more than 1 = beyond it. Only networks trained with condition dropout know what v_null is; see
            :func:`require_guidance`.
        null_condition: Condition of the same images with the empty sentence; needed unless ``guidance`` is 1.

    Raises:
        SamplerError: Unknown method, fewer than 1 step, or noise of another shape than the network's.
        GuidanceError: Guidance other than 1 without a null condition.
    """
    chosen = sampling_method(method)
    if steps < 1:
        raise SamplerError(f"a sampler takes at least 1 step, got {steps}")
    expected = (network.config.points, network.config.horizon, 3)
    if noise.ndim != 4 or noise.shape[1:] != expected:
        raise SamplerError(f"noise must be (B, {', '.join(map(str, expected))}), got {tuple(noise.shape)}")
    times = [float(time) for time in shifted_times(steps, network.config.time_shift)]
    if guidance == 1.0:
        velocity = _plain_velocity(network, condition)
    elif null_condition is None:
        raise GuidanceError(
            f"guidance {guidance} needs null_condition: the condition of the same images with empty sentences"
        )
    else:
        velocity = _guided_velocity(network, condition, null_condition, guidance)
    return chosen.integrate(velocity, noise, times)


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
