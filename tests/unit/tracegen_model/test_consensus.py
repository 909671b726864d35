"""Several samples become one, and say how far they are apart."""

from __future__ import annotations

import numpy as np
import pytest

from tracegen_model.runtime.consensus import endpoint_spread, medoid, spread_of

STEPS, POINTS = 4, 3


def paths_to(*ends: tuple[float, float, float]) -> np.ndarray:
    """(K, S + 1, N, 3) [m] straight paths from the origin, all points alike."""
    shares = np.linspace(0.0, 1.0, STEPS + 1)[:, None, None]
    return np.stack([shares * np.array(end) * np.ones((1, POINTS, 1)) for end in ends])


def test_the_medoid_leads_to_a_goal_where_the_mean_leads_between_two() -> None:
    left, also_left, right = (-0.20, 0.0, 0.8), (-0.21, 0.0, 0.8), (0.20, 0.0, 0.8)
    paths = paths_to(right, left, also_left)
    chosen = paths[medoid(paths)]
    np.testing.assert_array_equal(chosen[-1, 0], left)
    assert abs(paths.mean(axis=0)[-1, 0, 0]) < 0.1


def test_the_medoid_looks_only_where_all_samples_are_valid() -> None:
    paths = paths_to((0.1, 0.0, 0.0), (0.11, 0.0, 0.0), (0.3, 0.0, 0.0))
    expected = medoid(paths)
    paths[:, :, 0] = np.nan
    paths[2, -1, 1] = np.nan
    assert medoid(paths) == expected
    assert medoid(np.full_like(paths, np.nan)) == 0


def test_spread_is_the_standard_deviation_in_space() -> None:
    paths = paths_to((0.03, 0.0, 0.0), (-0.03, 0.0, 0.0), (0.0, 0.04, 0.0), (0.0, -0.04, 0.0))
    spread = spread_of(paths)
    assert spread.shape == (STEPS + 1, POINTS)
    np.testing.assert_allclose(spread[0], 0.0)
    # Variances of x and y, each over 3 = 4 - 1: (2 * 0.03² + 2 * 0.04²) / 3.
    np.testing.assert_allclose(spread[-1], np.sqrt((2 * 0.03**2 + 2 * 0.04**2) / 3), rtol=1e-6)


def test_spread_is_invalid_where_a_sample_is() -> None:
    paths = paths_to((0.1, 0.0, 0.0), (0.2, 0.0, 0.0))
    paths[1, 2, 0] = np.nan
    known = np.isfinite(spread_of(paths))
    assert not known[2, 0]
    assert known.sum() == known.size - 1


@pytest.mark.parametrize(
    ("moving", "expected"),
    [([True, True, False, True], 0.03), ([False, False, False, False], 0.02), ([False, False, False, True], 0.02)],
)  # fmt: skip
def test_the_spread_at_the_end_is_that_of_the_points_that_move(moving: list[bool], expected: float) -> None:
    spread = np.array([[0.5, 0.5, 0.5, 0.5], [0.02, 0.04, 0.0, np.nan]], np.float32)
    assert endpoint_spread(spread, np.array(moving)) == pytest.approx(expected)
    assert np.isnan(endpoint_spread(np.full((2, 4), np.nan, np.float32), np.array(moving)))
