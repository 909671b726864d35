"""The previous prediction is moved on by what has been travelled, and dropped where it says nothing any more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.trace_starts import TraceStarts
from tracegen_model.runtime.warm_start import NoForecast, Previous, forecast, plan_from, state_at

CAMERA = CameraIntrinsics(300.0, 300.0, 159.5, 119.5, 320, 240)
TABLE_M = 1.0
GRID_SIDE, HORIZON = 10, 12
HAND_SIDE = 60
STEP_PX = 5.0
"""The hand is a slanted square over a table, and goes to the right by this much a step of its trace."""

HAND = np.linspace(0.65, 0.75, HAND_SIDE, dtype=np.float32)
"""Depth along the hand's columns [m]."""


def depth_image(steps_done: int) -> np.ndarray:
    depth = np.full((240, 320), TABLE_M, np.float32)
    left = 40 + round(STEP_PX * steps_done)
    depth[90 : 90 + HAND_SIDE, left : left + HAND_SIDE] = HAND
    return depth


def on_hand(starts: TraceStarts) -> np.ndarray:
    return starts.depth < 0.5 * (TABLE_M + HAND[-1])


def starts_in(depth: np.ndarray) -> TraceStarts:
    return TraceStarts.of(depth, CAMERA, 192, GRID_SIDE)


@pytest.fixture(scope="module")
def previous() -> Previous:
    starts = starts_in(depth_image(0))
    increments = np.zeros((GRID_SIDE**2, HORIZON, 3), np.float32)
    increments[on_hand(starts), :, 0] = STEP_PX / CAMERA.width
    return Previous("go", 10.0, CAMERA, starts.lift(increments), increments)


def moved_on(previous: Previous, depth: np.ndarray, instruction: str = "go", stamp_s: float = 10.2):
    return forecast(previous, instruction, stamp_s, depth, starts_in(depth))


@pytest.mark.parametrize("steps", [0, 1, 3, 6])
def test_what_has_been_travelled_is_seen_in_the_depth(previous: Previous, steps: int) -> None:
    depth = depth_image(steps)
    found = moved_on(previous, depth)
    assert found.travelled == steps
    moves, hand = found.increments[:, :, 0] > 0.0, on_hand(starts_in(depth))
    assert moves[hand].all(), "grid points that the hand has come to take over its motion"
    assert not moves[~hand].any(), "and those that it has left rest"


def test_missing_depth_does_not_disturb(previous: Previous) -> None:
    depth = depth_image(3)
    holes = np.random.default_rng(0).random(depth.shape)
    depth[holes < 0.15] = 0.0
    depth[holes > 0.85] = np.nan
    assert moved_on(previous, depth).travelled == 3


def test_the_path_goes_on_beyond_the_old_horizon_as_it_ended(previous: Previous) -> None:
    increments = previous.increments.copy()
    increments[:, :, 1] = np.arange(HORIZON) * 1e-6
    found = moved_on(replace(previous, increments=increments), depth_image(3))
    np.testing.assert_allclose(found.increments[0, :, 1] * 1e6, [*range(3, 12), 11, 11, 11], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"instruction": "stop that"}, "new instruction"),
        ({"stamp_s": 11.5}, "1.50 s since"),
        ({"stamp_s": 9.0}, "-1.00 s since"),
        ({"depth": np.full((240, 320), TABLE_M, np.float32)}, "what moves is 3.0 cm from"),
        ({"depth": depth_image(0) - 0.1}, "is 3.0 cm from where it was expected"),
    ],
)
def test_it_is_dropped_where_it_says_nothing_any_more(previous: Previous, change: dict, words: str) -> None:
    with pytest.raises(NoForecast, match=words):
        moved_on(previous, **({"depth": depth_image(0)} | change))


def test_it_is_dropped_when_the_camera_changes(previous: Previous) -> None:
    with pytest.raises(NoForecast, match="another camera"):
        moved_on(replace(previous, intrinsics=CAMERA.resized(160, 120)), depth_image(0))


def test_the_flow_starts_between_noise_and_forecast_and_skips_what_lies_before() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 4, 3, 3)).astype(np.float32)
    increments = np.ones((4, 3, 3), np.float32)
    state = state_at(0.25, noise, increments)
    np.testing.assert_allclose(state, 0.75 * noise + 0.25, rtol=1e-6)
    plan = plan_from(SamplingPlan("euler", (0.0, 0.1, 0.25, 0.5, 1.0)), 0.25)
    assert plan.times == (0.25, 0.5, 1.0)
