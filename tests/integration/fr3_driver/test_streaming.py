"""Streamed motions against the emulated robot in strict mode; `streaming_benchmark` prints the figures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from tests.integration.fr3_driver.conftest import DrivenArm, EmulatedRobot, only
from tests.integration.fr3_driver.streaming import WAVE_S, wander, wave

from fr3_driver.arm_settings import Tracking
from fr3_driver.driver_state import DriverState

pytestmark = pytest.mark.real_time

FASTEST_LAG_RAD = 0.6
"""An arm at full speed is so far from its trajectory [rad] where the machine is a few tenths of a second late."""


@pytest.fixture
def streamed(request: pytest.FixtureRequest, robot: EmulatedRobot) -> Iterator[DrivenArm]:
    arm = DrivenArm(**request.param)
    arm.connect()
    yield arm
    arm.driver.disconnect()


@pytest.mark.parametrize(
    "streamed", [{"tracking": one} for one in Tracking], indirect=True, ids=list(Tracking)
)
def test_a_trajectory_that_is_replaced_all_the_time_is_followed(
    streamed: DrivenArm, robot: EmulatedRobot
) -> None:
    before = streamed.positions
    followed = wave(streamed, robot, WAVE_S, replaced_hz=15.0)
    assert followed.reflex == ""
    assert followed.rms_rad < 0.01
    assert followed.worst_rad < 0.04
    assert followed.acceleration < 10.0
    assert followed.jerk < 5000.0
    assert streamed.state is DriverState.READY
    assert streamed.refusals == []
    assert streamed.positions == pytest.approx(before, abs=0.02)


@pytest.mark.parametrize(
    "streamed", [{"max_tracking_error_rad": FASTEST_LAG_RAD}], indirect=True, ids=["fast"]
)
def test_random_goals_replaced_on_the_way_never_leave_the_limits(
    streamed: DrivenArm, robot: EmulatedRobot
) -> None:
    followed = wander(streamed, robot, 4.0, seed=1)
    assert followed.reflex == ""
    assert followed.stop == ""
    assert followed.position_room_rad > 0.05
    assert streamed.state is DriverState.READY


def test_an_arm_that_cannot_follow_is_stopped(robot: EmulatedRobot) -> None:
    arm = DrivenArm(velocity_factor=0.05)
    arm.connect()
    try:
        start = arm.positions
        arm.go(only(0, 0.5), 1.0)
        arm.wait_for(DriverState.MOVING)
        arm.wait_for(DriverState.READY)
        assert "from its trajectory" in arm.driver.status.reason
        assert np.abs(arm.positions - start).max() < 0.2
        assert np.abs(arm.readings[-1].velocities).max() < 0.01
    finally:
        arm.driver.disconnect()
