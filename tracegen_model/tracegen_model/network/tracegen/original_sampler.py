"""The authors' sampler with its own numerics, for checks against traces that their code made. Not for use otherwise.

What it does unlike ``network/samplers.py``:

- The length of a step is 1 / ``flow_times``, whatever the number of steps. So only ``flow_times`` steps (100 as
  published) follow the flow to the data: of N steps, a share of 1 - N / ``flow_times`` of the noise is left.
- The network is told a time one step nearer to the data than the state is.
- The condition that guidance compares with is random tokens, which no network was trained with. They are drawn first,
  even where guidance does not need them, so that the noise after them is the one that the authors' seeds give.

The authors' clock runs from ``flow_times`` (noise) down to 0 (data), and their velocity is noise - data.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tracegen_model.network.integrators import SamplerError
from tracegen_model.network.tracegen.condition import TraceCondition
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.tracegen import TraceGen

NEGATIVE_DEVIATION = 0.1
"""Standard deviation of the random tokens."""


@torch.no_grad()
def sample_original(
    network: TraceGen,
    condition: TraceCondition,
    steps: int = 100,
    guidance: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Normalised increments (B, points, horizon, 3), as the authors' code would give them.

    Args:
        network: The published network.
        condition: Condition of the B samples, from ``network.condition``.
        steps: Number of steps, 1 to ``flow_times``; fewer than ``flow_times`` leave noise behind.
        guidance: Scale of guidance against random tokens; as with the authors, 1 and less is none.
        generator: Source of noise on the condition's device; None = that device's global one, as with the authors.

    Raises:
        SamplerError: A number of steps that the authors' time grid does not have.
    """
    config, tokens = network.config, condition.tokens
    labels = original_labels(steps, config.flow_times)
    negative = NEGATIVE_DEVIATION * torch.randn(
        tokens.shape, generator=generator, device=tokens.device, dtype=tokens.dtype
    )
    state = draw_original_noise(config, tokens, generator)
    guided = guidance > 1.0
    given = condition.projected
    if guided:
        given = torch.cat([network.condition_from_tokens(negative).projected, given])
    for label in labels:
        doubled = torch.cat([state, state]) if guided else state
        modulation = network.transformer.modulation(state.new_full((len(doubled),), float(label)))
        velocity = network.transformer(doubled, modulation, given).to(state.dtype)
        if guided:
            without, with_condition = velocity.chunk(2)
            velocity = without + guidance * (with_condition - without)
        state = state - velocity * (1.0 / config.flow_times)
    return state


def original_labels(steps: int, flow_times: int) -> list[int]:
    """The ``steps`` times that the network is told, falling: multiples of the whole part of flow_times / steps, from 0.

    Raises:
        SamplerError: More steps than ``flow_times``, or none.
    """
    if not 1 <= steps <= flow_times:
        raise SamplerError(f"the authors' sampler takes 1 to {flow_times} steps, got {steps}")
    return [index * (flow_times // steps) for index in reversed(range(steps))]


def draw_original_noise(
    config: TraceGenConfig, tokens: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """(B, points, horizon, 3) noise, drawn in the authors' order: frame groups, then channels, then rows and columns.

    A channel is a coordinate and a step within the frame group, the step being the faster one.

    Args:
        config: Sizes.
        tokens: (B, ...) the conditioning tokens, whose device and precision the noise gets.
        generator: Source of noise; None = the device's global one.
    """
    side, frames = config.grid_side, config.frames_in_channels
    drawn = torch.randn(
        (len(tokens), config.frame_groups, 3 * frames, side, side),
        generator=generator,
        device=tokens.device,
        dtype=tokens.dtype,
    )
    split = drawn.unflatten(2, (3, frames))
    return split.permute(0, 4, 5, 1, 3, 2).reshape(len(tokens), config.points, config.horizon, 3)
