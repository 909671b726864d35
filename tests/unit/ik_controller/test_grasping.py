"""Grasp and release events are read from the traces."""

import numpy as np

from ik_controller.grasping import EventConfig, EventKind, find_event, find_turn_around

CONFIG = EventConfig()
BLOCK = np.array([0.5, 0.0, 0.02])


def dip(steps_down: int, steps_up: int, lowest: float = 0.02) -> np.ndarray:
    """A hand path straight down to ``lowest`` and up again, 1.25 cm a step."""
    heights = np.concatenate([np.arange(steps_down, -1, -1), np.arange(1, steps_up + 1)]) * 0.0125 + lowest
    return np.column_stack([np.full(len(heights), 0.5), np.zeros(len(heights)), heights])


def carried(hand: np.ndarray, first: int, last: int, start: np.ndarray = BLOCK) -> np.ndarray:
    """(K, 4, 3) four points that ride the hand from step ``first`` to step ``last``."""
    points = np.repeat((start + np.arange(4)[:, None] * [0.004, 0.0, 0.0])[None], len(hand), axis=0)
    ride = hand[np.clip(np.arange(len(hand)), first, last)] - hand[first]
    return points + ride[:, None]


def test_a_point_that_begins_to_move_with_the_hand_is_a_grasp() -> None:
    hand = dip(10, 20)
    event = find_event(hand, carried(hand, 10, 30), hand[:, 2], False, CONFIG)
    assert event is not None
    assert (event.kind, event.step, event.witness) == (EventKind.GRASP, 10, "both")


def test_noise_does_not_move_the_event_by_more_than_two_steps() -> None:
    rng = np.random.default_rng(0)
    hand = dip(10, 20)
    for _ in range(100):
        noisy_hand = hand + rng.normal(0.0, 0.004, hand.shape)
        points = carried(hand, 10, 30) + rng.normal(0.0, 0.008, (31, 4, 3))
        event = find_event(noisy_hand, points, noisy_hand[:, 2], False, CONFIG)
        assert event is not None
        assert abs(event.step - 10) <= 2


def test_a_hidden_object_is_grasped_at_the_turn_around() -> None:
    hand = dip(10, 20)
    event = find_event(hand, np.empty((31, 0, 3)), hand[:, 2], False, CONFIG)
    assert event is not None
    assert (event.step, event.witness) == (10, "turn-around")


def test_points_that_stop_moving_with_the_hand_are_a_release() -> None:
    hand = dip(12, 16)
    start = hand[0] - [0.0, 0.0, 0.002]
    event = find_event(hand, carried(hand, 0, 12, start), hand[:, 2], True, CONFIG)
    assert event is not None
    assert event.kind is EventKind.RELEASE
    assert abs(event.step - 12) <= 1


def test_the_lift_after_a_grasp_is_no_release() -> None:
    lift = dip(0, 25)
    event = find_event(lift, carried(lift, 0, 25, lift[0]), lift[:, 2], True, CONFIG)
    assert event is None


def test_a_small_wobble_is_no_turn_around() -> None:
    wobble = dip(1, 20)
    assert find_turn_around(wobble[:, 2], wobble[:, 2], CONFIG) is None


def test_a_turn_around_high_in_the_air_is_none() -> None:
    high = dip(10, 10, lowest=0.2)
    assert find_turn_around(high[:, 2], high[:, 2], CONFIG) is None


def test_a_shallow_dip_near_the_table_counts() -> None:
    shallow = dip(6, 10, lowest=0.09)
    assert find_turn_around(shallow[:, 2], shallow[:, 2], CONFIG) == 6


def test_still_points_are_no_event() -> None:
    sweep = np.column_stack([np.linspace(0.4, 0.6, 20), np.zeros(20), np.full(20, 0.15)])
    still = np.repeat(BLOCK[None, None], 20, axis=0)
    assert find_event(sweep, still, sweep[:, 2], False, CONFIG) is None


def test_invalid_points_are_left_out() -> None:
    hand = dip(10, 20)
    points = carried(hand, 10, 30)
    points[5:, 1] = np.nan
    event = find_event(hand, points, hand[:, 2], False, CONFIG)
    assert event is not None
    assert event.step == 10
