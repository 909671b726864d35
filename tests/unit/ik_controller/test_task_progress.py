"""When a task is over, counted over traces in a row."""

import numpy as np

from ik_controller.grasping import EventKind, GraspEvent
from ik_controller.hand_motion import HandMotion
from ik_controller.hand_points import HandPoints
from ik_controller.surface_height import ObjectSurface
from ik_controller.task_progress import ProgressConfig, TaskProgress, Verdict
from ik_controller.trace_reading import TraceReading

CONFIG = ProgressConfig()


SOMETHING = ObjectSurface(np.array([0.5, 0.0]), 0.04, None, 100)


def reading(
    path: np.ndarray, event: GraspEvent | None = None, thing: ObjectSurface | None = SOMETHING
) -> TraceReading:
    count = len(path)
    motion = HandMotion(path, np.tile(np.eye(3), (count, 1, 1)), np.ones(count, int), np.zeros(count), False)
    hand = HandPoints(np.ones(1, bool), np.zeros(1))
    return TraceReading(hand, motion, event, 0.0, np.eye(4), thing)


def line(length: float, height: float = 0.12, axis: int = 1) -> np.ndarray:
    path = np.tile([0.5, 0.0, height], (20, 1))
    path[:, axis] += np.linspace(0.0, length, 20)
    return path


def test_still_traces_are_believed_sooner_after_a_release() -> None:
    before = TaskProgress(CONFIG)
    verdicts = [
        before.count(reading(line(0.01)), None, holding=False)
        for _ in range(CONFIG.done_count_before_release)
    ]
    assert verdicts == [None] * (CONFIG.done_count_before_release - 1) + [Verdict.TASK_DONE]
    after = TaskProgress(CONFIG)
    after.note_release(np.array([0.5, 0.0, 0.02]))
    verdicts = [after.count(reading(line(0.01)), None, holding=False) for _ in range(CONFIG.done_count)]
    assert verdicts[-1] is Verdict.TASK_DONE


def test_motion_in_between_starts_the_count_over() -> None:
    progress = TaskProgress(CONFIG)
    progress.note_release(np.zeros(3))
    for length in (0.01, 0.2, 0.01):
        assert progress.count(reading(line(length)), None, holding=False) is None


def test_a_holding_hand_that_is_not_moved_lets_go_near_the_table_only() -> None:
    low, high = TaskProgress(CONFIG), TaskProgress(CONFIG)
    for _ in range(CONFIG.stuck_count):
        last_low = low.count(reading(line(0.02, height=0.05)), None, holding=True)
        last_high = high.count(reading(line(0.02, height=0.30)), None, holding=True)
    assert last_low is Verdict.RELEASE_HERE
    assert last_high is None


def test_what_was_just_placed_is_not_taken_up_again_unless_it_is_carried_away() -> None:
    event = GraspEvent(EventKind.GRASP, 5, "turn-around", 0.5)
    progress = TaskProgress(CONFIG)
    assert progress.believed_event(reading(line(0.02), event)) is event
    progress.note_release(np.array([0.5, 0.0, 0.02]))
    assert progress.believed_event(reading(line(0.02), event)) is None
    assert progress.believed_event(reading(line(0.15), event)) is event


def test_after_a_release_a_place_where_nothing_stands_is_not_grasped() -> None:
    event = GraspEvent(EventKind.GRASP, 5, "turn-around", 0.5)
    progress = TaskProgress(CONFIG)
    assert progress.believed_event(reading(line(0.15), event, None)) is event
    progress.note_release(np.array([0.3, 0.3, 0.02]))
    assert progress.believed_event(reading(line(0.15), event, None)) is None
    assert progress.believed_event(reading(line(0.15), event)) is event


def test_it_gives_up_after_many_grasps_of_nothing() -> None:
    progress = TaskProgress(CONFIG)
    tries = [progress.note_grasp(holding=False) for _ in range(CONFIG.max_empty_grasps)]
    assert tries == [True] * (CONFIG.max_empty_grasps - 1) + [False]
    assert progress.note_grasp(holding=True)
    assert progress.empty_grasps == 0
