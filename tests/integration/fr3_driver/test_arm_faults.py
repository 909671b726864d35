"""Each thing that can go wrong with the arm leads to a state with a name, to rest, and back by one documented step."""

from __future__ import annotations

import time

import numpy as np
import pytest
from tests.integration.fr3_driver.conftest import DEADLINE_S, DrivenArm, EmulatedRobot, only, wait

from fr3_driver.arm_driver import ArmDriverError
from fr3_driver.driver_state import DriverState

pytestmark = pytest.mark.real_time

TURN = only(0, 0.4)


def at_rest(robot: EmulatedRobot) -> bool:
    return not np.any(robot.status["dq"])


def begin_to_move(arm: DrivenArm, robot: EmulatedRobot) -> None:
    arm.go(TURN, 3.0)
    wait(lambda: np.abs(robot.status["dq"]).max() > 0.1 or arm.driver.keep_alive(), "motion")


def goes_on(arm: DrivenArm) -> None:
    """The arm moves again as if nothing had been."""
    goal = arm.move(-TURN / 4, 0.8)
    assert arm.positions == pytest.approx(goal, abs=3e-3)


@pytest.mark.parametrize(
    ("fault", "fields", "state", "reason"),
    [
        ("reflex", {"error": "cartesian_reflex"}, DriverState.REFLEX, "cartesian_reflex"),
        ("push", {"torques": [60.0] * 7}, DriverState.REFLEX, "joint_reflex"),
        ("drop_commands", {"count": 1000}, DriverState.REFLEX, "communication_constraints_violation"),
        ("user_stop", {"pressed": True}, DriverState.USER_STOPPED, "stop button"),
    ],
)
def test_a_robot_that_stops_itself_stays_so_until_the_recovery(
    arm: DrivenArm, healthy: EmulatedRobot, fault: str, fields: dict, state: DriverState, reason: str
) -> None:
    begin_to_move(arm, healthy)
    healthy.ask(fault, **fields)
    assert arm.wait_for(state) < 0.5
    assert wait(lambda: at_rest(healthy), "rest") < 0.5
    assert reason in arm.driver.status.reason
    with pytest.raises(ArmDriverError, match=r"~/recover"):
        arm.go(TURN, 1.0)
    healthy.ask("push", torques=[0.0] * 7)
    healthy.ask("user_stop", pressed=False)
    seen = len(arm.readings)
    wait(lambda: len(arm.readings) > seen + 20, "readings")
    assert arm.state is state, "it recovered by itself"
    arm.driver.recover()
    assert arm.state is DriverState.READY
    goes_on(arm)


def test_a_pressed_stop_button_cannot_be_recovered_from(arm: DrivenArm, healthy: EmulatedRobot) -> None:
    healthy.ask("user_stop", pressed=True)
    arm.wait_for(DriverState.USER_STOPPED)
    with pytest.raises(ArmDriverError, match="stop button"):
        arm.driver.recover()
    healthy.ask("user_stop", pressed=False)
    arm.driver.recover()
    assert arm.state is DriverState.READY


def test_a_few_lost_commands_do_no_harm(arm: DrivenArm, healthy: EmulatedRobot) -> None:
    goal = arm.go(TURN, 1.0)
    arm.wait_for(DriverState.MOVING)
    healthy.ask("drop_commands", count=10)
    arm.wait_for(DriverState.READY)
    assert healthy.status["dropped_commands"] == 10
    assert arm.positions == pytest.approx(goal, abs=3e-3)


def test_a_robot_that_sends_no_states_counts_as_lost(arm: DrivenArm, healthy: EmulatedRobot) -> None:
    begin_to_move(arm, healthy)
    healthy.ask("silence", on=True)
    assert arm.wait_for(DriverState.CONNECTION_LOST) < 1.0
    assert wait(lambda: at_rest(healthy), "rest") < 1.0
    healthy.ask("silence", on=False)
    arm.driver.recover()
    goes_on(arm)


