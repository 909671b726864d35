"""How far an engine's traces are from those of the network itself, in float32 by PyTorch: the gate of every precision.

Both start from the same noise, so that every difference is the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.data.trace_item import TraceItem
from tracegen_model.evaluation.metrics import lifted_displacement
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.engines import Engine
from tracegen_model.runtime.engines.accuracy_record import Verdict

LEAST_COSINE = 0.999
"""Smallest cosine similarity of a task's normalised traces."""

LARGEST_DIFFERENCE_MM = 1.0
LARGEST_SHARE = 0.01
"""Largest mean distance between the traces of moving points, [mm] or in shares of their motion: one of the two."""

MM_PER_M = 1000.0


@dataclass(frozen=True)
class TaskAgreement:
    """Traces of one image and one sentence, by an engine and by the network itself.

    Attributes:
        cosine: Cosine similarity of the normalised increments.
        distance_m: Mean distance between the traces, over moving points and steps [m].
        motion_m: Mean distance of the same points from their starts, over the same steps [m].
    """

    cosine: float
    distance_m: float
    motion_m: float


@dataclass(frozen=True)
class AgreementGate:
    """Says whether the traces of an engine may stand for those of the network itself.

    Attributes:
        reference: Engine whose traces are right: PyTorch in float32.
        config: Config of the checkpoint that engines run.
        plan: How noise becomes traces.
        items: Tasks to judge by; those without a moving point say nothing about motion.
        camera: Turns traces into metres.
    """

    reference: Engine
    config: CheckpointConfig
    plan: SamplingPlan
    items: Sequence[TraceItem]
    camera: CameraIntrinsics

    def verdict(self, engine: Engine) -> Verdict:
        """The verdict on ``engine``; raises ValueError when there is no task, or nothing moves in any."""
        found = [self._agreement(engine, item, seed) for seed, item in enumerate(self.items)]
        moving = [task for task in found if task.motion_m > 0.0]
        if not moving:
            raise ValueError(
                f"engines are compared by how points move; nothing moves in the {len(found)} tasks given"
            )
        cosine = min(task.cosine for task in found)
        difference_mm = MM_PER_M * float(np.mean([task.distance_m for task in moving]))
        share = sum(task.distance_m for task in moving) / sum(task.motion_m for task in moving)
        close = difference_mm <= LARGEST_DIFFERENCE_MM or share <= LARGEST_SHARE
        return Verdict(cosine >= LEAST_COSINE and close, cosine, difference_mm, share, len(found))

    def _agreement(self, engine: Engine, item: TraceItem, seed: int) -> TaskAgreement:
        network = self.config.network
        scale = np.asarray(self.config.increment_scale, np.float32)
        noise = np.random.default_rng(seed).standard_normal(
            (1, network.points, network.horizon, 3), dtype=np.float32
        )
        expected, found = (
            one.sample(noise, one.condition(item.colour, item.depth, item.sentence), self.plan)[0]
            for one in (self.reference, engine)
        )
        places = [_displacement(traces * scale, item, self.camera) for traces in (expected, found)]
        counted = item.moving & np.isfinite(places[0]).all(axis=(1, 2))
        apart = np.linalg.norm(places[1] - places[0], axis=-1)[counted]
        travelled = np.linalg.norm(places[0], axis=-1)[counted]
        return TaskAgreement(
            _cosine(expected, found),
            float(apart.mean()) if counted.any() else 0.0,
            float(travelled.mean()) if counted.any() else 0.0,
        )


def _displacement(
    increments: NDArray[np.float32], item: TraceItem, camera: CameraIntrinsics
) -> NDArray[np.float64]:
    """(N, S, 3) how far each point is from its start after each step [m]; NaN where its depth is unknown."""
    start = torch.from_numpy(item.start_uvz)[None]
    lifted = lifted_displacement(torch.from_numpy(increments)[None], start, camera)[0]
    return np.asarray(lifted.numpy())


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    a, b = one.astype(float).ravel(), other.astype(float).ravel()
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
