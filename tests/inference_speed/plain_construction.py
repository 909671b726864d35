"""The original's algorithm in the plainest way: what the engines are compared with.

100 Euler steps in float32, PyTorch eager, and for every sample image, depth and sentence are encoded anew. Nothing is
fused, compiled, precomputed or kept. The published network's transformer is diffusers' own, which projects the
conditioning, embeds the positions and makes the modulation at every step, as the authors' code uses it.

Unlike the authors' code, steps have the length that fits their number (theirs is fixed at 1 / 100, the same at 100
steps), and the network is told the time of the state. Neither changes what it costs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tests.network_speed.stock_transformer import stock_transformer
from torch import Tensor

from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.tracegen.cogvideox_names import from_cogvideox
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.tracegen import TraceGen

STEPS = 100
"""Of the published sampler."""

Velocity = Callable[[Tensor, float, Any], Tensor]


class PlainConstruction:
    """A checkpoint run in the plainest way.

    Args:
        folder: The checkpoint.
        threads: Of PyTorch.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        config, network = load_checkpoint(folder)
        self._network = network.to(self._device)
        self.plan = SamplingPlan.of("euler", STEPS, config.network.time_shift)
        self._velocity: Velocity = self._network_velocity
        if isinstance(network, TraceGen):
            self._velocity = stock_velocity(network, self._device)

    @property
    def description(self) -> str:
        """What runs where."""
        device = torch.cuda.get_device_name() if self._device.type == "cuda" else "CPU"
        return f"PyTorch {torch.__version__}, eager, float32, {device}"

    @torch.no_grad()
    def condition(self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str) -> Any:
        """Encode (side, side, 3) colour, (side, side) depth [m] and an instruction."""
        images = ImageBatch(
            colour=torch.tensor(colour).permute(2, 0, 1)[None].float() / 255.0,
            depth=torch.tensor(depth)[None],
            depth_known=torch.tensor([True]),
        ).to(self._device)
        return self._network.condition(images, [instruction])

    @torch.no_grad()
    def sample(self, noise: NDArray[np.float32], condition: Any) -> NDArray[np.float32]:
        """Normalised increments (1, points, horizon, 3) of one sample."""
        state = torch.from_numpy(noise).to(self._device)
        found = self.plan.integrate(lambda state, time: self._velocity(state, time, condition), state)
        return np.asarray(found.cpu().numpy())

    def _network_velocity(self, state: Tensor, time: float, condition: Any) -> Tensor:
        return self._network.velocity(state, state.new_full((len(state),), time), condition)


def stock_velocity(network: TraceGen, device: torch.device) -> Velocity:
    """The velocity of a published network by diffusers' transformer with the same weights."""
    config = network.config
    stock = stock_transformer(config).to(device).eval()
    # The two lay their weights out differently: ours tell which of the other's numbers goes where.
    shapes = {name: tensor.shape for name, tensor in stock.state_dict().items()}
    numbered, count = {}, 0
    for name, shape in shapes.items():
        numbered[name] = torch.arange(count, count + shape.numel(), device=device).view(shape)
        count += shape.numel()
    values = torch.empty(count, device=device)
    ours = network.transformer.state_dict()
    for name, places in from_cogvideox(numbered, config.blocks).items():
        values[places] = ours[name]
    stock.load_state_dict({name: values[places] for name, places in numbered.items()})

    def velocity(state: Tensor, time: float, condition: Any) -> Tensor:
        label = network.labels(state.new_full((len(state),), time))
        found = stock(as_video(state, config), condition.tokens, label, return_dict=False)[0]
        return -as_traces(found, config)

    return velocity


def as_video(traces: Tensor, config: TraceGenConfig) -> Tensor:
    """(B, frame groups, channels, side, side), as diffusers' transformer takes traces (B, points, horizon, 3)."""
    side, frames = config.grid_side, config.frames_in_channels
    split = traces.view(-1, side, side, config.frame_groups, frames, 3)
    return split.permute(0, 3, 5, 4, 1, 2).flatten(2, 3).contiguous()


def as_traces(video: Tensor, config: TraceGenConfig) -> Tensor:
    """The inverse of :func:`as_video`."""
    split = video.unflatten(2, (3, config.frames_in_channels))
    return split.permute(0, 4, 5, 1, 3, 2).reshape(-1, config.points, config.horizon, 3)
