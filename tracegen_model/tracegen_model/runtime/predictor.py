"""TracePredictor: one RGB-D observation and a sentence to the traces of the query grid."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.text_tokens import words_of
from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.runtime.engines import EngineRequest, load_engine
from tracegen_model.runtime.errors import InstructionError, ObservationError
from tracegen_model.runtime.preprocessing import PREPARATIONS
from tracegen_model.runtime.start_depth import depth_at_pixels
from tracegen_model.trace_grid import TraceGrid, grid_pixels

MAX_INSTRUCTION_LENGTH = 1000
"""Characters that an instruction may have."""


@dataclass(frozen=True)
class TracePrediction:
    """Predicted traces and what they took.

    Attributes:
        traces: Where the points of the query grid will travel.
        latency_s: Seconds of each stage: preprocess, condition, sample, lift.
        query_points: (3, 3) u, v [px of the source image], z [m] of the object to move, the zone and the hand as the
            network sees them; None where a predictor has no such notion.
    """

    traces: TraceGrid
    latency_s: dict[str, float]
    query_points: NDArray[np.float32] | None = None


class TracePredictor:
    """Predicts traces with a checkpoint.

    Args:
        checkpoint: Name of a shipped checkpoint, or a checkpoint's folder.
        threads: Threads that the engine may use.
        steps: Euler steps of the sampler; None = what the checkpoint recommends.
        seed: Seed of the sampler's noise. Every prediction starts from the same noise, so that equal inputs give
            equal traces and successive ones agree.
        engine: What runs the network, "auto" or a key of ``engines.ENGINES``.

    Raises:
        CheckpointError: The checkpoint is missing, damaged, or not one that this version reads.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        threads: int = 1,
        steps: int | None = None,
        seed: int = 0,
        engine: str = "onnxruntime",
    ) -> None:
        folder = find_checkpoint(checkpoint)
        self._config = CheckpointConfig.load(folder)
        steps = steps or self._config.sampler_steps
        self._plan = SamplingPlan.of("euler", steps, self._config.network.time_shift)
        self._engine = load_engine(engine, EngineRequest(folder, self._config, self._plan, threads)).engine
        self._seed = seed

    @property
    def config(self) -> CheckpointConfig:
        """The checkpoint's config."""
        return self._config

    def predict(
        self,
        colour: NDArray[np.uint8],
        depth: NDArray[np.float32],
        intrinsics: CameraIntrinsics,
        instruction: str,
        seed: int | None = None,
    ) -> TracePrediction:
        """Traces of the grid points under ``instruction``.

        Args:
            colour: (H, W, 3) uint8 RGB.
            depth: (H, W) [m], aligned with ``colour``; 0 or NaN = no reading.
            intrinsics: Camera of both images.
            instruction: What to do.
            seed: Seed of the sampler's noise; None = the predictor's.

        Raises:
            ObservationError: An image has the wrong shape or type, or there is no depth reading at all.
            InstructionError: The instruction is empty or longer than 1000 characters.
        """
        network = self._config.network
        began = time.perf_counter()
        _check_observation(colour, depth, intrinsics)
        _check_instruction(instruction)
        preparation = PREPARATIONS[network.preparation]
        small_colour = preparation.colour(colour, network.image_side)
        small_depth = preparation.depth(depth, network.image_side)
        prepared = time.perf_counter()
        condition = self._engine.condition(small_colour, small_depth, instruction)
        conditioned = time.perf_counter()
        rng = np.random.default_rng(self._seed if seed is None else seed)
        state = rng.standard_normal((1, network.points, network.horizon, 3), dtype=np.float32)
        state = self._engine.sample(state, condition, self._plan)[0]
        sampled = time.perf_counter()
        traces = self._lift(state * np.asarray(self._config.increment_scale, np.float32), depth, intrinsics)
        size = np.array([intrinsics.width, intrinsics.height, 1.0], np.float32)
        half_pixel = np.array([0.5, 0.5, 0.0], np.float32)
        query_points = None if condition.query_points is None else condition.query_points * size - half_pixel
        lifted = time.perf_counter()
        latency_s = {
            "preprocess": prepared - began,
            "condition": conditioned - prepared,
            "sample": sampled - conditioned,
            "lift": lifted - sampled,
        }
        return TracePrediction(traces, latency_s, query_points)

    def _lift(
        self, increments: NDArray[np.float32], depth: NDArray[np.float32], intrinsics: CameraIntrinsics
    ) -> TraceGrid:
        """Increments (points, horizon, 3), du and dv in fractions of the image, dz [m], to a trace grid."""
        side = self._config.network.image_side
        scale = np.array([intrinsics.width, intrinsics.height], dtype=float)
        start_pixels = (grid_pixels(side, side, self._config.network.grid_side) + 0.5) * (scale / side) - 0.5
        start_depth = depth_at_pixels(depth, start_pixels)
        moved = np.cumsum(increments.transpose(1, 0, 2), axis=0, dtype=float)
        pixels = start_pixels + np.concatenate([np.zeros_like(moved[:1, :, :2]), moved[..., :2] * scale])
        depths = start_depth + np.concatenate([np.zeros_like(moved[:1, :, 2]), moved[..., 2]])
        return TraceGrid.from_pixels_and_depth(pixels, depths, intrinsics)


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
