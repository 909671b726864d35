"""``visualization_msgs/MarkerArray``, serialised: lines, balls and words for RViz and Foxglove.

A marker of thousands of lines costs rclpy tens of milliseconds; the bytes made here cost less than two
(``python -m tests.viewer_cost.benchmark``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages.cdr import CdrWriter
from tracegen_ros.messages.stamps import encode_duration
from tracegen_ros.trace_lines import trace_lines

_EMPHASIS = 3.0
"""How much wider the emphasised lines are."""

_UPRIGHT = (0.0, 0.0, 0.0, 1.0)
"""Quaternion of no rotation."""


class ShapeKind(IntEnum):
    """What a shape's points are."""

    LINES = Marker.LINE_LIST
    """Pairs of ends."""
    STRIP = Marker.LINE_STRIP
    """Corners of one line."""
    BALLS = Marker.SPHERE_LIST
    """Centres."""
    WORDS = Marker.TEXT_VIEW_FACING
    """One point: the middle of the text."""


_SCALES: dict[ShapeKind, Callable[[float], tuple[float, float, float]]] = {
    ShapeKind.LINES: lambda width: (width, 0.0, 0.0),
    ShapeKind.STRIP: lambda width: (width, 0.0, 0.0),
    ShapeKind.BALLS: lambda diameter: (diameter, diameter, diameter),
    ShapeKind.WORDS: lambda height: (0.0, 0.0, height),
}
"""Where RViz wants the size."""


@dataclass(frozen=True)
class Shape:
    """What one marker shows; without points it takes away what its namespace showed before.

    Attributes:
        namespace: Its name in the viewer, which can be switched off there.
        kind: What the points are.
        points: (M, 3) [m] in the frame of the header.
        colours: (M, 4) RGBA of 0 to 1, or (4,) for all.
        size: Width of lines, diameter of balls, height of capital letters [m].
        text: The words.
    """

    namespace: str
    kind: ShapeKind
    points: NDArray[np.floating]
    colours: NDArray[np.floating]
    size: float
    text: str = ""


def encode_markers(shapes: Sequence[Shape], header: Header, lifetime_s: float) -> bytes:
    """A serialised MarkerArray, one marker per shape; publishers take it in place of a message.

    Args:
        shapes: What to show; no two of one namespace.
        header: Frame of all points, and their time.
        lifetime_s: After this a viewer drops the markers by itself [s]; 0 = never.
    """
    writer = CdrWriter()
    writer.put("I", len(shapes))
    for shape in shapes:
        _put_marker(writer, shape, header, lifetime_s)
    return writer.message()


def encode_trace_markers(
    traces: TraceGrid,
    drawn: NDArray[np.bool_],
    emphasised: NDArray[np.bool_],
    header: Header,
    line_width: float,
    lifetime_s: float,
) -> bytes:
    """A serialised MarkerArray: the traces that are ``drawn``, and wider those of them that are ``emphasised``.

    Args:
        traces: Where the lines run; a segment with an invalid end is left out.
        drawn: (N,) which traces to show.
        emphasised: (N,) which of them matter most.
        header: Header of the trace cloud.
        line_width: Width of an ordinary line [m].
        lifetime_s: After this a viewer drops the lines by itself [s].
    """
    points = traces.points_in_camera
    return encode_markers(
        [
            Shape("traces", ShapeKind.LINES, *trace_lines(points[:, drawn & ~emphasised], 0.5), line_width),
            Shape(
                "leading_traces",
                ShapeKind.LINES,
                *trace_lines(points[:, drawn & emphasised], 1.0),
                _EMPHASIS * line_width,
            ),
        ],
        header,
        lifetime_s,
    )


def encode_marker_removal(header: Header) -> MarkerArray:
    """Removes every marker drawn before on the same topic."""
    return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def _put_marker(writer: CdrWriter, shape: Shape, header: Header, lifetime_s: float) -> None:
    """The fields of visualization_msgs/Marker in the order of its definition (ROS 2 Humble to Jazzy)."""
    points = np.asarray(shape.points, dtype=np.float64).reshape(-1, 3)
    colours = np.asarray(shape.colours, dtype=np.float32).reshape(-1, 4)
    is_list = shape.kind is not ShapeKind.WORDS
    shown = len(points) > 0
    lifetime = encode_duration(lifetime_s)
    writer.put("i", header.stamp.sec)
    writer.put("I", header.stamp.nanosec)
    writer.put_text(header.frame_id)
    writer.put_text(shape.namespace)
    writer.put("i", 0, shape.kind, Marker.ADD if shown else Marker.DELETE)
    writer.put("d", *(points[0] if shown and not is_list else (0.0, 0.0, 0.0)), *_UPRIGHT)
    writer.put("d", *_SCALES[shape.kind](shape.size))
    writer.put("f", *(colours[0] if len(colours) else (0.0, 0.0, 0.0, 0.0)))
    writer.put("i", lifetime.sec)
    writer.put("I", lifetime.nanosec)
    writer.put("?", False)  # frame_locked
    writer.put_rows(points if is_list else points[:0])
    writer.put_rows(colours if is_list and len(colours) == len(points) else colours[:0])
    writer.put_text("")  # texture_resource
    writer.put("I", 0, 0)  # texture: stamp
    writer.put_text("")  # texture: frame
    writer.put_text("")  # texture: format
    writer.put_nothing(2)  # texture: data; uv_coordinates
    writer.put_text(shape.text)
    writer.put_text("")  # mesh_resource
    writer.put_text("")  # mesh_file: filename
    writer.put_nothing()  # mesh_file: data
    writer.put("?", False)  # mesh_use_embedded_materials
