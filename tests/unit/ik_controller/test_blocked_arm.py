"""An arm that is held is told from one whose commands come late."""

from __future__ import annotations

import numpy as np
import pytest

from ik_controller.blocked_arm import BlockedArm
from ik_controller.gates import Gate
from ik_controller.safety import SafetyConfig

HERE = np.zeros(7)
TICK_S = 0.1


def found_again_and_again(config: SafetyConfig, moved: float = 0.0, gap_s: float = TICK_S) -> list[bool]:
    """Whether each of six finds, 1 s and ``moved`` [rad] apart, is a fault; one update is late by ``gap_s`` [s]."""
    arm = BlockedArm(config)
    faults, now_s = [], 0.0
    for number in range(6):
        for tick in range(10):
            now_s += gap_s if tick == 5 else TICK_S
            arm.note_update(now_s)
        shut = arm.note_found(HERE + moved * number, now_s)
        assert shut is None or shut.gate is Gate.BLOCKED
        faults.append(shut is not None)
    return faults


def test_an_arm_that_is_held_is_a_fault_the_fourth_time() -> None:
    assert found_again_and_again(SafetyConfig()) == [False, False, False, True, True, True]
    assert found_again_and_again(SafetyConfig(), moved=0.001) == [False, False, False, True, True, True]


@pytest.mark.parametrize("case", [{"moved": 0.05}, {"gap_s": 0.5}, {"gap_s": 12.0}], ids=str)
def test_an_arm_that_goes_on_in_between_and_a_machine_that_is_late_are_no_fault(
    case: dict[str, float],
) -> None:
    assert not any(found_again_and_again(SafetyConfig(), **case))


def test_an_arm_that_creeps_is_not_held_at_the_place_where_it_stood_first() -> None:
    assert not any(found_again_and_again(SafetyConfig(), moved=0.004)[:4])


def test_where_nobody_obeys_nothing_is_blocked() -> None:
    assert not any(found_again_and_again(SafetyConfig(robot_obeys=False)))
