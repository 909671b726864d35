"""What the trace follower is about to do, as shapes for a viewer; all points in the base frame."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.follower_interface import FollowerPhase, FollowerState, heard_state
from ik_controller.grasping import EventKind
from ik_controller.workspace import Workspace
from tracegen_ros.messages import Shape, ShapeKind
from tracegen_ros.trace_lines import trace_lines

FloatArray = NDArray[np.float64]

HAND_LINE_WIDTH = 0.004
PATH_WIDTH = 0.006
BOX_WIDTH = 0.002
EVENT_DIAMETER = 0.03
STATE_HEIGHT = 0.04
EVENT_HEIGHT = 0.03
"""Height of capital letters [m]; widths and diameters above are in metres too."""

WORDS_ABOVE = 0.12
"""The state stands this far above the workspace's upper edge [m]."""

LABEL_ABOVE = 0.05
"""An event's name stands this far above its place [m]."""

LONGEST_LINE = 60
"""Characters of one line of words."""

PATH_COLOUR = (1.0, 1.0, 1.0, 0.9)
BOX_COLOUR = (0.6, 0.6, 0.6, 0.5)
EVENT_COLOURS = {EventKind.GRASP: (1.0, 0.55, 0.0, 0.9), EventKind.RELEASE: (0.2, 0.9, 0.9, 0.9)}
STATE_COLOURS = {
    FollowerState.IDLE: (0.8, 0.8, 0.8, 1.0),
    FollowerState.HOLD: (1.0, 0.9, 0.2, 1.0),
    FollowerState.STOP: (1.0, 0.3, 0.3, 1.0),
    FollowerState.FAULT: (1.0, 0.1, 0.6, 1.0),
}
PHASE_COLOURS = {
    FollowerPhase.TRACES: (0.4, 1.0, 0.4, 1.0),
    FollowerPhase.GRASP: (1.0, 0.55, 0.0, 1.0),
    FollowerPhase.RELEASE: (0.2, 0.9, 0.9, 1.0),
    FollowerPhase.RETREAT: (0.5, 0.7, 1.0, 1.0),
}
"""Colours of the state FOLLOW."""

_NOWHERE = np.zeros((0, 3))


@dataclass(frozen=True)
class FollowerPicture:
    """What is known now; what is None is not shown.

    Attributes:
        task: The sentence that is obeyed.
        words: The follower's state and why, ``FOLLOW: following towards a grasp``.
        path: (K, 3) tool centre points that the hand is about to pass [m].
        hand_traces: (S + 1, N, 3) traces that ride the hand [m].
    """

    task: str
    words: str | None
    path: FloatArray | None
    hand_traces: FloatArray | None


def event_in(words: str) -> EventKind | None:
    """What shall happen at the end of the path, as far as the follower's ``words`` say it."""
    heard = heard_state(words)
    for kind in EventKind:
        if heard is not None and (heard[1].value == kind.value or f"towards a {kind}" in words):
            return kind
    return None


def is_under_way(words: str) -> bool:
    """The hand is on a path, or about to be."""
    heard = heard_state(words)
    return heard is not None and heard[0] is FollowerState.FOLLOW


def follower_shapes(picture: FollowerPicture, workspace: Workspace) -> list[Shape]:
    """One shape per namespace; those without points take away what was shown before."""
    words = picture.words
    path = _NOWHERE if picture.path is None or words is None else picture.path
    kind = None if words is None or not len(path) else event_in(words)
    place = _NOWHERE if kind is None else path[-1:]
    event_colour = EVENT_COLOURS[kind or EventKind.GRASP]
    hand_traces = (
        (_NOWHERE, np.zeros((0, 4)))
        if picture.hand_traces is None or not picture.hand_traces.size
        else trace_lines(picture.hand_traces, 1.0)
    )
    return [
        Shape("hand_traces", ShapeKind.LINES, *hand_traces, HAND_LINE_WIDTH),
        Shape("path", ShapeKind.STRIP, path, np.array(PATH_COLOUR), PATH_WIDTH),
        Shape("events", ShapeKind.BALLS, place, np.array(event_colour), EVENT_DIAMETER),
        Shape(
            "event_names",
            ShapeKind.WORDS,
            place + np.array([0.0, 0.0, LABEL_ABOVE]),
            np.array(event_colour),
            EVENT_HEIGHT,
            kind or "",
        ),
        Shape(
            "workspace",
            ShapeKind.LINES,
            _NOWHERE if words is None else box_edges(workspace),
            np.array(BOX_COLOUR),
            BOX_WIDTH,
        ),
        _state_shape(picture.task, words, workspace),
    ]


def box_edges(workspace: Workspace) -> FloatArray:
    """(24, 3) both ends of the twelve edges of the workspace's box [m]."""
    corners = np.array([workspace.lower, workspace.upper])
    ends = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        for choice in itertools.product((0, 1), repeat=2):
            for end in (0, 1):
                point = np.empty(3)
                point[axis] = corners[end, axis]
                point[others] = corners[choice, others]
                ends.append(point)
    return np.array(ends)


def _state_shape(task: str, words: str | None, workspace: Workspace) -> Shape:
    if words is None:
        return Shape("state", ShapeKind.WORDS, _NOWHERE, np.zeros((0, 4)), STATE_HEIGHT)
    middle = (np.array(workspace.lower) + workspace.upper) / 2.0
    middle[2] = workspace.upper[2] + WORDS_ABOVE
    state, phase = heard_state(words) or (FollowerState.IDLE, FollowerPhase.TRACES)
    colour = PHASE_COLOURS[phase] if state is FollowerState.FOLLOW else STATE_COLOURS[state]
    lines = [line for line in (task, words) if line]
    text = "\n".join(
        line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..." for line in lines
    )
    return Shape("state", ShapeKind.WORDS, middle[None], np.array(colour), STATE_HEIGHT, text)
