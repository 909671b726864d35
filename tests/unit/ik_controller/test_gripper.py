"""Fingers: when an order has had its effect, and whether something is between them."""

from __future__ import annotations

import pytest

from ik_controller.gripper import Gripper, GripperConfig

CONFIG = GripperConfig()
LOOK_S = 0.05
BLOCK = 0.04


def watch(gripper: Gripper, width_at: dict[float, float]) -> float:
    """Time at which the fingers, at the widths from these times on, count as settled."""
    for look in range(1, 100):
        now_s = look * LOOK_S
        gripper.observe(now_s, next(width for start, width in reversed(width_at.items()) if start <= now_s))
        if gripper.settled(now_s, busy=False):
            return now_s
    raise AssertionError("the fingers never settled")


def open_gripper() -> Gripper:
    gripper = Gripper(CONFIG)
    gripper.observe(0.0, CONFIG.open_width)
    return gripper


@pytest.mark.parametrize("begins_s", [0.05, 0.6, 1.4])
def test_fingers_that_begin_late_are_waited_for(begins_s: float) -> None:
    gripper = open_gripper()
    gripper.close(0.0)
    settled_s = watch(gripper, {0.0: CONFIG.open_width, begins_s: 0.06, begins_s + 0.1: BLOCK})
    assert begins_s + 0.1 + CONFIG.settle_time_s <= settled_s <= begins_s + 0.5
    assert gripper.holding
    assert gripper.width == BLOCK


def test_fingers_that_are_there_already_need_not_move() -> None:
    gripper = open_gripper()
    gripper.open(0.0)
    assert watch(gripper, {0.0: CONFIG.open_width - 0.001}) < CONFIG.least_time_s + 2.0 * LOOK_S


def test_fingers_that_never_move_are_taken_as_they_are_after_a_while() -> None:
    gripper = open_gripper()
    gripper.close(0.0)
    assert watch(gripper, {0.0: CONFIG.open_width}) == pytest.approx(CONFIG.timeout_s, abs=LOOK_S)


def test_without_reports_the_order_itself_says_when_it_is_done() -> None:
    gripper = Gripper(CONFIG)
    gripper.close(0.0)
    assert not gripper.settled(1.0, busy=True)
    assert gripper.settled(1.0, busy=False)


@pytest.mark.parametrize("reported_before", [True, False])
def test_fingers_that_did_not_close_hold_nothing(reported_before: bool) -> None:
    gripper = open_gripper() if reported_before else Gripper(CONFIG)
    gripper.close(0.0)
    watch(gripper, {0.0: CONFIG.open_width})
    assert gripper.closed
    assert not gripper.holding


def test_a_thing_as_wide_as_the_fingers_open_is_held() -> None:
    gripper = open_gripper()
    gripper.close(0.0)
    watch(gripper, {0.0: CONFIG.open_width, 0.1: CONFIG.open_width - 0.002})
    assert gripper.holding


def test_fingers_found_neither_open_nor_shut_hold_something() -> None:
    gripper = Gripper(CONFIG)
    gripper.observe(0.0, BLOCK)
    assert gripper.holding


@pytest.mark.parametrize("width", [CONFIG.open_width, BLOCK])
def test_a_command_that_was_refused_changes_nothing(width: float) -> None:
    gripper = Gripper(CONFIG)
    gripper.observe(0.0, width)
    held = gripper.holding
    if held:
        gripper.open(1.0)
    else:
        gripper.close(1.0)
    gripper.undo()
    assert gripper.holding is gripper.closed is held
    assert not gripper.is_stuck(10.0)
