"""TracePredictor: one RGB-D observation and a sentence to the traces of the query grid."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.network.checkpoint_config import WEIGHTS_FILE, CheckpointConfig, CheckpointError
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.text_tokens import words_of
from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.runtime.consensus import Consensus, endpoint_spread, medoid, spread_of
from tracegen_model.runtime.engine_supervisor import EngineState, EngineSupervisor
from tracegen_model.runtime.engines import (
    BEST_ENGINE,
    BEST_PRECISION,
    EngineError,
    EngineRequest,
)
from tracegen_model.runtime.engines.warm_up import WARM_UP_SENTENCE
from tracegen_model.runtime.errors import InstructionError, ObservationError
from tracegen_model.runtime.preprocessing import PREPARATIONS
from tracegen_model.runtime.stage_times import StageTimes
from tracegen_model.runtime.trace_starts import TraceStarts
from tracegen_model.runtime.warm_start import (
    NoForecast,
    Previous,
    forecast,
    plan_from,
    state_at,
)
from tracegen_model.trace_grid import TraceGrid

logger = logging.getLogger(__name__)

MAX_INSTRUCTION_LENGTH = 1000
"""Characters that an instruction may have."""

MOVING_SHARE = 0.1
"""Points with a longer |du| + |dv| along their trace [fraction of the image] move, as in ``evaluation.definitions``."""

DIGEST_SHOWN = 12
"""Characters of a digest that tell checkpoints apart for people."""


@dataclass(frozen=True)
class TracePrediction:
    """Predicted traces and what they took.

    Attributes:
        traces: Where the points of the query grid will travel; with spread where several samples were drawn.
        latency_s: Seconds of each stage: preprocess (images to the network's size), condition, start (noise, or the
            previous prediction moved on), sample, lift (to traces in space, consensus of several samples included).
        query_points: (3, 3) u, v [px of the source image], z [m] of the object to move, the zone and the hand as the
            network sees them; None where a predictor has no such notion.
        endpoint_spread_m: Mean spread of the last step over the points that move [m]; None with a single sample.
        warm_start: What the flow started from: "" where that is not asked for, the steps that the previous traces were
            moved on, or why they were not used.
    """

    traces: TraceGrid
    latency_s: dict[str, float]
    query_points: NDArray[np.float32] | None = None
    endpoint_spread_m: float | None = None
    warm_start: str = ""


@dataclass(frozen=True)
class PredictorStatus:
    """What predicts at the moment, for people.

    Attributes:
        model: Name of the checkpoint.
        digest: Beginning of the SHA-256 of its weights.
        engine: What runs the network, what was refused and why, and whether an engine is being loaded.
        sampling: Steps, method, samples, and how those become one.
    """

    model: str
    digest: str
    engine: EngineState
    sampling: str


class TracePredictor:
    """Predicts traces with a checkpoint.

    Args:
        checkpoint: Name of a shipped checkpoint, or a checkpoint's folder.
        threads: Threads that the engine may use.
        steps: Steps of the sampler; None = what the checkpoint recommends.
        seed: Seed of the sampler's noise; samples take ``seed``, ``seed`` + 1, ... Every prediction starts from the
            same noise, so that equal inputs give equal traces and successive ones agree.
        engine: What runs the network, "auto" or a key of ``engines.ENGINES``. With "auto", the next best takes over
            when one breaks.
        precision: "auto", or one that the engine offers.
        method: A key of ``integrators.METHODS``; None = what the checkpoint recommends.
        samples: Number of samples K drawn from one condition.
        consensus: How several samples become one.
        warm_start: Flow time in (0, 1) that predictions start from with the previous one moved on, see ``warm_start``;
            0 = always from noise. Traces then depend on those before.

    Raises:
        CheckpointError: The checkpoint is missing, damaged, or not one that this version reads; no engine runs it.
        EngineError: The engine asked for by name broke while it was loaded.
        SamplerError: There is no such method.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        threads: int = 1,
        steps: int | None = None,
        seed: int = 0,
        engine: str = BEST_ENGINE,
        precision: str = BEST_PRECISION,
        method: str | None = None,
        samples: int = 1,
        consensus: Consensus = Consensus.MEDOID,
        warm_start: float = 0.0,
    ) -> None:
        if samples < 1:
            raise ValueError(f"a prediction takes at least 1 sample, got {samples}")
        if not 0.0 <= warm_start < 1.0:
            raise ValueError(f"warm_start is a flow time in [0, 1), got {warm_start}")
        folder = find_checkpoint(checkpoint)
        self._config = CheckpointConfig.load(folder)
        if warm_start and self._config.step_length_m is None:
            raise CheckpointError(
                f"{folder}: a warm start needs traces whose steps have a length, and {self._config.name} has none; "
                "set warm_start to 0"
            )
        self._plan = SamplingPlan.of(
            method or self._config.sampler_method,
            steps or self._config.sampler_steps,
            self._config.network.time_shift,
        )
        self._seed = seed
        self._samples = samples
        self._consensus = consensus
        self._warm_start = warm_start
        self._previous: Previous | None = None
        self._noise = self._draw_noise(seed)
        request = EngineRequest(folder, self._config, self._plan, threads, precision, samples)
        self._engines = EngineSupervisor(engine, request)

    @property
    def config(self) -> CheckpointConfig:
        """The checkpoint's config."""
        return self._config

    @property
    def status(self) -> PredictorStatus:
        """What predicts at the moment; from any thread."""
        digest = self._config.sha256.get(WEIGHTS_FILE, "")[:DIGEST_SHOWN] or "no digest"
        sampling = f"{self._plan.steps} {self._plan.method} steps"
        if self._warm_start:
            sampling += f", warm start at {self._warm_start:g}"
        if self._samples > 1:
            sampling += f", {self._consensus.value} of {self._samples} samples"
        return PredictorStatus(self._config.name, digest, self._engines.state, sampling)

    def close(self) -> None:
        """Let go of what the engine holds; the predictor cannot be used afterwards."""
        self._engines.close()

    def warm_up(self) -> None:
        """Predict once, so that the first real prediction is not the slow one; an engine that breaks is replaced.

        Raises:
            EngineError: No engine got through.
        """
        side = self._config.network.image_side
        middle = (side - 1) / 2
        intrinsics = CameraIntrinsics(float(side), float(side), middle, middle, side, side)
        colour, depth = np.zeros((side, side, 3), np.uint8), np.ones((side, side), np.float32)
        for attempt in range(1, self._engines.alternatives + 1):
            try:
                self.predict(colour, depth, intrinsics, WARM_UP_SENTENCE)
                break
            except EngineError as error:
                if attempt == self._engines.alternatives:
                    raise
                logger.warning("%s", error)
        self._previous = None

    def predict(
        self,
        colour: NDArray[np.uint8],
        depth: NDArray[np.float32],
        intrinsics: CameraIntrinsics,
        instruction: str,
        seed: int | None = None,
        stamp_s: float | None = None,
    ) -> TracePrediction:
        """Traces of the grid points under ``instruction``.

        Args:
            colour: (H, W, 3) uint8 RGB.
            depth: (H, W) [m], aligned with ``colour``; 0 or NaN = no reading.
            intrinsics: Camera of both images.
            instruction: What to do.
            seed: Seed of the sampler's noise; None = the predictor's.
            stamp_s: Time of the images [s]; None = now. Only a warm start looks at it.

        Raises:
            ObservationError: An image has the wrong shape or type, or there is no depth reading at all.
            InstructionError: The instruction is empty or longer than 1000 characters.
            EngineError: The engine broke, or none could be loaded in place of one that did; calling again tries the
                next one, or the same one after a pause. There are no traces.
        """
        _check_observation(colour, depth, intrinsics)
        _check_instruction(instruction)
        engine = self._engines.engine()
        network, times = self._config.network, StageTimes()
        preparation = PREPARATIONS[network.preparation]
        small_colour = preparation.colour(colour, network.image_side)
        small_depth = preparation.depth(depth, network.image_side)
        times.end("preprocess")
        try:
            condition = engine.condition(small_colour, small_depth, instruction)
            times.end("condition")
            starts = TraceStarts.of(depth, intrinsics, network.image_side, network.grid_side)
            stamp_s = time.monotonic() if stamp_s is None else stamp_s
            noise = self._noise if seed is None else self._draw_noise(seed)
            state, plan, warm_start = self._flow_start(noise, instruction, stamp_s, depth, starts)
            times.end("start")
            normalised = engine.sample(state, condition, plan)
        except EngineError as error:
            self._engines.drop(error)
            self._previous = None
            raise
        self._engines.succeeded()
        times.end("sample")
        chosen, traces = self._agree(normalised, starts)
        if self._warm_start:
            self._previous = Previous(instruction, stamp_s, intrinsics, traces, chosen)
        apart = None if traces.spread is None else endpoint_spread(traces.spread, self._moving(chosen))
        size = np.array([intrinsics.width, intrinsics.height, 1.0], np.float32)
        half_pixel = np.array([0.5, 0.5, 0.0], np.float32)
        query_points = None if condition.query_points is None else condition.query_points * size - half_pixel
        times.end("lift")
        return TracePrediction(traces, times.latency_s, query_points, apart, warm_start)

    def _draw_noise(self, seed: int) -> NDArray[np.float32]:
        """(K, points, horizon, 3), sample k from ``seed`` + k."""
        shape = (self._config.network.points, self._config.network.horizon, 3)
        return np.stack(
            [
                np.random.default_rng(seed + number).standard_normal(shape, dtype=np.float32)
                for number in range(self._samples)
            ]
        )

    def _flow_start(
        self,
        noise: NDArray[np.float32],
        instruction: str,
        stamp_s: float,
        depth: NDArray[np.float32],
        starts: TraceStarts,
    ) -> tuple[NDArray[np.float32], SamplingPlan, str]:
        """State to start from, times to step over, and in words what it is."""
        if not self._warm_start:
            return noise, self._plan, ""
        if self._previous is None:
            return noise, self._plan, "no previous traces"
        try:
            found = forecast(self._previous, instruction, stamp_s, depth, starts)
        except NoForecast as reason:
            return noise, self._plan, str(reason)
        state = state_at(self._warm_start, noise, found.increments)
        return state, plan_from(self._plan, self._warm_start), f"moved on by {found.travelled} steps"

    def _agree(
        self, normalised: NDArray[np.float32], starts: TraceStarts
    ) -> tuple[NDArray[np.float32], TraceGrid]:
        """Normalised increments (N, S, 3) and traces that samples (K, N, S, 3) come down to."""
        scale = np.asarray(self._config.increment_scale, np.float32)
        if len(normalised) == 1:
            return normalised[0], starts.lift(normalised[0] * scale)
        samples = [starts.lift(sample * scale) for sample in normalised]
        paths = np.stack([sample.points_in_camera for sample in samples]).astype(float)
        if self._consensus is Consensus.MEDOID:
            index = medoid(paths)
            chosen, traces = normalised[index], samples[index]
        else:
            chosen = normalised.mean(axis=0)
            traces = starts.lift(chosen * scale)
        return chosen, replace(traces, spread=spread_of(paths))

    def _moving(self, normalised: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(N,) the point moves along its increments (N, S, 3)."""
        along = np.abs(normalised[..., :2] * np.asarray(self._config.increment_scale[:2], np.float32))
        return np.asarray(along.sum(axis=(1, 2)) > MOVING_SHARE)


def _check_observation(colour: NDArray, depth: NDArray, intrinsics: CameraIntrinsics) -> None:
    height, width = intrinsics.height, intrinsics.width
    if colour.shape != (height, width, 3) or colour.dtype != np.uint8:
        raise ObservationError(
            f"colour must be ({height}, {width}, 3) uint8 RGB as the intrinsics say, got {colour.shape} {colour.dtype}"
        )
    if depth.shape != (height, width) or not np.issubdtype(depth.dtype, np.floating):
        raise ObservationError(
            f"depth must be ({height}, {width}) of floats in metres, aligned with the colour image, "
            f"got {depth.shape} {depth.dtype}"
        )
    if not (np.isfinite(depth) & (depth > 0.0)).any():
        raise ObservationError(
            "depth has no reading at all: every pixel is 0 or not finite; is the depth stream on?"
        )


def _check_instruction(instruction: str) -> None:
    if len(instruction) > MAX_INSTRUCTION_LENGTH:
        raise InstructionError(
            f"an instruction has at most {MAX_INSTRUCTION_LENGTH} characters, got {len(instruction)}"
        )
    if not words_of(instruction):
        raise InstructionError("the instruction has no words; say what to do, or send an empty one to stop")
