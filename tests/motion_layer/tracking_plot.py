"""The tracking benchmark as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tests.motion_layer.tracking_report import Row, by_latency, by_noise, different, mean, select

from ik_controller.hand_motion import HandMotionMethod

SIZE_INCHES = (11.0, 7.2)
RESOLUTION_DPI = 110
INK, GRID = "#24292f", "#d8dee4"

POINT_COLOURS = ("#E69F00", "#0072B2", "#009E73")
"""Of Okabe and Ito, which the colour-blind tell apart."""

METHOD_STYLES = {HandMotionMethod.RIGID: ("-", "o"), HandMotionMethod.MEDIAN_DISPLACEMENT: ("--", "s")}
COMPENSATION_STYLES = {True: ("#0072B2", "o", "compensated"), False: ("#D55E00", "s", "not compensated")}
NOISE_DASHES = ("-", "--")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the picture of ``rows`` to ``path`` (PNG)."""
    matplotlib.rcParams.update({"font.size": 10, "text.color": INK, "axes.labelcolor": INK})
    figure = Figure(SIZE_INCHES, RESOLUTION_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    _by_noise(axes[0, 0], rows, "position_mm", "hand from its course [mm]")
    _by_noise(axes[0, 1], rows, "rotation_deg", "orientation from the course's [deg]")
    _by_latency(axes[1, 0], rows, "position_p95_mm", "hand from its course, p95 [mm]")
    _by_latency(axes[1, 1], rows, "duration_s", "time for the course [s]")
    words = {"frameon": False, "fontsize": 8, "title_fontsize": 8}
    axes[0, 1].legend(loc="center right", ncols=2, title="points on the hand, method", **words)
    axes[1, 1].legend(loc="upper left", **words)
    figure.savefig(path)


def _by_noise(axes: Axes, rows: Sequence[Row], name: str, label: str) -> None:
    shown = by_noise(rows)
    noises = different(shown, "noise_m")
    for colour, points in zip(POINT_COLOURS, different(shown, "points"), strict=False):
        for method, (dashes, marker) in METHOD_STYLES.items():
            values = [
                mean(select(shown, noise_m=noise, points=points, method=method), name) for noise in noises
            ]
            axes.plot(
                [100 * noise for noise in noises],
                values,
                color=colour,
                linestyle=dashes,
                marker=marker,
                markersize=4,
                label=f"{points}, {method}",
            )
    _finish(axes, "noise of each point, axis and step [cm]", label)


def _by_latency(axes: Axes, rows: Sequence[Row], name: str, label: str) -> None:
    noises = different(select(rows, compensated=False), "noise_m")
    for compensated, (colour, marker, words) in COMPENSATION_STYLES.items():
        for dashes, noise in zip(NOISE_DASHES, noises, strict=False):
            shown = select(by_latency(rows, noise), compensated=compensated)
            latencies = different(shown, "latency_s")
            values = [mean(select(shown, latency_s=latency), name) for latency in latencies]
            axes.plot(
                [1000 * latency for latency in latencies],
                values,
                color=colour,
                linestyle=dashes,
                marker=marker,
                markersize=4,
                label=f"{words}, noise {100 * noise:g} cm",
            )
    _finish(axes, "latency from image to traces [ms]", label)


def _finish(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_ylim(bottom=0.0)
    axes.grid(color=GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
