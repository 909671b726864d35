"""Parameters of ``trace_markers_node``."""

from __future__ import annotations

from dataclasses import dataclass

from tracegen_ros.parameters import parameter


@dataclass(frozen=True)
class TraceMarkersParameters:
    """What is drawn, how often and how."""

    traces_topic: str = parameter("/tracegen/traces", "Traces to draw")
    markers_topic: str = parameter("/tracegen/markers", "Where the markers are published")
    max_rate_hz: float = parameter(
        5.0, "Most drawings per second of wall time [Hz]", minimum=0.1, maximum=10.0
    )
    timeout_s: float = parameter(
        2.0,
        "Traces that are not renewed for this long [s of wall time] are removed",
        minimum=0.1,
        maximum=60.0,
    )
    line_width: float = parameter(0.001, "Width of an ordinary line [m]", minimum=0.0001, maximum=0.05)
    least_travel: float = parameter(
        0.02,
        "A trace that stays within this distance of its start [m] is not drawn",
        minimum=0.0,
        maximum=1.0,
    )
    leading_fraction: float = parameter(
        0.6,
        "Traces that get this fraction of the farthest one's way [-] are emphasised",
        minimum=0.0,
        maximum=1.0,
    )
    overlay: bool = parameter(
        True, "Offer the camera image with the traces drawn on it; made only while somebody listens"
    )
    colour_topic: str = parameter("/camera/camera/color/image_raw", "Images under the overlay")
    overlay_topic: str = parameter(
        "/tracegen/overlay", "Where the overlay is published (rgb8); as JPEG on <this>/compressed"
    )
    past_s: float = parameter(
        1.5,
        "How far back the overlay shows where points came from [s, stamps of the images]; 0 = not at all",
        minimum=0.0,
        maximum=10.0,
    )
