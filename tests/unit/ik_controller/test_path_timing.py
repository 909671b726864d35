"""The time law keeps the bounds of every stretch, passes from one to the next smoothly, and ends at rest."""

import numpy as np
import pytest

from ik_controller.path_timing import (
    MIN_SPACING_S,
    PathSpeed,
    Stretch,
    TimeLaw,
    time_along_path,
    time_to_rest,
)

SPEED = PathSpeed(0.3, 1.5, 15.0)
PERIOD = 0.03


def check_law(law: TimeLaw, stretches: list[Stretch]) -> None:
    """Starts at 0, ends at rest at the path's end, and is inside the bounds in between."""
    assert law.parameter[0] == 0.0
    assert law.parameter[-1] == pytest.approx(stretches[-1].end, abs=1e-6)
    assert law.speed[-1] == 0.0
    assert law.acceleration[-1] == 0.0
    assert (np.diff(law.times) > 0.0).all()
    assert np.diff(law.times).max() <= PERIOD + MIN_SPACING_S
    assert (np.diff(law.parameter) >= -1e-9).all()
    ends = np.array([stretch.end for stretch in stretches])
    on = np.minimum(np.searchsorted(ends, law.parameter - 1e-7), len(ends) - 1)
    bounds = [stretches[index].bounds for index in on]
    assert (law.speed <= np.array([bound.velocity for bound in bounds]) + 1e-6).all()
    assert (np.abs(law.acceleration) <= np.array([bound.acceleration for bound in bounds]) + 1e-6).all()


def check_derivatives(law: TimeLaw, jerk: float) -> None:
    """Speed and acceleration are the derivatives of the parameter; the jerk is about constant between samples."""
    step = np.diff(law.times)
    rate = np.diff(law.acceleration) / step
    # The last sample rests exactly, the law to rounding.
    assert np.abs(rate[:-1]).max(initial=0.0) <= jerk * (1.0 + 1e-3) + 1e-6
    moved = law.speed[:-1] * step + law.acceleration[:-1] * step**2 / 2 + rate * step**3 / 6
    np.testing.assert_allclose(np.diff(law.parameter), moved, atol=5e-5)


@pytest.mark.parametrize("speed", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("acceleration", [-1.0, 0.0, 1.4])
def test_one_stretch_from_any_start(speed: float, acceleration: float) -> None:
    stretches = [Stretch(0.4, SPEED)]
    law = time_along_path(stretches, speed, acceleration, PERIOD)
    check_derivatives(law, SPEED.jerk)
    if speed < 0.3 or acceleration <= 0.0:
        check_law(law, stretches)
    if speed > 0.0:
        assert law.speed[0] == pytest.approx(speed)
        assert law.acceleration[0] == pytest.approx(acceleration)


def test_hundreds_of_random_stretches_are_kept() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        ends = np.cumsum(rng.uniform(0.01, 0.15, rng.integers(1, 9)))
        stretches = [Stretch(float(end), SPEED.slowed(rng.uniform(0.05, 1.0))) for end in ends]
        law = time_along_path(stretches, 0.0, 0.0, PERIOD)
        check_law(law, stretches)
        check_derivatives(law, SPEED.jerk)


def test_a_slow_stretch_slows_only_itself() -> None:
    slow = SPEED.slowed(0.2)
    whole = time_along_path([Stretch(0.6, slow)], 0.0, 0.0, PERIOD).times[-1]
    stretches = [Stretch(0.25, SPEED), Stretch(0.30, slow), Stretch(0.6, SPEED)]
    law = time_along_path(stretches, 0.0, 0.0, PERIOD)
    check_law(law, stretches)
    assert law.speed.max() == pytest.approx(SPEED.velocity, rel=1e-3)
    assert law.times[-1] < 0.4 * whole


def test_too_fast_for_the_path_is_slowed_at_the_start() -> None:
    law = time_along_path([Stretch(0.01, SPEED)], 0.3, 0.0, PERIOD)
    assert law.speed[0] < 0.3
    check_law(law, [Stretch(0.01, SPEED)])


def test_faster_than_allowed_is_braked_not_jumped() -> None:
    law = time_along_path([Stretch(0.5, PathSpeed(0.05, 1.5, 15.0))], 0.3, 0.0, PERIOD)
    assert law.speed[0] == pytest.approx(0.3)
    check_derivatives(law, SPEED.jerk)
    assert law.speed[law.times > 0.5].max() <= 0.05 + 1e-6


@pytest.mark.parametrize("length", [0.0, 1e-12, 1e-6, 1e-3])
def test_a_path_of_no_length_is_a_standstill(length: float) -> None:
    law = time_along_path([Stretch(length, SPEED)], 0.0, 0.0, PERIOD)
    assert law.parameter[-1] == pytest.approx(length, abs=1e-8)
    assert (np.diff(law.times) > 0.0).all()


def test_the_clock_comes_to_rest_smoothly() -> None:
    law = time_to_rest(PathSpeed(1.0, 4.0, 40.0), PERIOD)
    assert law.speed[0] == 1.0
    assert law.speed[-1] == 0.0
    check_derivatives(law, 40.0)
