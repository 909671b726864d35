"""The tables of the tracking benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tests.motion_layer.hand_courses import COURSES

from ik_controller.hand_motion import HandMotionMethod

Row = dict[str, Any]

USUAL_LATENCY_S = 0.1
"""Latency of the runs that noise, points and methods are compared on [s]."""

SHOWN_NOISE_M = 0.01
SHOWN_POINTS = 20
"""Noise [m] and points of the runs that courses are compared on."""


def select(rows: Sequence[Row], **wanted: object) -> list[Row]:
    """The rows in which every one of ``wanted`` has its value."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def mean(rows: Sequence[Row], name: str) -> float:
    """Of ``name`` over ``rows``; NaN without any."""
    values = [row[name] for row in rows if row[name] is not None]
    return float(np.mean(values)) if values else float("nan")


def different(rows: Sequence[Row], name: str) -> list[Any]:
    """The values of ``name``, in order."""
    return sorted({row[name] for row in rows})


def by_noise(rows: Sequence[Row]) -> list[Row]:
    """The runs at the usual latency."""
    return select(rows, latency_s=USUAL_LATENCY_S, compensated=True)


def by_latency(rows: Sequence[Row], noise_m: float) -> list[Row]:
    """The runs that differ in latency."""
    return select(rows, noise_m=noise_m, points=SHOWN_POINTS, method=HandMotionMethod.RIGID)


def report(rows: Sequence[Row]) -> str:
    """All tables, in Markdown."""
    arrived = sum(row["arrived"] for row in rows)
    return "\n".join(
        [
            f"{len(rows)} runs, {arrived} reached the end of their course.",
            "",
            *_noise_table(rows),
            "",
            *_course_table(rows),
            "",
            *_latency_table(rows),
            "",
        ]
    )


def _noise_table(rows: Sequence[Row]) -> list[str]:
    """Noise and points, over all courses."""
    lines = _head(
        ["noise [cm]", "hand points"],
        [
            f"{method}: {what}"
            for method in HandMotionMethod
            for what in ("hand [mm] mean / p95", "turn [deg]", "path [mm]")
        ],
    )
    shown = by_noise(rows)
    for noise in different(shown, "noise_m"):
        for points in different(shown, "points"):
            cells = [f"{100 * noise:g}", f"{points}"]
            for method in HandMotionMethod:
                cells += _errors(select(shown, noise_m=noise, points=points, method=method))
            lines.append(_line(cells))
    return lines


def _course_table(rows: Sequence[Row]) -> list[str]:
    """Courses, with the shown noise and points."""
    lines = _head(
        [f"course ({100 * SHOWN_NOISE_M:g} cm, {SHOWN_POINTS} points)"],
        [
            f"{method}: {what}"
            for method in HandMotionMethod
            for what in ("hand [mm] mean / p95", "turn [deg]", "path [mm]")
        ],
    )
    shown = select(by_noise(rows), noise_m=SHOWN_NOISE_M, points=SHOWN_POINTS)
    for course in COURSES:
        cells = [course]
        for method in HandMotionMethod:
            cells += _errors(select(shown, course=course, method=method))
        lines.append(_line(cells))
    return lines


def _latency_table(rows: Sequence[Row]) -> list[str]:
    """Latencies, made up for or not, over all courses."""
    lines = _head(
        ["latency [ms]", "noise [cm]"],
        [
            f"{words}: {what}"
            for words in ("compensated", "not")
            for what in ("hand [mm] mean / p95", "time [s]", "backwards [mm]")
        ],
    )
    for latency in different(rows, "latency_s"):
        for noise in different(rows, "noise_m"):
            shown = select(by_latency(rows, noise), latency_s=latency)
            if not select(shown, compensated=False):
                continue
            cells = [f"{1000 * latency:g}", f"{100 * noise:g}"]
            for compensated in (True, False):
                chosen = select(shown, compensated=compensated)
                cells += [
                    _errors(chosen)[0],
                    f"{mean(chosen, 'duration_s'):.2f}",
                    f"{mean(chosen, 'backward_mm'):.0f}",
                ]
            lines.append(_line(cells))
    return lines


def _errors(rows: Sequence[Row]) -> list[str]:
    hand = f"{mean(rows, 'position_mm'):.1f} / {mean(rows, 'position_p95_mm'):.1f}"
    return [hand, f"{mean(rows, 'rotation_deg'):.1f}", f"{mean(rows, 'path_mm'):.1f}"]


def _head(keys: Sequence[str], columns: Iterable[str]) -> list[str]:
    names = [*keys, *columns]
    return [_line(names), _line(["---"] * len(keys) + ["---:"] * (len(names) - len(keys)))]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
