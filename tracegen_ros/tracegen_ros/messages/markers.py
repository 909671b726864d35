"""``visualization_msgs/MarkerArray`` of traces: line lists coloured by step."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point, Vector3
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages.stamps import encode_duration
from tracegen_ros.step_colours import step_colours

_EMPHASIS = 3.0
"""How much wider the emphasised lines are."""


def encode_trace_markers(
    traces: TraceGrid,
    drawn: NDArray[np.bool_],
    emphasised: NDArray[np.bool_],
    header: Header,
    line_width: float,
    lifetime_s: float,
) -> MarkerArray:
    """Two LINE_LISTs: the traces that are ``drawn``, and wider those of them that are ``emphasised``.

    Args:
        traces: Where the lines run; a segment with an invalid end is left out.
        drawn: (N,) which traces to show.
        emphasised: (N,) which of them matter most, such as those of the hand.
        header: Header of the trace cloud.
        line_width: Width of an ordinary line [m].
        lifetime_s: After this a viewer drops the lines by itself [s].
    """
    return MarkerArray(
        markers=[
            _line_list(traces, drawn & ~emphasised, header, "traces", line_width, 0.5, lifetime_s),
            _line_list(
                traces, drawn & emphasised, header, "leading_traces", _EMPHASIS * line_width, 1.0, lifetime_s
            ),
        ]
    )


def encode_marker_removal(header: Header) -> MarkerArray:
    """Removes every marker drawn before."""
    return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def _line_list(
    traces: TraceGrid,
    selected: NDArray[np.bool_],
    header: Header,
    namespace: str,
    width: float,
    opacity: float,
    lifetime_s: float,
) -> Marker:
    points = traces.points_in_camera[:, selected]
    segments = np.stack([points[:-1], points[1:]], axis=2)
    drawable = np.isfinite(segments).all(axis=(2, 3))
    palette = [
        ColorRGBA(r=red, g=green, b=blue, a=opacity)
        for red, green, blue in (step_colours(traces.steps) / 255.0).tolist()
    ]
    return Marker(
        header=header,
        ns=namespace,
        type=Marker.LINE_LIST,
        action=Marker.ADD if drawable.any() else Marker.DELETE,
        scale=Vector3(x=width),
        points=[Point(x=x, y=y, z=z) for x, y, z in segments[drawable].reshape(-1, 3).tolist()],
        colors=[palette[step] for step in np.nonzero(drawable)[0].tolist() for _ in range(2)],
        lifetime=encode_duration(lifetime_s),
    )
