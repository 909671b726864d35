"""Speed of the trace transformer beside diffusers' CogVideoX transformer of the same size with the same weights.

    python -m tests.network_speed.benchmark
    python -m tests.network_speed.benchmark --preset large --device cuda --autocast

Both take turns in one run on one machine, so that the ratio of a turn says more than either time: what else the
machine does meets both. On a CPU the time is the processor's, which other programs change least. First the two must
agree: outputs, and the gradients of a training step. Exit status 1 when they do not, or when ours is slower.

A sampler step of ours is that of a sampler: the conditioning is projected once per frame, here once for every
``SAMPLER_STEPS`` steps. diffusers' transformer projects it in each step, as the published sampler uses it. A training
step is one of AdamW on both, with the conditioning's gradient too, since what makes the conditioning is trained.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable

import torch
from tests.network_speed.stock_transformer import stock_transformer
from torch import Tensor, nn

from tracegen_model.network.presets import PRESETS, preset
from tracegen_model.network.tracegen.cogvideox_names import from_cogvideox
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.trace_transformer import TraceTransformer

SAMPLER_STEPS = 4
"""Steps of a turn. A frame takes more of them, which would favour ours further."""

OUTPUT_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
"""Largest difference in float32, relative to the largest number of the tensor."""

SLOWEST_RATIO = 0.98
"""Ours counts as slower below this: medians of equal programs differ as much."""

WHY = """What makes the difference:
  - positions are a buffer; diffusers computes them anew in float64 in each forward pass at this length
  - the conditioning is projected once per frame instead of once per step
  - the last block leaves out what it would compute for the conditioning tokens, which nobody reads
  - scale, shift and gate take one pass over the tokens each, and the tokens are joined once per block instead of twice
  - queries and keys are normalised before their heads are moved to the front, not after, which needs no copies
  - the modulation of all blocks is one matrix product"""


class Pair:
    """The two transformers with the same weights, and what they are fed.

    Args:
        config: Sizes.
        batch: Samples.
        device: Where both run.
        autocast: Compute in bfloat16 where PyTorch sees fit.
    """

    def __init__(self, config: TraceGenConfig, batch: int, device: torch.device, autocast: bool) -> None:
        torch.manual_seed(0)
        self.config, self.device, self.autocast = config, device, autocast
        self.stock = stock_transformer(config).to(device)
        self.ours = TraceTransformer(config).to(device)
        self.ours.load_state_dict(from_cogvideox(self.stock.state_dict(), config.blocks))
        self.state = torch.randn(batch, config.points, config.horizon, 3, device=device)
        self.target = torch.randn(batch, config.points, config.horizon, 3, device=device)
        self.tokens = torch.randn(batch, config.condition_length, config.condition_width, device=device)
        self.tokens.requires_grad_()
        self.labels = torch.linspace(90.0, 10.0, SAMPLER_STEPS, device=device)

    def precision(self) -> contextlib.AbstractContextManager[object]:
        """What both compute in."""
        if self.autocast:
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def video(self, traces: Tensor) -> Tensor:
        """(B, frame groups, channels, side, side) as diffusers' transformer takes traces (B, points, steps, 3)."""
        config = self.config
        side, frames = config.grid_side, config.frames_in_channels
        split = traces.view(-1, side, side, config.frame_groups, frames, 3)
        return split.permute(0, 3, 5, 4, 1, 2).flatten(2, 3).contiguous()

    @torch.no_grad()
    def sample_stock(self) -> Tensor:
        """Sampler steps with diffusers' transformer; its state after them, as a video."""
        state, tokens = self.video(self.state), self.tokens.detach()
        for label in self.labels:
            with self.precision():
                velocity = self.stock(state, tokens, label.expand(len(state)), return_dict=False)[0]
            state = state - velocity.float() / SAMPLER_STEPS
        return state

    @torch.no_grad()
    def sample_ours(self) -> Tensor:
        """The same steps with ours; traces."""
        state = self.state
        with self.precision():
            condition = self.ours.project_condition(self.tokens.detach())
        for label in self.labels:
            with self.precision():
                modulation = self.ours.modulation(label.expand(len(state)))
                velocity = self.ours(state, modulation, condition)
            state = state - velocity.float() / SAMPLER_STEPS
        return state

    def loss_stock(self) -> Tensor:
        """Mean squared error of diffusers' transformer."""
        labels = self.labels[:1].expand(len(self.state))
        with self.precision():
            found = self.stock(self.video(self.state), self.tokens, labels, return_dict=False)[0]
        return (found.float() - self.video(self.target)).square().mean()

    def loss_ours(self) -> Tensor:
        """Mean squared error of ours."""
        labels = self.labels[:1].expand(len(self.state))
        with self.precision():
            condition = self.ours.project_condition(self.tokens)
            found = self.ours(self.state, self.ours.modulation(labels), condition)
        return (found.float() - self.target).square().mean()

    def check(self) -> None:
        """Raise SystemExit unless outputs and gradients agree."""
        require_close("outputs", self.video(self.sample_ours()), self.sample_stock(), OUTPUT_TOLERANCE)
        gradients = []
        for network, loss in ((self.stock, self.loss_stock), (self.ours, self.loss_ours)):
            self.tokens.grad = None
            loss().backward()
            gradients.append({name: entry.grad for name, entry in network.named_parameters()})
            gradients[-1]["the conditioning"] = self.tokens.grad
            network.zero_grad(set_to_none=True)
        expected = from_cogvideox(gradients[0], self.config.blocks)
        expected["the conditioning"] = gradients[0]["the conditioning"]
        for name, gradient in gradients[1].items():
            require_close(f"gradients of {name}", gradient, expected[name], GRADIENT_TOLERANCE)


