"""Simulated stereo depth errs as a D435 does: more with distance, and it is blind beside near objects."""

from __future__ import annotations

import numpy as np

from fr3_sim.depth_noise import STEREO_BASELINE, noisy_depth

FOCAL_LENGTH = 615.0


def plane(depth: float) -> np.ndarray:
    return np.full((240, 320), depth, np.float32)


def test_level_zero_is_exact_and_only_limits_the_range() -> None:
    depth = np.array([[0.1, 0.5, 2.0, 9.0]], np.float32)
    assert noisy_depth(depth, FOCAL_LENGTH, 0.0, np.random.default_rng(0)).tolist() == [[0.0, 0.5, 2.0, 0.0]]


def test_error_grows_with_the_square_of_distance() -> None:
    spread = {}
    for distance in (0.7, 1.4):
        measured = noisy_depth(plane(distance), FOCAL_LENGTH, 1.0, np.random.default_rng(1))
        spread[distance] = np.std(measured[measured > 0])
    assert 0.0005 < spread[0.7] < 0.004
    assert 3.0 < spread[1.4] / spread[0.7] < 5.0


def test_a_near_object_casts_a_stereo_shadow_to_its_left() -> None:
    depth = plane(1.0)
    depth[:, 150:200] = 0.5
    measured = noisy_depth(depth, FOCAL_LENGTH, 0.01, np.random.default_rng(2))
    shadow = round(FOCAL_LENGTH * STEREO_BASELINE * (1 / 0.5 - 1 / 1.0))
    left = (measured[:, 150 - shadow + 2 : 148] == 0).mean()
    right = (measured[:, 202 : 202 + shadow] == 0).mean()
    assert left > 0.95
    assert right < 0.05


def test_losses_grow_with_the_level_and_the_seed_decides() -> None:
    lost = [
        (noisy_depth(plane(1.0), FOCAL_LENGTH, level, np.random.default_rng(3)) == 0).mean()
        for level in (0.5, 1.0, 2.0)
    ]
    assert lost[0] < lost[1] < lost[2] < 0.1
    first, second = (noisy_depth(plane(1.0), FOCAL_LENGTH, 1.0, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first, second)
