"""Ways of running a checkpoint on a CPU, beside plain ONNX Runtime.

    python -m tests.inference_speed.cpu_speed
    python -m tests.inference_speed.cpu_speed --checkpoint FOLDER --turns 5 --markdown table.md

"Plain" is what comes of opening the exported graphs with ONNX Runtime's defaults: a thread for each core, waiting
threads that spin, and a call for each step. The ways take turns, so that what else the machine does meets all of them.
The main figure is processor time, of all threads together: on a machine with other work it is what others have to do
without, and unlike wall time it hardly changes with what they do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tests.inference_speed.timings import Duration

from tracegen_model.network.checkpoint_config import VELOCITY_FILE, CheckpointConfig
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.runtime import find_checkpoint
from tracegen_model.runtime.engines import ENGINES, Engine, EngineRequest, load_engine
from tracegen_model.runtime.engines.quantised_graphs import QuantisedGraphs

INSTRUCTION = "put the red block into the green zone"
MS_PER_S = 1000.0
WARM_UP_TURNS = 2
MANY_SAMPLES = 4

SETTLING_S = 0.3
"""Pause in which threads that spin give up; what they burn after their work counts as theirs [s]."""


@dataclass
class Way:
    """A way of making traces, and how long it took.

    Attributes:
        name: For people.
        engine: What runs.
        samples: Samples drawn together.
        conditions: Durations of encoding image and sentence.
        sampling: Durations of sampling.
    """

    name: str
    engine: Engine
    samples: int = 1
    conditions: list[Duration] = field(default_factory=list)
    sampling: list[Duration] = field(default_factory=list)


@dataclass(frozen=True)
class Observation:
    """What every turn starts from: prepared images, noise of the most samples, and the plan."""

    colour: NDArray[np.uint8]
    depth: NDArray[np.float32]
    noise: NDArray[np.float32]
    plan: SamplingPlan


class SteppedVelocity:
    """Sampling with the velocity's graph as ONNX Runtime's defaults open it; the condition comes from an engine.

    Args:
        folder: The checkpoint.
        engine: Whose conditions are used; the time of encoding is its own.
        at_time: What the velocity takes in at a time of the flow.
        options: Of ONNX Runtime.
    """

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        at_time: Callable[[float], dict[str, Any]],
        options: onnxruntime.SessionOptions,
    ) -> None:
        self._session = onnxruntime.InferenceSession(
            str(folder / VELOCITY_FILE), options, providers=["CPUExecutionProvider"]
        )
        self._at_time = at_time
        self.description, self.condition, self.close = engine.description, engine.condition, engine.close

    def sample(self, state: NDArray[np.float32], condition: Any, plan: SamplingPlan) -> NDArray[np.float32]:
        """As :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        given = {name: value.numpy() for name, value in condition.inputs.items()}

        def velocity(state: NDArray[np.float32], at: float) -> NDArray[np.float32]:
            return np.asarray(self._session.run(None, {"state": state, **self._at_time(at), **given})[0])

        return np.asarray(plan.integrate(velocity, state), np.float32)


