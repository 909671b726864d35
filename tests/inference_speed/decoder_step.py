"""One step of the published network's transformer on this machine: ours beside diffusers' blocks, same weights."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.inference_speed.flops import executed_step, published_step

from tracegen_model.network.presets import preset
from tracegen_model.network.tracegen.config import TraceGenConfig


@dataclass(frozen=True)
class DecoderSpeed:
    """What was measured.

    Attributes:
        preset: Of the network.
        device: cpu or cuda.
        threads: On a CPU.
        turns: Turns of each.
        stock_s: Median time of a step of diffusers' transformer [s]; processor time on a CPU.
        ours_s: The same of ours.
        ratio: Median of the turns' ratios.
        stock_operations: Floating-point operations of a step of diffusers' transformer.
        our_operations: The same of ours.
    """

    preset: str
    device: str
    threads: int
    turns: int
    stock_s: float
    ours_s: float
    ratio: float
    stock_operations: float
    our_operations: float


def time_decoder(name: str, turns: int, threads: int, cores: frozenset[int] | None) -> DecoderSpeed:
    """Time the transformer of the preset ``name`` in a process of its own, after checking that both agree."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_time_decoder, name, turns, threads, cores).result()


def _time_decoder(name: str, turns: int, threads: int, cores: frozenset[int] | None) -> DecoderSpeed:
    import os

    if cores is not None:
        os.sched_setaffinity(0, cores)
    import torch
    from tests.network_speed.benchmark import OUTPUT_TOLERANCE, SAMPLER_STEPS, Pair, compare, require_close

    torch.set_num_threads(threads)
    config = preset(name)
    if not isinstance(config, TraceGenConfig):
        raise ValueError(f"{name} has no counterpart in diffusers; expected base or large")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pair = Pair(config, 1, device, autocast=False)
    require_close("outputs", pair.video(pair.sample_ours()), pair.sample_stock(), OUTPUT_TOLERANCE)
    stock_s, ours_s, ratio = compare(pair.sample_stock, pair.sample_ours, turns, device)
    return DecoderSpeed(
        preset=name,
        device=device.type,
        threads=threads,
        turns=turns,
        stock_s=stock_s / SAMPLER_STEPS,
        ours_s=ours_s / SAMPLER_STEPS,
        ratio=ratio,
        stock_operations=published_step(config).total,
        our_operations=executed_step(config).total,
    )
