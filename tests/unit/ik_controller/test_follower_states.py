"""What lets the follower go on, and what does not: order of traces, faults, and how it comes to speed."""

from __future__ import annotations

import numpy as np
import pytest
from trace_scenes import BlockOnTable

from ik_controller.follower import FollowerState, Gate, TraceFollower
from ik_controller.robot_model import RobotModel

ROBOT = RobotModel.fr3()
PERIOD = 0.2


@pytest.fixture
def scene() -> BlockOnTable:
    return BlockOnTable(ROBOT, np.array([0.45, -0.10, 0.22]))


def started() -> TraceFollower:
    follower = TraceFollower(ROBOT)
    follower.set_task("go there")
    return follower


def seen(scene: BlockOnTable, now_s: float, **changes: object):
    """Inputs of a hand that is to go sideways."""
    path = scene.tcp + np.linspace(0.0, 1.0, 33)[:, None] * np.array([0.0, 0.3, 0.02])
    return scene.inputs(now_s, scene.traces(path), **changes)


def test_traces_that_come_twice_or_after_newer_ones_move_nothing_and_are_counted(scene: BlockOnTable) -> None:
    follower = started()
    first = follower.update(seen(scene, 1.0))
    assert first.trajectory is not None
    for count, stamp_s in enumerate((1.0, 0.6), start=1):
        again = follower.update(seen(scene, 1.05, trace_stamp_s=stamp_s))
        assert again.state is FollowerState.FOLLOW
        assert again.health["ignored_traces"] == count
        assert again.trajectory is not None, "whoever waits for an answer gets one"
        at_s = again.start_s - first.start_s
        np.testing.assert_allclose(again.trajectory.positions[0], first.trajectory.sample(at_s).position)
        np.testing.assert_allclose(again.trajectory.positions[-1], first.trajectory.positions[-1])


def test_a_stamp_from_the_future_does_not_outdate_those_that_follow(scene: BlockOnTable) -> None:
    follower = started()
    ahead = follower.update(seen(scene, 1.0, trace_stamp_s=1000.0))
    assert (ahead.state, ahead.gate) == (FollowerState.HOLD, Gate.TRACES_AHEAD)
    assert ahead.start_s < 2.0, "nothing starts at a time that cannot be"
    assert follower.update(seen(scene, 1.0 + PERIOD)).state is FollowerState.FOLLOW


def test_a_gate_that_traces_have_shut_stays_shut_until_the_next_traces(scene: BlockOnTable) -> None:
    follower = started()
    assert follower.update(seen(scene, 1.0, camera_in_base=None)).gate is Gate.CAMERA_POSE_MISSING
    between = follower.update(scene.inputs(1.1, None))
    assert (between.state, between.gate) == (FollowerState.HOLD, Gate.CAMERA_POSE_MISSING)
    assert follower.update(seen(scene, 1.0 + PERIOD)).gate is None


def test_a_fault_waits_for_recovery_and_the_arm_then_comes_to_speed_slowly(
    scene: BlockOnTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = started()
    usual = follower.update(seen(scene, 1.0))
    assert usual.trajectory is not None
    follower = started()
    with monkeypatch.context() as broken:
        broken.setattr(follower, "_follow", lambda *_: 1 / 0)
        fault = follower.update(seen(scene, 1.0))
    assert (fault.state, fault.gate) == (FollowerState.FAULT, Gate.INTERNAL_ERROR)
    assert "ZeroDivisionError" in fault.reason
    follower.enable(True)
    follower.set_task("something else")
    assert follower.update(seen(scene, 1.2)).state is FollowerState.FAULT
    assert follower.recover()
    slow = follower.update(seen(scene, 1.4))
    assert slow.state is FollowerState.FOLLOW
    assert slow.trajectory is not None
    assert slow.trajectory.duration_s > 2.0 * usual.trajectory.duration_s
    later = follower.update(
        seen(scene, 4.0, joint_state_now=(slow.trajectory.sample(2.5).position, np.zeros(7)))
    )
    assert later.health["speed_scale"] == 1.0
    assert not follower.recover()


def test_a_run_that_begins_knows_of_no_fault_stop_or_task(scene: BlockOnTable) -> None:
    follower = started()
    follower.stop("enough")
    follower.begin()
    assert follower.update(seen(scene, 1.0)).state is FollowerState.IDLE
    follower.set_task("go there")
    assert follower.update(seen(scene, 1.2)).state is FollowerState.FOLLOW


def test_an_idle_arm_that_is_guided_by_hand_is_no_fault(scene: BlockOnTable) -> None:
    follower = TraceFollower(ROBOT)
    for number in range(12):
        joints = scene.joints + 0.05 * number
        output = follower.update(scene.inputs(1.0 + number, None, joint_state_now=(joints, np.zeros(7))))
        assert output.state is FollowerState.IDLE
