"""The emulator's side of a scene that goes along: samples of the arm, orders to the fingers."""

from __future__ import annotations

import numpy as np
import pytest

from fr3_driver.emulator.arm_state import ArmState
from fr3_driver.emulator.codes import GripperStatus
from fr3_driver.emulator.hand import MAX_WIDTH, Hand
from fr3_driver.emulator.scene_link import SAMPLE_TICKS, SceneLink


class Robot:
    """An arm and a hand that a scene goes along with."""

    def __init__(self) -> None:
        self.state, self.hand = ArmState(), Hand()
        self.link = SceneLink(self.state, self.hand)
        self.answers: list[GripperStatus] = []
        self.tick = 0
        self.felt = [0.0] * 7

    def go_on(self, ticks: int) -> None:
        for _ in range(ticks):
            self.tick += 1
            self.hand.step(0.001)
            self.state.q[0] = 0.001 * self.tick
            self.link.record(self.tick)

    def scene(
        self, after: int = 0, order: int = 0, width: float = MAX_WIDTH, progress: str = "arrived"
    ) -> dict:
        return self.link.exchange(after, order, width, progress, self.felt)


@pytest.fixture
def robot() -> Robot:
    return Robot()


def test_every_sample_is_told_once_and_in_order(robot: Robot) -> None:
    robot.scene()
    robot.go_on(11)
    first = robot.scene()["samples"]
    robot.go_on(4)
    second = robot.scene(after=first[-1][0])["samples"]
    ticks = [sample[0] for sample in first + second]
    assert ticks == list(range(SAMPLE_TICKS, robot.tick + 1, SAMPLE_TICKS))
    assert [sample[2] for sample in first + second] == pytest.approx([0.001 * tick for tick in ticks])


def test_a_busy_scene_gets_what_it_missed_in_parts(robot: Robot) -> None:
    robot.scene()
    robot.go_on(600)
    ticks: list[int] = []
    more = True
    while more:
        answer = robot.scene(after=ticks[-1] if ticks else 0)
        ticks += [sample[0] for sample in answer["samples"]]
        more = answer["more"]
    assert ticks == list(range(SAMPLE_TICKS, 601, SAMPLE_TICKS))


def test_a_grasp_holds_what_the_scenes_fingers_met(robot: Robot) -> None:
    robot.scene()
    robot.hand.grasp(0.0, 0.1, MAX_WIDTH, MAX_WIDTH, robot.answers.append, force=30.0)
    order = robot.scene()["order"]
    assert (order["width"], order["speed"], order["force"]) == (0.0, 0.1, 30.0)
    robot.scene(order=order["number"], width=0.06, progress="moving")
    robot.go_on(5)
    assert robot.answers == []
    robot.scene(order=order["number"], width=0.0398, progress="blocked")
    robot.go_on(1)
    assert robot.answers == [GripperStatus.SUCCESS]
    assert robot.hand.grasped
    assert robot.hand.width == 0.0398


def test_what_is_said_of_an_older_order_ends_no_newer_one(robot: Robot) -> None:
    robot.scene()
    robot.hand.move(0.02, 0.1, robot.answers.append)
    robot.scene(order=0, width=MAX_WIDTH, progress="arrived")
    robot.go_on(3)
    assert robot.answers == []


def test_a_hand_left_by_its_scene_moves_its_own_fingers(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot.scene(width=0.05)
    now_s = 1e9
    monkeypatch.setattr("fr3_driver.emulator.scene_link.time.monotonic", lambda: now_s)
    robot.go_on(SAMPLE_TICKS)
    assert not robot.link.attached
    assert robot.hand.width == 0.05
    robot.hand.move(0.04, 0.1, robot.answers.append)
    robot.go_on(110)
    assert robot.answers == [GripperStatus.SUCCESS]


def test_an_arm_is_placed_only_at_rest(robot: Robot) -> None:
    posture = [0.1, 0.2, 0.3, -2.0, 0.5, 2.0, 0.7]
    robot.link.place_arm(posture)
    assert robot.state.q.tolist() == robot.state.q_d.tolist() == posture
    robot.state.dq = np.full(7, 0.1)
    with pytest.raises(ValueError, match="the arm moves"):
        robot.link.place_arm([0.0] * 7)
    with pytest.raises(ValueError, match="7 finite numbers"):
        robot.link.place_arm([0.0] * 6)


def test_what_the_scene_s_arm_feels_adds_to_what_pushes_it_and_goes_with_the_scene(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot.state.pushed_torques = np.full(7, 1.0)
    robot.felt = [0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    robot.scene()
    assert robot.state.external_torques.tolist() == [1.0, 6.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    monkeypatch.setattr("fr3_driver.emulator.scene_link.time.monotonic", lambda: 1e9)
    robot.go_on(SAMPLE_TICKS)
    assert robot.state.external_torques.tolist() == [1.0] * 7
