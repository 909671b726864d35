"""A gripper signal takes the place of what motion tells."""

import numpy as np
import pytest

from ik_controller.grasping import EventConfig, EventKind, MotionEvents, MovingScene, Witness
from ik_controller.gripper_signal import GripperSignal, GripperSignalError
from ik_controller.signalled_events import SignalConfig, SignalEvents

STEPS = 17
STEP = 0.0125
DOWN_AND_UP = np.column_stack(
    [np.full(STEPS, 0.5), np.zeros(STEPS), 0.02 + STEP * np.abs(np.arange(STEPS) - 10)]
)


def scene(holding: bool = False, signal: GripperSignal | None = None, stamp_s: float = 10.0) -> MovingScene:
    turns = np.tile(np.eye(3), (STEPS, 1, 1))
    nothing = np.empty((STEPS, 0, 3))
    return MovingScene(DOWN_AND_UP, turns, nothing, DOWN_AND_UP[:, 2], holding, stamp_s, signal)


def policy(stamp_s: float = 10.0) -> GripperSignal:
    """Open for 5 cm, then shut for 10 cm, then open."""
    lengths = STEP * np.arange(STEPS)
    return GripperSignal(stamp_s, lengths, np.where((lengths > 0.05) & (lengths < 0.15), 0.1, 0.9))


SOURCE = SignalEvents(SignalConfig(), MotionEvents(EventConfig()))


def test_open_fingers_close_where_the_signal_first_says_shut() -> None:
    event = SOURCE.next_event(scene(signal=policy()))
    assert event is not None
    assert (event.kind, event.step, event.witness) == (EventKind.GRASP, 5, Witness.SIGNAL)


def test_fingers_that_hold_something_open_where_it_says_open() -> None:
    late = GripperSignal(10.0, np.array([0.0, 0.1]), np.array([0.0, 1.0]))
    event = SOURCE.next_event(scene(holding=True, signal=late))
    assert event is not None
    assert (event.kind, event.step) == (EventKind.RELEASE, 8)


def test_a_button_closes_the_fingers_here_and_now() -> None:
    event = SOURCE.next_event(scene(signal=GripperSignal(10.0, np.zeros(1), np.zeros(1))))
    assert event is not None
    assert (event.kind, event.step) == (EventKind.GRASP, 0)


def test_a_signal_that_asks_for_nothing_new_overrules_the_motion() -> None:
    assert SOURCE.next_event(scene(signal=GripperSignal(10.0, np.zeros(1), np.ones(1)))) is None


def test_without_a_signal_or_with_an_old_one_motion_has_the_word() -> None:
    for signal in (None, policy(stamp_s=9.0)):
        event = SOURCE.next_event(scene(signal=signal))
        assert event is not None
        assert (event.step, event.witness) == (10, Witness.TURN_AROUND)
        assert SignalEvents(SignalConfig()).next_event(scene(signal=signal)) is None


def test_a_change_beyond_the_path_is_not_this_path_s() -> None:
    far = GripperSignal(10.0, np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert SOURCE.next_event(scene(signal=far)) is None


@pytest.mark.parametrize(
    ("lengths", "openings"),
    [([], []), ([0.0], [0.0, 1.0]), ([0.0, 0.0], [0.0, 1.0]), ([-0.1], [0.0]), ([0.0], [np.nan])],
)
def test_a_malformed_signal_is_refused(lengths: list[float], openings: list[float]) -> None:
    with pytest.raises(GripperSignalError):
        GripperSignal(0.0, np.array(lengths), np.array(openings))
