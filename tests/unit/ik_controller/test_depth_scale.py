"""The scale of predicted depth, found among readings that are mostly wrong in the worst case."""

import numpy as np
import pytest

from ik_controller.depth_scale import UNKNOWN_SCALE, DepthScaleConfig, estimate_depth_scale


def predicted_depth(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.4, 1.4, count)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("count", [6, 12, 400])
def test_scale_is_found_with_few_and_with_many_readings(scale: float, count: int) -> None:
    rng = np.random.default_rng(count)
    predicted = predicted_depth(count, rng)
    found = estimate_depth_scale(predicted, scale * predicted * np.exp(rng.normal(0.0, 0.01, count)))
    assert found.reliable
    assert found.scale == pytest.approx(scale, rel=0.02)
    assert found.readings == count


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_two_fifths_of_the_readings_on_one_side_do_not_pull_it(side: float) -> None:
    rng = np.random.default_rng(1)
    predicted = predicted_depth(400, rng)
    measured = 1.7 * predicted * np.exp(rng.normal(0.0, 0.01, 400))
    measured[:160] *= np.exp(side * rng.uniform(0.1, 0.6, 160))
    found = estimate_depth_scale(predicted, measured)
    assert found.scale == pytest.approx(1.7, rel=0.01)
    assert found.inliers < 300


def test_what_cannot_be_told_is_said_and_leaves_the_depth_alone() -> None:
    rng = np.random.default_rng(2)
    nothing = estimate_depth_scale(np.full(400, 0.8), np.zeros(400))
    assert nothing == UNKNOWN_SCALE
    few = estimate_depth_scale(np.full(3, 0.8), np.full(3, 1.6))
    assert (few.reliable, few.scale, few.inliers) == (False, 1.0, 3)
    random = estimate_depth_scale(rng.uniform(0.1, 8.0, 400), rng.uniform(0.1, 8.0, 400))
    assert (random.reliable, random.scale) == (False, 1.0)
    absurd = estimate_depth_scale(np.full(400, 0.1), np.full(400, 1.0))
    assert (absurd.reliable, absurd.scale) == (False, 1.0)


def test_readings_out_of_the_sensors_range_are_left_out() -> None:
    predicted = predicted_depth(100, np.random.default_rng(3))
    measured = 0.5 * predicted
    measured[:60] = 65.535
    measured[60:70] = np.nan
    found = estimate_depth_scale(predicted, measured, DepthScaleConfig(nearest=0.1, farthest=10.0))
    assert found.readings == 30
    assert found.scale == pytest.approx(0.5)


def test_depth_of_any_value_is_taken() -> None:
    strange = np.array([0.0, -1.0, np.nan, np.inf, -np.inf, 1e-300, 1e300, 1.0])
    predicted, measured = (grid.ravel() for grid in np.meshgrid(strange, strange))
    assert np.isfinite(estimate_depth_scale(predicted, measured).scale)
