"""Line charts as SVG for a page; text and lines take their colours from the page, light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from ik_controller.evaluation.recording import FloatArray

HEIGHT = 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 26, 40
"""Room around the plotted area."""

TICKS = 5
DASHES = ("", "6 3", "2 3", "8 3 2 3")
"""Tell lines apart without colour."""

Line = tuple[FloatArray, FloatArray]
"""x and y of a line (n,); NaN interrupts it."""


def line_chart(
    lines: Mapping[str, Line], x_label: str, y_label: str, *, dots: bool = False, width: int = 640
) -> str:
    """An ``<svg>`` element with a line for each name.

    Args:
        lines: Their points.
        x_label: What is along x, with its unit.
        y_label: What is along y, with its unit; it starts at 0.
        dots: Mark the points.
        width: Of the drawing; its height is ``HEIGHT``.
    """
    known = [np.stack([x, y])[:, np.isfinite(x) & np.isfinite(y)] for x, y in lines.values() if len(x)]
    together = np.concatenate(known, axis=1) if known else np.empty((2, 0))
    if not together.shape[1]:
        return ""
    x_low, x_high = float(together[0].min()), float(together[0].max())
    y_ticks = nice_ticks(0.0, float(together[1].max()))
    x_ticks = nice_ticks(x_low, x_high)
    x_ticks = [tick for tick in x_ticks if x_low <= tick <= x_high]
    x_span, y_high = max(x_high - x_low, 1e-9), max(y_ticks[-1], 1e-9)

    def across(x: FloatArray) -> FloatArray:
        return LEFT + (x - x_low) / x_span * (width - LEFT - RIGHT)

    def up(y: FloatArray) -> FloatArray:
        return HEIGHT - BOTTOM - y / y_high * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {width} {HEIGHT}" role="img" aria-label="{escape(y_label)}" '
        f'data-left="{LEFT}" data-width="{width - LEFT - RIGHT}" data-low="{x_low:.6g}" data-span="{x_span:.6g}">'
    ]
    for tick in y_ticks:
        y = float(up(np.array(tick)))
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="end" x="{LEFT - 7}" y="{y + 4:.1f}">{tick:g}</text>')
    for tick in x_ticks:
        x = float(across(np.array(tick)))
        parts.append(f'<text class="middle" x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}">{tick:g}</text>')
    parts.append(
        f'<text class="middle" x="{(LEFT + width) / 2:.0f}" y="{HEIGHT - 5}">{escape(x_label)}</text>'
    )
    parts.append(f'<text x="{LEFT}" y="13">{escape(y_label)}</text>')
    for number, (x_values, y_values) in enumerate(lines.values()):
        colour = f"var(--series-{number % 6})"
        for path in _paths(across(x_values), up(y_values)):
            parts.append(
                f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round" '
                f'stroke-dasharray="{DASHES[number % len(DASHES)]}"/>'
            )
        if dots:
            for x, y in zip(across(x_values), up(y_values), strict=True):
                if np.isfinite(x) and np.isfinite(y):
                    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
    parts.append("</svg>")
    return "".join(parts)


def nice_ticks(low: float, high: float) -> list[float]:
    """About ``TICKS`` round numbers from at most ``low`` to at least ``high``."""
    span = max(high - low, 1e-9)
    power = 10.0 ** np.floor(np.log10(span / TICKS))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if span / (factor * power) <= TICKS)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [float(f"{number * step:.10g}") for number in np.arange(first, last + 1.0)]


def _paths(x: FloatArray, y: FloatArray) -> Sequence[str]:
    """Path data of the runs between NaNs."""
    runs: list[list[str]] = [[]]
    for one_x, one_y in zip(x, y, strict=True):
        if np.isfinite(one_x) and np.isfinite(one_y):
            runs[-1].append(f"{one_x:.1f},{one_y:.1f}")
        elif runs[-1]:
            runs.append([])
    return ["M" + " L".join(run) for run in runs if len(run) > 1]
