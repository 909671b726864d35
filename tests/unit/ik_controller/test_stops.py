"""Every gate brings a moving arm to rest, by its name, inside the limits."""

from __future__ import annotations

import pytest
from tests.motion_layer.stops import STOPS, Stop, read_bounds, run_stop

from ik_controller.follower import FollowerState, Gate

STANDS_WITHIN_S = 1.0
"""From full speed the arm stands within this time after a decision [s]."""

BOUNDS = read_bounds()


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.name)
def test_what_goes_wrong_is_named_and_the_arm_stands_soon_and_smoothly(stop: Stop) -> None:
    report = run_stop(stop, BOUNDS)
    assert report.gate == stop.gate
    assert report.state == stop.state
    assert report.reason
    assert report.standstill_s <= STANDS_WITHIN_S
    assert report.breaches == []
    # Fingers that are silent matter while they are waited for; the approach is taken up again by fresh traces.
    if stop.gate is not Gate.GRIPPER_SILENT:
        assert report.lasting == "", "it stays where it is, whatever is said, until what the gate waits for"
    if stop.state is not FollowerState.HOLD:
        assert report.goes_on
    assert report.refused == 0 or stop.gate in (Gate.BLOCKED, Gate.CLOCK_INVALID), (
        "an arm that is held is not where it is told to be; without a clock, commands come late"
    )


def test_every_gate_is_shut_by_something_here() -> None:
    assert {stop.gate for stop in STOPS} == set(Gate)
    assert {stop.state for stop in STOPS} == set(FollowerState) - {FollowerState.IDLE, FollowerState.FOLLOW}