def test_a_robot_that_hangs_up_counts_as_lost(arm: DrivenArm, healthy: EmulatedRobot) -> None:
    begin_to_move(arm, healthy)
    healthy.ask("disconnect")
    assert arm.wait_for(DriverState.CONNECTION_LOST) < 1.5
    assert wait(lambda: at_rest(healthy), "rest") < 0.5
    arm.driver.recover()
    goes_on(arm)


def test_a_control_box_that_dies_counts_as_lost_and_is_found_again(
    arm: DrivenArm, healthy: EmulatedRobot
) -> None:
    begin_to_move(arm, healthy)
    healthy.die()
    assert arm.wait_for(DriverState.CONNECTION_LOST) < 1.5
    began_s = time.monotonic()
    with pytest.raises(ArmDriverError, match="DISCONNECTED"):
        arm.driver.recover()
    assert time.monotonic() - began_s < DEADLINE_S / 2, "long before the deadline of connecting"
    healthy.start()
    arm.driver.recover()
    goes_on(arm)


def test_a_robot_that_answers_no_request_does_not_hang_the_driver(
    arm: DrivenArm, healthy: EmulatedRobot
) -> None:
    healthy.ask("reflex")
    arm.wait_for(DriverState.REFLEX)
    healthy.ask("mute", on=True)
    began_s = time.monotonic()
    with pytest.raises(ArmDriverError, match="'recover'"):
        arm.driver.recover()
    assert time.monotonic() - began_s < 3.0
    assert arm.state is DriverState.UNRESPONSIVE
    healthy.ask("mute", on=False)
    arm.driver.recover()
    goes_on(arm)


def test_a_robot_that_does_not_answer_the_start_of_a_motion_does_not_hang_the_driver(
    arm: DrivenArm, healthy: EmulatedRobot
) -> None:
    healthy.ask("mute", on=True)
    arm.go(TURN, 3.0)
    wait(lambda: arm.state.needs_recovery or arm.driver.keep_alive(), "a fault")
    healthy.ask("mute", on=False)
    arm.driver.recover()
    goes_on(arm)


def test_a_stop_right_after_the_start_leaves_no_motion_behind(arm: DrivenArm, healthy: EmulatedRobot) -> None:
    arm.go(TURN, 0.5)
    arm.driver.stop("test")
    wait(lambda: "test" in arm.driver.status.reason and arm.state is DriverState.READY, "rest")
    assert at_rest(healthy)
    assert not healthy.status["moving"]
    goes_on(arm)


def test_a_trajectory_at_the_very_end_of_another_is_not_lost(arm: DrivenArm, healthy: EmulatedRobot) -> None:
    for _ in range(5):
        goal = arm.go(TURN / 40, 0.2)
        arm.wait_for(DriverState.MOVING)
        wait(
            lambda goal=goal: np.abs(arm.positions - goal).max() < 1e-3 or arm.driver.keep_alive(), "arrival"
        )
    assert arm.refusals == []


def test_a_node_that_falls_silent_has_its_arm_stopped(arm: DrivenArm, healthy: EmulatedRobot) -> None:
    begin_to_move(arm, healthy)
    wait(lambda: arm.state is DriverState.READY, "rest without signs of life")
    assert "silent" in arm.driver.status.reason
    assert np.abs(arm.positions[0]) < 0.38
    assert at_rest(healthy)
    goes_on(arm)


def test_a_worker_that_is_killed_leaves_the_arm_at_rest_and_is_replaced(
    arm: DrivenArm, healthy: EmulatedRobot
) -> None:
    begin_to_move(arm, healthy)
    arm.driver._link._process.kill()  # what the kernel does when memory runs out
    assert arm.wait_for(DriverState.WORKER_DIED) < 1.0
    assert wait(lambda: at_rest(healthy), "rest") < 0.5
    arm.driver.recover()
    goes_on(arm)
