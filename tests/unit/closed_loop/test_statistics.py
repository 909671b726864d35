"""Intervals of shares."""

from __future__ import annotations

import pytest
from tests.closed_loop.statistics import wilson_interval


def test_the_interval_agrees_with_published_values() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81/263, 15/148, 0/20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_nothing_is_known_without_trials() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_certainty_is_never_reached() -> None:
    low, high = wilson_interval(50, 50)
    assert 0.92 < low < high == 1.0
