"""The curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, ScalarFormatter
from tests.steps_versus_quality.equal_cost import BUDGETS

if TYPE_CHECKING:
    from tests.steps_versus_quality.report import CurveRow

SIZE_INCHES = (11.5, 6.6)
RESOLUTION_DPI = 110
INK, GRID = "#24292f", "#d8dee4"


@dataclass(frozen=True)
class LineStyle:
    """How a line is drawn: colours of Okabe and Ito, which the colour-blind tell apart, and a marker each."""

    label: str
    colour: str
    marker: str
    dashes: str = "-"


METHODS = {
    "euler": LineStyle("Euler", "#0072B2", "o"),
    "midpoint": LineStyle("midpoint", "#E69F00", "s"),
    "heun": LineStyle("Heun", "#009E73", "^"),
    "adams_bashforth": LineStyle("Adams-Bashforth (multistep)", "#CC79A7", "D"),
}
STUDENT = LineStyle("distilled, Euler", "#D55E00", "*", "--")

PANELS = (
    ("hand_cm_32", "hand after 40 cm of path", "error [cm]"),
    ("moving_ade_cm", "all moving points (ADE)", "error [cm]"),
    ("spread_cm", "end points over seeds", "spread [cm]"),
    ("distance_cm", "from the settled flow, same noise", "distance [cm]"),
)

CENTIMETRES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
"""Marks of a logarithmic axis of errors [cm]."""

SUCCESS_MARK = 20.0
"""Between marks of the axis of success [%]."""

MARGIN = 1.15
"""What the axis of evaluations goes beyond the budgets, as a factor."""

SIDESTEP = 1.035
"""Methods with the same evaluations stand beside each other by this factor, so that their intervals can be seen."""


def plot_curve(lines: Sequence[Sequence[CurveRow]], settings: Mapping[str, Any], path: Path) -> None:
    """Draw the rows of each checkpoint, the first by method and the others as students, to a PNG."""
    series: list[tuple[LineStyle, list[CurveRow]]] = []
    for place, rows in enumerate(lines):
        styles = METHODS if place == 0 else {"euler": STUDENT}
        series += [(style, [row for row in rows if row.key.method == name]) for name, style in styles.items()]
    series = [(style, rows) for style, rows in series if rows]
    with matplotlib.rc_context(
        {
            "font.size": 9.5,
            "axes.edgecolor": GRID,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    ):
        figure = Figure(SIZE_INCHES, dpi=RESOLUTION_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(2, 3)
        places = [grid[0, 0], grid[0, 1], grid[0, 2], grid[1, 0]]
        for axes, (measure, title, unit) in zip(places, PANELS, strict=True):
            _draw_measure(axes, series, measure)
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(FixedLocator(CENTIMETRES))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            _dress(axes, title, unit)
        _draw_success(grid[1, 1], series)
        _dress(grid[1, 1], "closed loop, same scenes", "success [%]")
        grid[1, 1].set_ylim(_lowest_success(series), 103)
        _describe(grid[1, 2], series, settings)
        figure.suptitle(
            f"Steps versus quality at equal cost: {lines[0][0].key.checkpoint}", fontweight="bold"
        )
        figure.savefig(path, metadata={"Software": None})


def _draw_measure(axes: Axes, series: Sequence[tuple[LineStyle, list[CurveRow]]], measure: str) -> None:
    for style, rows in series:
        known = sorted((row for row in rows if row.offline is not None), key=lambda row: row.key.evaluations)
        if not known:
            continue
        x = [row.key.evaluations for row in known]
        estimates = [row.offline.estimate(measure) for row in known if row.offline is not None]
        axes.plot(x, [estimate.mean for estimate in estimates], **_line(style))
        intervals = [estimate.interval or (np.nan, np.nan) for estimate in estimates]
        low, high = zip(*intervals, strict=True)
        axes.fill_between(x, low, high, color=style.colour, alpha=0.10, linewidth=0)


def _draw_success(axes: Axes, series: Sequence[tuple[LineStyle, list[CurveRow]]]) -> None:
    for place, (style, rows) in enumerate(series):
        known = sorted((row for row in rows if row.success is not None), key=lambda row: row.key.evaluations)
        successes = [row.success for row in known if row.success is not None]
        if not successes:
            continue
        x = np.array([row.key.evaluations for row in known]) * SIDESTEP ** (place - (len(series) - 1) / 2)
        share = np.array([success.share for success in successes])
        ends = np.array([success.interval for success in successes])
        whiskers = 100 * np.abs(ends - share[:, None]).T
        axes.errorbar(x, 100 * share, yerr=whiskers, elinewidth=1.0, capsize=2.0, **_line(style))


def _lowest_success(series: Sequence[tuple[LineStyle, list[CurveRow]]]) -> float:
    """Where the axis of success starts [%]: a mark below the lowest interval."""
    ends = [row.success.interval[0] for _, rows in series for row in rows if row.success is not None]
    return max(-3.0, SUCCESS_MARK * np.floor(100.0 * min(ends, default=0.0) / SUCCESS_MARK - 1.0))


def _line(style: LineStyle) -> dict[str, Any]:
    return {
        "color": style.colour,
        "marker": style.marker,
        "linestyle": style.dashes,
        "label": style.label,
        "linewidth": 1.6,
        "markersize": 9.0 if style.marker == "*" else 5.0,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
    }


def _dress(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=10.5)
    axes.set_ylabel(unit)
    axes.set_xlabel("evaluations of the network")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([budget for budget in BUDGETS if budget != 8]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlim(BUDGETS[0] / MARGIN, BUDGETS[-1] * MARGIN)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _describe(
    axes: Axes, series: Sequence[tuple[LineStyle, list[CurveRow]]], settings: Mapping[str, Any]
) -> None:
    """Legend, and what was not measured."""
    axes.set_axis_off()
    for style, _ in series:
        axes.plot([], [], **_line(style))
    axes.legend(loc="upper left", frameon=False, borderaxespad=0.0)
    episodes = {len(row.success.by_seed) for _, rows in series for row in rows if row.success is not None}
    missing = sum(row.success is None for _, rows in series for row in rows)
    lines = [
        f"{settings['tasks']} tasks in scenes never trained on, {settings['draws']} draws each.",
        "Bands: 95 %, scenes resampled; the rows share tasks and noise,",
        "so differences are surer than the bands (see the table).",
    ]
    if episodes:
        lines.append(f"Closed loop: {max(episodes)} episodes a point (less those lost), Wilson 95 %;")
        lines.append(f"{missing} of {missing + _known(series)} rows were not run in the closed loop.")
    else:
        lines.append("The closed loop was not run.")
    axes.text(0.0, 0.48, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=8.5, linespacing=1.5)


def _known(series: Sequence[tuple[LineStyle, list[CurveRow]]]) -> int:
    return sum(row.success is not None for _, rows in series for row in rows)
