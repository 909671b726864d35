"""What is timed: the engines, and the plain construction. Made inside the worker's process."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.inference_speed.timings import Duration
from tests.inference_speed.worker import Observation, PredictionTimes, Stopwatch

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.engines import EngineRequest, load_engine
from tracegen_model.runtime.preprocessing import PREPARATIONS

PEAK_SIDE = {"cpu": 1536, "cuda": 8192}
"""Side of the matrices whose product says what a device can do: large enough to be bound by arithmetic."""

PEAK_RUNS = {"cpu": 1, "cuda": 20}
"""Products timed together; a GPU needs some to be busy throughout."""


def noise_of(samples: int, config: CheckpointConfig) -> NDArray[np.float32]:
    """(samples, points, horizon, 3), the same in every worker."""
    rng = np.random.default_rng(0)
    shape = (samples, config.network.points, config.network.horizon, 3)
    return rng.standard_normal(shape, dtype=np.float32)


class EngineSubject:
    """An engine of the registry at a checkpoint's sampling plan."""

    def __init__(self, folder: Path, engine: str, precision: str, plan: SamplingPlan, threads: int) -> None:
        self._config = CheckpointConfig.load(folder)
        self._preparation = PREPARATIONS[self._config.network.preparation]
        self._plan = plan
        request = EngineRequest(folder, self._config, plan, threads, precision)
        self._engine = load_engine(engine, request).engine
        self.description = str(self._engine.description)
        self.precision = self._engine.description.precision

    def predict(self, observation: Observation, samples: int) -> PredictionTimes:
        """One condition, and ``samples`` noises on it."""
        noise = noise_of(samples, self._config)
        side = self._config.network.image_side
        watch = Stopwatch()
        colour = self._preparation.colour(observation.colour, side)
        depth = self._preparation.depth(observation.depth, side)
        prepare = watch.split()
        condition = self._engine.condition(colour, depth, observation.instruction)
        encode = watch.split()
        self._engine.sample(noise, condition, self._plan)
        return PredictionTimes(prepare, encode, watch.split())

    def measure_peak(self) -> tuple[float, Duration] | None:
        """Left to the plain construction, whose library has matrix products."""
        return None


class PlainSubject:
    """The plain construction: everything anew for each sample."""

    precision = "float32"

    def __init__(self, folder: Path, threads: int) -> None:
        from tests.inference_speed.plain_construction import PlainConstruction

        self._config = CheckpointConfig.load(folder)
        self._preparation = PREPARATIONS[self._config.network.preparation]
        self._plain = PlainConstruction(folder, threads)
        self.description = self._plain.description

    def predict(self, observation: Observation, samples: int) -> PredictionTimes:
        """A condition and 100 steps for each sample."""
        noise = noise_of(samples, self._config)
        side = self._config.network.image_side
        watch = Stopwatch()
        colour = self._preparation.colour(observation.colour, side)
        depth = self._preparation.depth(observation.depth, side)
        prepare, parts = watch.split(), []
        for one in noise:
            condition = self._plain.condition(colour, depth, observation.instruction)
            encode = watch.split()
            self._plain.sample(one[None], condition)
            parts.append((encode, watch.split()))
        encode = functools.reduce(lambda a, b: a + b, (part[0] for part in parts))
        sample = functools.reduce(lambda a, b: a + b, (part[1] for part in parts))
        return PredictionTimes(prepare, encode, sample)

    def measure_peak(self) -> tuple[float, Duration] | None:
        """Operations of a product of large float32 matrices, and how long it took."""
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        side, runs = PEAK_SIDE[device], PEAK_RUNS[device]
        one, other = torch.randn(2, side, side, device=device).unbind(0)
        torch.mm(one, other)
        if device == "cuda":
            torch.cuda.synchronize()
        watch = Stopwatch()
        for _ in range(runs):
            torch.mm(one, other)
        if device == "cuda":
            torch.cuda.synchronize()
        return runs * 2.0 * side**3, watch.split()
