"""The emulated hand."""

from __future__ import annotations

import pytest

from fr3_driver.emulator.codes import GripperStatus
from fr3_driver.emulator.hand import MAX_WIDTH, Hand


@pytest.fixture
def answers() -> list[GripperStatus]:
    return []


def run(hand: Hand, seconds: float) -> None:
    for _ in range(round(seconds * 1000)):
        hand.step(0.001)


def test_fingers_arrive_when_their_speed_says(answers: list[GripperStatus]) -> None:
    hand = Hand()
    hand.move(0.03, 0.05, answers.append)
    run(hand, 0.99)
    assert answers == []
    run(hand, 0.02)
    assert answers == [GripperStatus.SUCCESS]
    assert hand.width == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("thing", "status"), [(0.03, GripperStatus.SUCCESS), (0.06, GripperStatus.UNSUCCESSFUL)]
)
def test_a_grasp_succeeds_on_a_thing_of_the_width_expected(
    answers: list[GripperStatus], thing: float, status: GripperStatus
) -> None:
    hand = Hand()
    hand.object_width = thing
    hand.grasp(0.03, 0.1, 0.005, 0.005, answers.append)
    run(hand, 1.0)
    assert answers == [status]
    assert hand.width == pytest.approx(thing)
    assert hand.grasped is (status is GripperStatus.SUCCESS)


def test_a_new_request_aborts_the_one_before(answers: list[GripperStatus]) -> None:
    hand = Hand()
    hand.move(0.0, 0.1, answers.append)
    run(hand, 0.2)
    hand.home(answers.append)
    assert answers == [GripperStatus.ABORTED]
    run(hand, 1.0)
    assert answers == [GripperStatus.ABORTED, GripperStatus.SUCCESS]
    assert hand.width == pytest.approx(MAX_WIDTH)