def require_close(what: str, found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Raise SystemExit unless two tensors are equal up to ``tolerance`` of the largest number."""
    largest = float(expected.abs().max())
    # What has no effect, as the bias of normalised keys, has no gradient but for rounding.
    difference = float((found - expected).abs().max()) / max(largest, tolerance)
    if difference > tolerance:
        raise SystemExit(
            f"{what} differ by {difference:.1e} of the largest number, more than {tolerance:.0e}"
        )


def training_step(network: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """A step of AdamW on ``network``."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-6)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()

    return step


def compare(
    stock: Callable[[], object], ours: Callable[[], object], turns: int, device: torch.device
) -> tuple[float, float, float]:
    """Median seconds of both and median ratio stock / ours, over ``turns`` turns in changing order."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    times: dict[Callable[[], object], list[float]] = {stock: [], ours: []}
    for turn in range(turns + 1):
        for run in (stock, ours) if turn % 2 else (ours, stock):
            start = clock()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if turn > 0:  # The first turn warms up.
                times[run].append(clock() - start)
    ratios = [theirs / mine for theirs, mine in zip(times[stock], times[ours], strict=True)]
    return statistics.median(times[stock]), statistics.median(times[ours]), statistics.median(ratios)


def main() -> int:
    """Compare and print; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    choices = [name for name, config in PRESETS.items() if isinstance(config, TraceGenConfig)]
    parser.add_argument("--preset", choices=choices, default="base")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=2, help="samples of a training step")
    parser.add_argument("--turns", type=int, default=7, help="turns of each, after one to warm up")
    parser.add_argument("--autocast", action="store_true", help="measure with bfloat16 autocast")
    parser.add_argument("--compile", action="store_true", help="measure both after torch.compile")
    parser.add_argument("--threads", type=int, default=1, help="threads on a CPU")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, config = torch.device(options.device), preset(options.preset)
    assert isinstance(config, TraceGenConfig)

    Pair(config, 1, device, autocast=False).check()
    print(f"{options.preset} on {device}: outputs and gradients agree")
    single = Pair(config, 1, device, options.autocast)
    several = Pair(config, options.batch, device, options.autocast)
    for pair in (single, several):
        if options.compile:
            pair.stock.compile()
            pair.ours.compile()
    step_stock, step_ours, step_ratio = compare(
        single.sample_stock, single.sample_ours, options.turns, device
    )
    train_stock, train_ours, train_ratio = compare(
        training_step(several.stock, several.loss_stock),
        training_step(several.ours, several.loss_ours),
        options.turns,
        device,
    )
    print(f"{'median of ' + str(options.turns) + ' turns':<36}{'diffusers':>12}{'ours':>12}{'ratio':>8}")
    per_step = [seconds / SAMPLER_STEPS for seconds in (step_stock, step_ours)]
    print(f"{'sampler step, batch 1 [s]':<36}{per_step[0]:>12.4f}{per_step[1]:>12.4f}{step_ratio:>8.3f}")
    per_second = [options.batch / seconds for seconds in (train_stock, train_ours)]
    label = f"training, batch {options.batch} [samples/s]"
    print(f"{label:<36}{per_second[0]:>12.3f}{per_second[1]:>12.3f}{train_ratio:>8.3f}")
    print(WHY)
    if min(step_ratio, train_ratio) < SLOWEST_RATIO:
        print(f"ours is slower: a ratio is below {SLOWEST_RATIO}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
