"""Errors of the curve are those of ``tracegen eval``, and the distance is to traces of the same noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.steps_versus_quality.offline import (
    MEASURES,
    SETTLED_STEPS,
    SETTLED_TIME,
    OfflineMeasurement,
    Task,
)

from tracegen_model.data.episode import PointKind
from tracegen_model.data.trace_item import SampleKey, TraceItem
from tracegen_model.evaluation.evaluation import SamplerSettings
from tracegen_model.evaluation.evaluator import evaluate
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.trace_grid import grid_pixels

CHECKPOINT = "fr3_blocks_nano"
POINTS, STEPS, SIDE = 400, 32, 192
TWO_STEPS = SamplerSettings("euler", 2)
SHIFT = 10.0
TWO_STEPS_PLAN = SamplingPlan.of("euler", 2, SHIFT)


def item(number: int) -> TraceItem:
    rng = np.random.default_rng(number)
    start = np.ones((POINTS, 3), np.float32)
    start[:, :2] = (grid_pixels(640, 480, 20) + 0.5) / np.array([640, 480])
    increments = np.zeros((POINTS, STEPS, 3), np.float32)
    increments[:40] = rng.normal(0.005, 0.002, (STEPS, 3))
    kinds = np.zeros(POINTS, np.uint8)
    kinds[:40] = PointKind.HAND
    return TraceItem(
        key=SampleKey("drawn", f"episode{number}", f"{number}"),
        image_key=f"image {number}",
        colour=rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8),
        depth=np.ones((SIDE, SIDE), np.float32),
        depth_known=True,
        sentence="put the red block in the blue zone",
        wordings={},
        start_uvz=start,
        increments=increments,
        known=np.ones((POINTS, STEPS, 3), bool),
        moving=np.arange(POINTS) < 40,
        point_kinds=kinds,
        target_uvz=np.full((3, 3), 0.5, np.float32),
        source_size=(640, 480),
    )


ITEMS = [item(number) for number in range(3)]


class Drawn:
    def __len__(self) -> int:
        return len(ITEMS)

    def __getitem__(self, index: int) -> TraceItem:
        return ITEMS[index]

    def image_of(self, index: int) -> int:
        return index

    def scene_of(self, index: int) -> str:
        return str(index)


@pytest.fixture(scope="module")
def measurement() -> OfflineMeasurement:
    torch.set_num_threads(1)
    return OfflineMeasurement(CHECKPOINT, [Task(one, one.image_key) for one in ITEMS], draws=2, seed=3)


def test_errors_are_those_of_the_evaluation(measurement: OfflineMeasurement) -> None:
    found = measurement.measure(TWO_STEPS, measurement.traces(TWO_STEPS_PLAN))
    config, network = load_checkpoint(find_checkpoint(CHECKPOINT))
    dataset: Any = Drawn()
    expected = evaluate(
        network, dataset, range(3), config.increment_scale, [TWO_STEPS], draws=2, seed=3
    ).tables[str(TWO_STEPS)]
    for name in ("hand_cm_8", "hand_cm_16", "hand_cm_32", "moving_ade_cm"):
        np.testing.assert_allclose(found[name], expected.values(name), rtol=1e-4)


def test_the_distance_is_to_traces_of_the_same_noise(measurement: OfflineMeasurement) -> None:
    own = measurement.measure(TWO_STEPS, measurement.traces(TWO_STEPS_PLAN))
    other = measurement.measure(TWO_STEPS, measurement.traces(SamplingPlan.of("euler", 3, SHIFT)))
    np.testing.assert_allclose(own["distance_cm"], 0.0, atol=1e-3)
    assert (other["distance_cm"] > 0.05).all()
    assert own.keys() == set(MEASURES)


def test_the_spread_is_between_the_draws_of_a_task(measurement: OfflineMeasurement) -> None:
    traces = measurement.traces(TWO_STEPS_PLAN).astype(np.float64)
    apart_m = np.linalg.norm(traces[:, 0, :40, -1] - traces[:, 1, :40, -1], axis=-1)
    found = measurement.measure(TWO_STEPS, measurement.traces(TWO_STEPS_PLAN))["spread_cm"]
    np.testing.assert_allclose(found, 100.0 * apart_m.mean(axis=1) / np.sqrt(2.0), rtol=1e-4)


def test_the_settled_flow_ends_with_a_guess_of_the_data(measurement: OfflineMeasurement) -> None:
    plan = measurement.settled_plan()
    assert plan.times[-2:] == pytest.approx((SETTLED_TIME, 1.0))
    assert plan.steps == SETTLED_STEPS + 1
