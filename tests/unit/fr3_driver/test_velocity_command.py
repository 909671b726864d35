"""Velocity commands bring the arm to its trajectory and keep it inside of its limits."""

from __future__ import annotations

import numpy as np
import pytest

from fr3_driver.arm_settings import ArmSettings, SettingsError
from fr3_driver.velocity_command import VelocityCommand
from ik_controller.joint_limits import JointLimits

HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
STILL = np.zeros(7)


@pytest.fixture(params=["fr3_full", "fr3_rectangular"])
def limits(request: pytest.FixtureRequest) -> JointLimits:
    return JointLimits.load(request.param)


def test_on_its_trajectory_the_arm_moves_as_planned(limits: JointLimits) -> None:
    planned = np.full(7, 0.3)
    velocity = VelocityCommand(limits, ArmSettings("")).velocity(planned, STILL, HOME)
    assert velocity == pytest.approx(planned)


def test_behind_its_trajectory_the_arm_catches_up(limits: JointLimits) -> None:
    settings = ArmSettings("", position_gain=5.0)
    velocity = VelocityCommand(limits, settings).velocity(STILL, np.full(7, 0.01), HOME)
    assert velocity == pytest.approx(np.full(7, 0.05))


def test_no_velocity_is_above_its_share_of_the_limit(limits: JointLimits) -> None:
    command = VelocityCommand(limits, ArmSettings("", velocity_factor=0.1))
    assert np.all(np.abs(command.clamp(np.full(7, 99.0), HOME)) <= 0.1 * limits.velocity)


def test_no_velocity_is_above_what_the_library_takes(limits: JointLimits) -> None:
    library = np.array([2.175] * 4 + [2.61] * 3)
    command = VelocityCommand(limits, ArmSettings(""), library)
    assert np.all(np.abs(command.clamp(np.full(7, -99.0), HOME)) < library)


@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_driven_at_a_bound_the_arm_stops_in_front_of_it(limits: JointLimits, direction: float) -> None:
    """The commands of a hundred hertz are taken up with a delay and a bounded acceleration, as on the robot."""
    settings = ArmSettings("")
    command = VelocityCommand(limits, settings)
    positions = (limits.position_lower + limits.position_upper) / 2
    velocities, wanted = np.zeros(7), np.zeros(7)
    pending = [wanted] * 5
    for tick in range(6000):
        if tick % 10 == 0:
            wanted = command.clamp(direction * limits.velocity, positions)
        pending.append(wanted)
        step = np.clip(pending.pop(0) - velocities, -0.0095, 0.0095)
        velocities = velocities + step
        positions = positions + 0.001 * velocities
        lowest, highest = limits.velocity_bounds(positions)
        assert np.all((velocities <= highest + 1e-3) & (velocities >= lowest - 1e-3))
    end = limits.position_upper if direction > 0 else limits.position_lower
    assert np.all(limits.clip(positions) == positions)
    # The position-dependent set forbids any velocity well before the bound.
    assert np.abs(positions - end).max() < 0.2


@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_beyond_a_bound_only_the_way_back_is_open(limits: JointLimits, direction: float) -> None:
    command = VelocityCommand(limits, ArmSettings(""))
    end = limits.position_upper if direction > 0 else limits.position_lower
    outside = end + direction * 0.01
    assert command.clamp(direction * np.ones(7), outside) == pytest.approx(STILL)
    assert np.all(direction * command.clamp(-direction * np.ones(7), outside) < 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"velocity_factor": 0.0},
        {"jerk_factor": 1.5},
        {"stiffness": (1.0,) * 6},
        {"force_thresholds": (float("nan"),) * 6},
        {"state_rate_hz": 0.0},
    ],
)
def test_settings_that_drive_no_arm_are_refused(wrong: dict) -> None:
    with pytest.raises(SettingsError):
        ArmSettings("", **wrong)
