"""Measured poses are smoothed by how far they can be off."""

import numpy as np

from ik_controller import so3
from ik_controller.path_smoothing import smooth_rotations, smooth_rows

STEP = 0.0125
BEND = 0.12 * STEP


def dip() -> np.ndarray:
    down = -STEP * np.minimum(np.arange(33), np.arange(33)[::-1])
    return np.column_stack([np.zeros((33, 2)), down])


def test_exact_measurements_stay_also_where_the_path_turns_back() -> None:
    smooth = smooth_rows(dip(), np.full(33, 1e-4), BEND)
    np.testing.assert_allclose(smooth.values, dip(), atol=1e-4)


def test_noise_is_reduced_and_the_error_left_is_told() -> None:
    rng = np.random.default_rng(0)
    line = np.arange(33)[:, None] * np.array([0.6, 0.0, 0.8]) * STEP
    raw, left, told = [], [], []
    for _ in range(50):
        noise = rng.normal(0.0, 0.004, (33, 3))
        noise[0] = 0.0
        smooth = smooth_rows(line + noise, np.full(33, 0.004), BEND)
        raw.append(noise)
        left.append(smooth.values - line)
        told.append(smooth.errors)
    ratio = np.std(left) / np.std(raw)
    assert ratio < 0.6
    assert 0.7 < np.sqrt(np.mean(np.square(told))) / np.std(left) < 1.4


def test_there_is_no_lag_at_the_start() -> None:
    line = np.arange(33)[:, None] * np.array([[STEP, 0.0, 0.0]])
    smooth = smooth_rows(line, np.full(33, 0.01), BEND)
    np.testing.assert_allclose(smooth.values, line, atol=1e-12)
    assert not smooth.errors[0]


def test_rows_that_say_nothing_are_bridged() -> None:
    line = np.arange(33)[:, None] * np.array([[STEP, 0.0, 0.0]])
    errors = np.full(33, 1e-3)
    errors[10:15] = np.inf
    rows = line.copy()
    rows[10:15] = 7.0
    smooth = smooth_rows(rows, errors, BEND)
    np.testing.assert_allclose(smooth.values, line, atol=1e-6)
    assert smooth.errors[12] > smooth.errors[8]


def test_nothing_known_leaves_everything_as_it_is() -> None:
    smooth = smooth_rows(dip(), np.full(33, np.inf), BEND)
    np.testing.assert_array_equal(smooth.values, dip())


def test_rotations_are_smoothed_past_half_a_turn() -> None:
    axis = np.array([0.0, 0.6, 0.8])
    start = so3.exp(np.array([0.3, 0.2, 0.1]))
    turning = start @ so3.exp(np.linspace(0.0, 5.0, 33)[:, None] * axis)
    smooth = smooth_rotations(turning, np.full(33, 0.05), 0.02)
    assert so3.angles_between(smooth.values, turning).max() < 1e-6
