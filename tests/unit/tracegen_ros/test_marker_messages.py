"""Markers that are serialised by hand are those that rclpy makes of the same message."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import (
    Shape,
    ShapeKind,
    encode_header,
    encode_markers,
    encode_trace_markers,
)
from tracegen_ros.messages.stamps import encode_duration

RED = (1.0, 0.0, 0.0, 0.5)


def reference(shape: Shape, frame: str, lifetime_s: float) -> Marker:
    """The same marker, made field by field."""
    points = [Point(x=x, y=y, z=z) for x, y, z in shape.points.tolist()]
    colours = [
        ColorRGBA(r=red, g=green, b=blue, a=alpha)
        for red, green, blue, alpha in np.reshape(shape.colours, (-1, 4)).tolist()
    ]
    size = shape.size
    is_text = shape.kind is ShapeKind.WORDS
    pose = Pose(orientation=Quaternion(w=1.0))
    if is_text:
        pose.position = points[0]
    scales = {
        ShapeKind.BALLS: Vector3(x=size, y=size, z=size),
        ShapeKind.WORDS: Vector3(z=size),
    }
    return Marker(
        header=encode_header(1_234_567_890_123, frame),
        ns=shape.namespace,
        type=int(shape.kind),
        action=Marker.ADD if points else Marker.DELETE,
        pose=pose,
        scale=scales.get(shape.kind, Vector3(x=size)),
        color=colours[0] if colours else ColorRGBA(),
        lifetime=encode_duration(lifetime_s),
        points=[] if is_text else points,
        colors=colours if not is_text and len(colours) == len(points) else [],
        text=shape.text,
    )


@pytest.mark.parametrize("frame", ["", "a", "frame", "camera_color_optical_frame"])
def test_the_bytes_hold_the_message_whatever_the_lengths_of_strings_and_arrays(frame: str) -> None:
    rng = np.random.default_rng(5)
    shapes = [
        Shape("lines", ShapeKind.LINES, rng.normal(size=(6, 3)), rng.random((6, 4), np.float32), 0.002),
        Shape("state", ShapeKind.WORDS, rng.normal(size=(1, 3)), np.array(RED), 0.04, "hält, wörtlich"),
        Shape("empty", ShapeKind.LINES, np.zeros((0, 3)), np.zeros((0, 4)), 0.002),
        Shape("path", ShapeKind.STRIP, rng.normal(size=(3, 3)), np.array(RED), 0.004),
        Shape("events", ShapeKind.BALLS, rng.normal(size=(2, 3)), rng.random((2, 4), np.float32), 0.03),
    ]
    header = encode_header(1_234_567_890_123, frame)
    for first in range(len(shapes)):
        turned = shapes[first:] + shapes[:first]
        message = MarkerArray(markers=[reference(shape, frame, 1.5) for shape in turned])
        data = encode_markers(turned, header, 1.5)
        assert deserialize_message(data, MarkerArray) == message
        assert len(data) == len(serialize_message(message))
    assert encode_markers([], header, 1.5) == serialize_message(MarkerArray())


def test_a_segment_with_an_invalid_end_is_left_out_and_colours_stay_with_their_steps() -> None:
    points = np.zeros((4, 2, 3), np.float32)
    points[..., 0] = np.arange(4)[:, None]
    whole = TraceGrid(points.copy(), np.zeros((4, 2, 2)))
    points[2, 1] = np.nan
    broken = TraceGrid(points, np.zeros((4, 2, 2)))
    shown = np.ones(2, bool)

    def lines(traces: TraceGrid) -> Marker:
        message = encode_trace_markers(traces, shown, ~shown, encode_header(0, "camera"), 0.001, 1.0)
        return deserialize_message(message, MarkerArray).markers[0]

    assert len(lines(whole).points) == 12
    marker = lines(broken)
    assert [point.x for point in marker.points] == [0.0, 1.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0]
    colour_of_step = {
        point.x: colour for point, colour in zip(marker.points[::2], marker.colors[::2], strict=True)
    }
    for point, colour in zip(lines(whole).points[::2], lines(whole).colors[::2], strict=True):
        assert colour == colour_of_step[point.x]
