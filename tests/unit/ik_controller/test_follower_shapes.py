"""What the follower is about to do, as shapes."""

from __future__ import annotations

import numpy as np
import pytest

from ik_controller.grasping import EventKind
from ik_controller.nodes.follower_shapes import (
    LONGEST_LINE,
    STATE_COLOURS,
    FollowerPicture,
    box_edges,
    event_in,
    follower_shapes,
    is_under_way,
)
from ik_controller.workspace import Workspace
from tracegen_ros.messages import Shape

BOX = Workspace(lower=(0.2, -0.4, 0.0), upper=(0.8, 0.4, 0.5))
PATH = np.array([[0.4, 0.0, 0.3], [0.5, 0.1, 0.2], [0.5, 0.1, 0.05]])
TRACES = np.cumsum(np.full((5, 2, 3), 0.01), axis=0)


def shapes(picture: FollowerPicture) -> dict[str, Shape]:
    return {shape.namespace: shape for shape in follower_shapes(picture, BOX)}


@pytest.mark.parametrize(
    ("words", "event"),
    [
        ("FOLLOW: following towards a grasp", EventKind.GRASP),
        ("FOLLOW: following towards a release, slowed down", EventKind.RELEASE),
        ("FOLLOW (grasp): approaching for a grasp", EventKind.GRASP),
        ("FOLLOW (release): moving the fingers", EventKind.RELEASE),
        ("FOLLOW: following", None),
        ("FOLLOW (retreat): let go: rising", None),
        ("HOLD: no trace rides the hand", None),
        ("IDLE: waiting for an instruction", None),
    ],
)
def test_the_event_at_the_end_of_the_path_is_read_from_the_followers_words(
    words: str, event: EventKind | None
) -> None:
    assert event_in(words) == event
    shown = shapes(FollowerPicture("", words, PATH, None))
    if event is None:
        assert not len(shown["events"].points)
        assert not len(shown["event_names"].points)
    else:
        np.testing.assert_array_equal(shown["events"].points, PATH[-1:])
        assert shown["event_names"].text == event


def test_everything_known_is_shown_and_the_state_has_its_own_colour() -> None:
    words = "HOLD: traces are 0.8 s old"
    shown = shapes(FollowerPicture("put it there", words, PATH, TRACES))
    assert len(shown["hand_traces"].points) == len(shown["hand_traces"].colours) == 2 * 4 * 2
    np.testing.assert_array_equal(shown["path"].points, PATH)
    assert shown["state"].text == f"put it there\n{words}"
    assert shown["state"].colours.tolist() == list(STATE_COLOURS["HOLD"])
    assert shown["state"].points[0, 2] > BOX.upper[2]
    assert not is_under_way(words) and is_under_way("FOLLOW (grasp): moving the fingers")


def test_without_a_follower_nothing_is_shown() -> None:
    shown = shapes(FollowerPicture("put it there", None, PATH, None))
    assert all(len(shape.points) == 0 for shape in shown.values())


def test_long_words_are_cut() -> None:
    text = shapes(FollowerPicture("a" * 200, f"HOLD: {'b' * 200}", None, None))["state"].text
    assert [len(line) for line in text.split("\n")] == [LONGEST_LINE] * 2


def test_the_box_has_twelve_edges_of_the_workspaces_sizes() -> None:
    edges = box_edges(BOX).reshape(12, 2, 3)
    lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    np.testing.assert_allclose(sorted(lengths), sorted([0.6] * 4 + [0.8] * 4 + [0.5] * 4))
    assert len({tuple(edge.round(9).ravel()) for edge in edges}) == 12
    assert {tuple(corner) for corner in edges.reshape(-1, 3).round(9)} == {
        (x, y, z) for x in (0.2, 0.8) for y in (-0.4, 0.4) for z in (0.0, 0.5)
    }
