"""Limits are read from data, and the check of commands depends on nothing but the commands."""

from pathlib import Path

import numpy as np
import pytest

from ik_controller.joint_limits import JointLimits, LimitsError, find_violations

RECTANGULAR = JointLimits.load("fr3_rectangular")
FULL = JointLimits.load("fr3_full")
TIMES = np.arange(0.0, 2.0, 0.002)


def sine(joint: int, amplitude: float, frequency: float) -> np.ndarray:
    positions = np.tile((RECTANGULAR.position_lower + RECTANGULAR.position_upper) / 2, (len(TIMES), 1))
    positions[:, joint] += amplitude * np.sin(2 * np.pi * frequency * TIMES)
    return positions


def test_slow_motion_passes() -> None:
    assert find_violations(TIMES, sine(1, 0.2, 0.4), RECTANGULAR) == []


def test_each_quantity_is_caught_by_name() -> None:
    beyond = np.tile(RECTANGULAR.position_upper + 0.1, (len(TIMES), 1))
    assert {v.quantity for v in find_violations(TIMES, beyond, RECTANGULAR)} == {"position"}
    assert {v.quantity for v in find_violations(TIMES, sine(1, 0.5, 0.4), RECTANGULAR)} == {"velocity"}
    assert "acceleration" in {v.quantity for v in find_violations(TIMES, sine(0, 0.04, 3.0), RECTANGULAR)}
    jumpy = sine(1, 0.0, 1.0)
    jumpy[500:, 2] += 0.001
    assert "jerk" in {v.quantity for v in find_violations(TIMES, jumpy, RECTANGULAR)}


def test_a_nan_is_a_violation() -> None:
    positions = sine(1, 0.0, 1.0)
    positions[3, 3] = np.nan
    assert find_violations(TIMES, positions, RECTANGULAR)


def test_velocity_bound_shrinks_towards_the_end_of_travel() -> None:
    middle = (FULL.position_lower + FULL.position_upper) / 2
    lower, upper = FULL.velocity_bounds(middle)
    np.testing.assert_allclose(upper, FULL.velocity)
    np.testing.assert_allclose(lower, -FULL.velocity)
    _, at_end = FULL.velocity_bounds(FULL.position_upper)
    np.testing.assert_allclose(at_end, 0.0)


def test_full_set_lies_outside_the_rectangular_one() -> None:
    assert (FULL.position_lower <= RECTANGULAR.position_lower).all()
    assert (FULL.position_upper >= RECTANGULAR.position_upper).all()


def test_garbled_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("name: x\njoints: [a]\nposition_lower: [1.0]\n", encoding="utf-8")
    with pytest.raises(LimitsError, match="position_upper"):
        JointLimits.load(path)


def test_samples_must_run_forward() -> None:
    with pytest.raises(LimitsError, match="increase"):
        find_violations([0.0, 0.0], np.zeros((2, 7)), RECTANGULAR)