def timed[Result](work: Callable[[], Result]) -> tuple[Result, Duration]:
    """What ``work`` returns, and how long it took."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    wall = time.perf_counter() - wall
    time.sleep(SETTLING_S)
    return result, Duration(wall, time.process_time() - processor)


def take_turns(ways: list[Way], observation: Observation, turns: int) -> None:
    """Run every way ``turns`` times, one after the other."""
    for turn in range(-WARM_UP_TURNS, turns):
        for way in ways:
            condition, encoding = timed(
                lambda engine=way.engine: engine.condition(observation.colour, observation.depth, INSTRUCTION)
            )
            _, sampling = timed(
                lambda engine=way.engine, condition=condition, samples=way.samples: engine.sample(
                    observation.noise[:samples], condition, observation.plan
                )
            )
            if turn >= 0:
                way.conditions.append(encoding)
                way.sampling.append(sampling)


def ways_of(folder: Path, config: CheckpointConfig, compiled: bool) -> list[Way]:
    """The ways that this machine has; the plain one first."""

    def engine(name: str, precision: str, samples: int = 1, threads: int = 1) -> Engine:
        plan = config.default_plan
        return load_engine(name, EngineRequest(folder, config, plan, threads, precision, samples)).engine

    ways = []
    plain = engine("onnxruntime", "float32", threads=os.cpu_count() or 1)
    if isinstance(config.network, NanoConfig):
        stepped = SteppedVelocity(
            folder,
            plain,
            lambda at: {"time": np.array([at], np.float32)},
            onnxruntime.SessionOptions(),
        )
        ways.append(Way("plain ONNX Runtime: all cores, spinning, a call for each step", stepped))
    ways.append(Way("onnxruntime, float32, all cores", plain))
    ways.append(Way("onnxruntime, float32, 1 thread", engine("onnxruntime", "float32")))
    has_int8 = QuantisedGraphs(config).exist()
    if has_int8:
        ways.append(Way("onnxruntime, int8, 1 thread", engine("onnxruntime", "int8")))
    if isinstance(config.network, NanoConfig):
        for precision in ("float32", "int8") if has_int8 else ("float32",):
            many = engine("onnxruntime", precision, MANY_SAMPLES)
            ways.append(
                Way(f"onnxruntime, {precision}, 1 thread, {MANY_SAMPLES} samples", many, MANY_SAMPLES)
            )
    names = ("torch", "torch-compiled") if compiled else ("torch",)
    for name in names:
        reason = ENGINES[name].why_unavailable()
        if reason is not None:
            print(f"left out: {name} {reason}", file=sys.stderr)
            continue
        ways += [Way(f"{name}, {p}, 1 thread", engine(name, p)) for p in ("float32", "bfloat16")]
    return ways


def table(ways: list[Way], plan: SamplingPlan) -> str:
    """Medians as Markdown: processor time of each stage, and of everything beside the first way's."""
    rows = [
        "| | encode | sample | sum, processor | sum, wall | a trace, beside the first |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    first = _processor(ways[0])
    for way in ways:
        encode, sample = (
            MS_PER_S * statistics.median(duration.processor_s for duration in durations)
            for durations in (way.conditions, way.sampling)
        )
        wall = MS_PER_S * statistics.median(
            one.wall_s + other.wall_s for one, other in zip(way.conditions, way.sampling, strict=True)
        )
        ratio = first / (_processor(way) / way.samples)
        rows.append(
            f"| {way.name} | {encode:.1f} | {sample:.1f} | {encode + sample:.1f} | {wall:.1f} | {ratio:.2f} × |"
        )
    return "\n".join([*rows, "", f"Medians in ms; {plan.method}, {plan.steps} steps."])


def _processor(way: Way) -> float:
    return statistics.median(
        one.processor_s + other.processor_s for one, other in zip(way.conditions, way.sampling, strict=True)
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--checkpoint", default="fr3_blocks_nano", help="name or folder (default: %(default)s)"
    )
    parser.add_argument("--turns", type=int, default=50, help="turns of each way (default: %(default)s)")
    parser.add_argument("--compiled", action="store_true", help="also torch.compile, which takes minutes")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    options = parser.parse_args()
    folder = find_checkpoint(options.checkpoint)
    config = CheckpointConfig.load(folder)
    network, rng = config.network, np.random.default_rng(0)
    side = network.image_side
    observation = Observation(
        rng.integers(0, 256, (side, side, 3), dtype=np.uint8),
        rng.uniform(0.5, 1.5, (side, side)).astype(np.float32),
        rng.standard_normal((MANY_SAMPLES, network.points, network.horizon, 3), dtype=np.float32),
        config.default_plan,
    )
    ways = ways_of(folder, config, options.compiled)
    take_turns(ways, observation, options.turns)
    found = table(ways, config.default_plan)
    print(found)
    if options.markdown:
        options.markdown.write_text(found + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
