"""Who may stop the arm, who may let it go on, and how it comes to speed."""

from __future__ import annotations

import pytest

from ik_controller.gates import Gate, Shut
from ik_controller.motion_permit import MotionPermit, PermitConfig

STUCK = Shut(Gate.GRIPPER_STUCK, "the fingers did not move")


def test_from_the_start_the_arm_may_move_at_full_speed() -> None:
    permit = MotionPermit(PermitConfig())
    permit.enable(True)
    assert permit.shut is None
    assert permit.scale_at(0.0) == 1.0


def test_after_a_stop_speed_comes_back_over_the_ramp() -> None:
    permit = MotionPermit(PermitConfig(ramp_s=2.0, least_scale=0.2))
    permit.stop("somebody came near")
    permit.stop("and somebody else")
    assert permit.shut == Shut(Gate.STOPPED, "somebody came near")
    permit.enable(True)
    assert permit.shut is None
    assert [permit.scale_at(at_s) for at_s in (10.0, 11.0, 12.0, 13.0)] == pytest.approx([0.2, 0.6, 1.0, 1.0])


def test_a_fault_outlives_enabling_and_outweighs_a_stop() -> None:
    permit = MotionPermit(PermitConfig())
    permit.note_fault(STUCK)
    permit.note_fault(Shut(Gate.BLOCKED, "later"))
    permit.enable(True)
    assert permit.shut == STUCK
    permit.stop("stop service")
    assert permit.shut == STUCK
    assert permit.recover()
    assert permit.shut is not None and permit.shut.gate is Gate.STOPPED
    permit.enable(True)
    assert permit.shut is None
    assert permit.scale_at(3.0) < 1.0
    assert not permit.recover(), "there is nothing to recover from"


def test_a_clock_set_back_during_the_ramp_begins_it_again() -> None:
    permit = MotionPermit(PermitConfig(ramp_s=2.0, least_scale=0.2))
    permit.enable(False)
    permit.enable(True)
    assert permit.scale_at(100.0) == pytest.approx(0.2)
    permit.forget_time()
    assert permit.scale_at(1.0) == pytest.approx(0.2)
    assert permit.scale_at(3.0) == pytest.approx(1.0)


def test_without_a_ramp_full_speed_is_there_at_once() -> None:
    permit = MotionPermit(PermitConfig(ramp_s=0.0))
    permit.enable(False)
    permit.enable(True)
    assert permit.scale_at(5.0) == 1.0


def test_a_ramp_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="least_scale"):
        PermitConfig(least_scale=0.0)
