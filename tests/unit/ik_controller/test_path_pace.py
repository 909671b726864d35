"""A path is slower where it must be, and only there."""

import numpy as np
import pytest

from ik_controller.path_pace import PathPace
from ik_controller.path_timing import PathSpeed, Stretch

SPEED = PathSpeed(0.3, 1.5, 15.0)


def bounds_at(stretches: list[Stretch], parameter: float) -> PathSpeed:
    """What holds at ``parameter`` [m]."""
    return next(stretch.bounds for stretch in stretches if parameter <= stretch.end)


def test_full_speed_unless_something_is_too_fast() -> None:
    assert PathPace(0.5, SPEED).stretches() == [Stretch(0.5, SPEED)]


def test_a_bend_gone_too_fast_caps_the_speed_there_and_nothing_else() -> None:
    pace = PathPace(0.5, SPEED)
    assert pace.slow_down(np.array([0.21, 0.24]), np.array([0.6, 0.8]), np.ones(2))
    stretches = pace.stretches()
    assert stretches[-1].end == 0.5
    assert bounds_at(stretches, 0.21).velocity <= 0.6 * SPEED.velocity
    assert bounds_at(stretches, 0.245).velocity <= 0.8 * SPEED.velocity
    assert bounds_at(stretches, 0.21).acceleration == SPEED.acceleration
    for elsewhere in (0.05, 0.15, 0.30, 0.5):
        assert bounds_at(stretches, elsewhere) == SPEED


def test_a_change_of_speed_that_is_too_much_is_made_gentler_there() -> None:
    pace = PathPace(0.5, SPEED)
    assert pace.slow_down(np.array([0.1]), np.ones(1), np.array([0.5]))
    gentle = bounds_at(pace.stretches(), 0.1)
    assert gentle.velocity == SPEED.velocity
    assert gentle.acceleration <= 0.25 * SPEED.acceleration
    assert gentle.jerk <= 0.125 * SPEED.jerk
    assert bounds_at(pace.stretches(), 0.3) == SPEED
    np.testing.assert_array_less(pace.pace_at(np.array([0.1])), 0.5)


def test_slowing_down_goes_on_until_the_slowest_pace() -> None:
    pace = PathPace(0.1, SPEED)
    everywhere = np.linspace(0.0, 0.1, 50)
    share = 1.0
    while pace.slow_down(everywhere, np.full(50, share), np.ones(50)) or share == 1.0:
        share *= 0.5
        assert share > 1e-3
    (stretch,) = pace.stretches()
    assert 0.0 < stretch.bounds.velocity < 0.05 * SPEED.velocity


def test_a_fast_cell_between_slow_ones_is_not_sped_up_for() -> None:
    pace = PathPace(0.3, SPEED)
    pace.slow_down(np.array([0.105, 0.145]), np.full(2, 0.5), np.ones(2))
    assert bounds_at(pace.stretches(), 0.125).velocity < 0.6 * SPEED.velocity


def test_a_given_scale_slows_the_speed_alone() -> None:
    at = np.array([-0.1, 0.0, 0.2, 0.25, 0.3, 0.6])
    pace = PathPace(0.5, SPEED, at, np.array([0.1, 1.0, 1.0, 0.3, 1.0, 1.0]))
    slow = bounds_at(pace.stretches(), 0.25)
    assert slow.velocity <= 0.3 * SPEED.velocity
    assert slow.acceleration == SPEED.acceleration
    assert bounds_at(pace.stretches(), 0.1) == SPEED
    assert bounds_at(pace.stretches(), 0.005) == SPEED


@pytest.mark.parametrize("length", [1e-9, 0.003, 3.0])
def test_any_length_is_covered(length: float) -> None:
    assert PathPace(length, SPEED).stretches()[-1].end == length
