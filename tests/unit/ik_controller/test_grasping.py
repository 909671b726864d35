"""Grasp and release events are read from the traces."""

import numpy as np
import pytest

from ik_controller import so3
from ik_controller.grasping import (
    EventConfig,
    EventKind,
    GraspEvent,
    MotionEvents,
    MovingScene,
    Witness,
    find_turn_around,
)

CONFIG = EventConfig()
BLOCK = np.array([0.5, 0.0, 0.02])
STEP = 0.0125


def dip(down: float, up: float, lowest: float = 0.02, step: float = STEP) -> np.ndarray:
    """A hand path straight down by ``down`` to ``lowest`` and up again by ``up`` [m]."""
    steps_down, steps_up = round(down / step), round(up / step)
    heights = np.concatenate([np.arange(steps_down, -1, -1), np.arange(1, steps_up + 1)]) * step + lowest
    return np.column_stack([np.full(len(heights), 0.5), np.zeros(len(heights)), heights])


def no_turns(hand: np.ndarray) -> np.ndarray:
    return np.tile(np.eye(3), (len(hand), 1, 1))


def carried(
    hand: np.ndarray,
    first: int,
    last: int,
    start: np.ndarray = BLOCK,
    turns: np.ndarray | None = None,
) -> np.ndarray:
    """(K, 4, 3) four points that ride the hand from step ``first`` to step ``last``."""
    turns = no_turns(hand) if turns is None else turns
    points = start + np.arange(4)[:, None] * np.array([0.004, 0.008, 0.0])
    at = np.clip(np.arange(len(hand)), first, last)
    local = (points - hand[first]) @ turns[first]
    return local @ np.swapaxes(turns[at], 1, 2) + hand[at, None]


def event_in(
    hand: np.ndarray,
    points: np.ndarray,
    holding: bool = False,
    turns: np.ndarray | None = None,
    config: EventConfig = CONFIG,
) -> GraspEvent | None:
    scene = MovingScene(hand, no_turns(hand) if turns is None else turns, points, hand[:, 2], holding)
    return MotionEvents(config).next_event(scene)


def test_a_point_that_begins_to_move_with_the_hand_is_a_grasp() -> None:
    hand = dip(0.125, 0.25)
    event = event_in(hand, carried(hand, 10, 30))
    assert event is not None
    assert (event.kind, event.step, event.witness) == (EventKind.GRASP, 10, Witness.BOTH)
    assert event.confidence == pytest.approx(1.0)


@pytest.mark.parametrize("step", [0.004, 0.0125, 0.03])
def test_the_event_is_found_whatever_the_length_of_a_step(step: float) -> None:
    hand = dip(0.12, 0.24, step=step)
    lowest = int(np.argmin(hand[:, 2]))
    event = event_in(hand, carried(hand, lowest, len(hand)))
    assert event is not None
    assert (event.step, event.witness) == (lowest, Witness.BOTH)
    held = dip(0.12, 0.24, step=step)
    event = event_in(held, carried(held, 0, lowest, held[0]), holding=True)
    assert event is not None
    assert (event.kind, event.step) == (EventKind.RELEASE, lowest)


def test_noise_does_not_move_the_event_by_more_than_two_steps() -> None:
    rng = np.random.default_rng(0)
    hand = dip(0.125, 0.25)
    for _ in range(100):
        noisy_hand = hand + rng.normal(0.0, 0.004, hand.shape)
        points = carried(hand, 10, 30) + rng.normal(0.0, 0.008, (31, 4, 3))
        event = event_in(noisy_hand, points)
        assert event is not None
        assert abs(event.step - 10) <= 2


def test_a_grasp_is_found_from_co_motion_alone_while_the_hand_turns() -> None:
    # The hand slides sideways at one height, so nothing but the points tells the moment.
    hand = np.column_stack([np.linspace(0.4, 0.7, 31), np.zeros(31), np.full(31, 0.03)])
    turns = so3.about_vertical(np.linspace(0.0, 1.2, 31))
    points = carried(hand, 14, 31, hand[14] + [0.0, 0.03, 0.0], turns)
    scene = MovingScene(hand, turns, points, hand[:, 2], False)
    event = MotionEvents(EventConfig(lowest_window=0.0)).next_event(scene)
    assert event is not None
    assert (event.step, event.witness) == (14, Witness.CO_MOTION)
    assert event.confidence > 0.999


def test_a_hidden_object_is_grasped_at_the_turn_around() -> None:
    hand = dip(0.125, 0.25)
    event = event_in(hand, np.empty((31, 0, 3)))
    assert event is not None
    assert (event.step, event.witness) == (10, Witness.TURN_AROUND)


def test_witnesses_far_from_each_other_do_not_speak_of_one_event() -> None:
    hand = dip(0.125, 0.25)
    event = event_in(hand, carried(hand, 26, 30))
    assert event is not None
    assert (event.step, event.witness) == (10, Witness.TURN_AROUND)


def test_points_that_stop_moving_with_the_hand_are_a_release() -> None:
    hand = dip(0.15, 0.2)
    start = hand[0] - [0.0, 0.0, 0.002]
    event = event_in(hand, carried(hand, 0, 12, start), holding=True)
    assert event is not None
    assert event.kind is EventKind.RELEASE
    assert abs(event.step - 12) <= 1


def test_the_lift_after_a_grasp_is_no_release() -> None:
    lift = dip(0.0, 0.3125)
    assert event_in(lift, carried(lift, 0, 25, lift[0]), holding=True) is None


def test_an_object_carried_to_the_end_is_no_release_also_while_the_hand_turns() -> None:
    way = np.column_stack([np.linspace(0.4, 0.7, 31), np.zeros(31), np.full(31, 0.1)])
    turns = so3.about_vertical(np.linspace(0.0, 1.5, 31))
    assert event_in(way, carried(way, 0, 31, way[0], turns), True, turns) is None


def test_a_small_wobble_is_no_turn_around() -> None:
    wobble = dip(0.0125, 0.25)
    assert find_turn_around(wobble[:, 2], wobble[:, 2], CONFIG) is None


def test_a_turn_around_high_in_the_air_is_none() -> None:
    high = dip(0.125, 0.125, lowest=0.2)
    assert find_turn_around(high[:, 2], high[:, 2], CONFIG) is None


def test_a_shallow_dip_near_the_table_counts() -> None:
    shallow = dip(0.075, 0.125, lowest=0.09)
    assert find_turn_around(shallow[:, 2], shallow[:, 2], CONFIG) == 6


def test_still_points_are_no_event() -> None:
    sweep = np.column_stack([np.linspace(0.4, 0.6, 20), np.zeros(20), np.full(20, 0.15)])
    assert event_in(sweep, np.repeat(BLOCK[None, None], 20, axis=0)) is None


def test_a_resting_hand_is_no_event() -> None:
    rest = np.tile([0.5, 0.0, 0.1], (20, 1))
    for holding in (False, True):
        assert event_in(rest, np.tile(rest[:, None], (1, 3, 1)), holding) is None


def test_invalid_points_are_left_out() -> None:
    hand = dip(0.125, 0.25)
    points = carried(hand, 10, 30)
    points[5:, 1] = np.nan
    event = event_in(hand, points)
    assert event is not None
    assert event.step == 10
