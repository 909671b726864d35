"""Plots of an evaluation as SVG for a page: text and lines take their colours from the page, light or dark."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

INK = "#010203"
"""Stands for the colour of the page's text."""

SERIES = tuple(f"#0102{shade:02x}" for shade in range(0x10, 0x16))
"""Stand for the page's colours of series; :func:`svg_of` puts the page's own in."""

LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
"""Tell series apart without colour."""

SIZE = (6.4, 3.6)
"""Width and height of a plot [inches at 72 px]."""

QUANTILES = 400
"""Points of a distribution's line; more would not be seen, and thousands of tasks would make large pages."""

NO_METADATA: dict[str, str | None] = {"Date": None, "Creator": None, "Format": None, "Type": None}


def plot_steps(curves: Mapping[str, NDArray[np.float64]], unit: str) -> str:
    """Mean error after each step, a line for each predictor.

    Args:
        curves: (S,) errors by predictor.
        unit: Of the errors.
    """
    with _axes("step of the trace", f"mean error of moving points [{unit}]") as (figure, axes):
        for number, (name, curve) in enumerate(curves.items()):
            axes.plot(np.arange(1, len(curve) + 1), curve, label=name, **_style(number))
        axes.set_xlim(left=1)
        axes.set_ylim(bottom=0)
        _legend(axes)
    return svg_of(figure)


def plot_distribution(values: Mapping[str, NDArray[np.float64]], unit: str) -> str:
    """Share of the tasks whose error is at most so large, a line for each predictor.

    Args:
        values: (tasks,) errors by predictor; NaN = nothing to measure.
        unit: Of the errors.
    """
    with _axes(f"final error of a task's moving points [{unit}]", "share of tasks at most there [%]") as (
        figure,
        axes,
    ):
        largest = 0.0
        for number, (name, errors) in enumerate(values.items()):
            known = errors[np.isfinite(errors)]
            if not len(known):
                continue
            shares = np.linspace(0.0, 100.0, min(len(known), QUANTILES) + 1)
            axes.plot(np.percentile(known, shares), shares, label=name, **_style(number))
            largest = max(largest, float(np.percentile(known, 98)))
        axes.set_xlim(0.0, largest or 1.0)
        axes.set_ylim(0.0, 100.0)
        _legend(axes)
    return svg_of(figure)


def plot_effort(steps: Sequence[int], errors: Sequence[float], unit: str) -> str:
    """Error over the number of sampler steps.

    Args:
        steps: Numbers of steps.
        errors: Their errors.
        unit: Of the errors.
    """
    with _axes("steps of the sampler", f"final error of moving points [{unit}]") as (figure, axes):
        order = np.argsort(steps)
        axes.plot(np.asarray(steps)[order], np.asarray(errors)[order], marker="o", **_style(0))
        axes.set_xscale("log")
        axes.set_xticks(sorted(set(steps)), labels=[str(count) for count in sorted(set(steps))])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
    return svg_of(figure)


def svg_of(figure: Figure) -> str:
    """The figure as an ``<svg>`` element whose colours are the page's variables."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tracegen"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata=NO_METADATA)
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :].replace(INK, "currentColor")
    for number, colour in enumerate(SERIES):
        drawn = drawn.replace(colour, f"var(--series-{number})")
    return drawn


@contextmanager
def _axes(x: str, y: str) -> Iterator[tuple[Figure, Axes]]:
    settings: dict[Any, Any] = {
        "font.family": "sans-serif",
        "font.size": 10.0,
        "text.color": INK,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": INK,
        "grid.alpha": 0.15,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.grid(True)
        yield figure, axes


def _style(number: int) -> dict[str, Any]:
    return {
        "color": SERIES[number % len(SERIES)],
        "linestyle": LINE_STYLES[number % len(LINE_STYLES)],
        "linewidth": 2.0,
    }


def _legend(axes: Axes) -> None:
    if axes.lines:
        axes.legend(frameon=False)
