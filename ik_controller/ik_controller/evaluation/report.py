"""An evaluation as a page that people can read, mail and keep: one HTML file that needs nothing beside it, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from ik_controller.evaluation.calibration_flag import CalibrationFinding
from ik_controller.evaluation.charts import line_chart
from ik_controller.evaluation.evaluation import Comparison, Evaluation, Mean
from ik_controller.evaluation.measures import HEADLINES, definition, format_value, measure_names
from ik_controller.evaluation.pictures import RANKED_BY, Album, Shot, ranking_error
from ik_controller.evaluation.sure_means import FEWEST_STRETCHES

REPORT_FILE = "report.html"
RESULTS_FILE = "results.json"

MAX_INSTRUCTIONS = 25
"""Rows of the table by instruction; recordings of a day can hold hundreds."""

COMPARED = ("hand_ade_cm_arc", "hand_fde_cm_arc", "scene_fde_cm_arc", "start_direction_deg", "feasible")
"""Measures that models are compared by, one against the other."""

TIMELINE_WIDTH = 1120
"""Of the chart that spans the page, in the units of ``charts.HEIGHT``."""

QUANTILES = np.linspace(0.0, 100.0, 101)


@dataclass(frozen=True)
class BagSummary:
    """One recording, for people.

    Attributes:
        name: Of the recording.
        length_s: [s].
        windows: Windows that were judged.
        calibration: What it says about its camera.
        problems: What is wrong with it, a sentence each.
        facts: What else is known of it.
    """

    name: str
    length_s: float
    windows: int
    calibration: CalibrationFinding
    problems: Sequence[str]
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """All that a report shows.

    Attributes:
        title: Of the page.
        evaluation: Rows and what they come to.
        bags: The recordings.
        album: Pictures.
        failures: Thresholds that are not kept, a sentence each.
        facts: How it was measured, by name.
    """

    title: str
    evaluation: Evaluation
    bags: Sequence[BagSummary]
    album: Album
    failures: Sequence[str]
    facts: Mapping[str, str]

    @property
    def warnings(self) -> list[str]:
        """What readers must know before they believe a number."""
        found = [f"{bag.name}: {problem}" for bag in self.bags for problem in bag.problems]
        return [
            *(f"{bag.name}: {bag.calibration.words}" for bag in self.bags if bag.calibration.suspicious),
            *found,
        ]

    def comparisons(self) -> list[Comparison]:
        """Every model against the first."""
        models = self.evaluation.models
        return [
            comparison
            for other in models[1:]
            for comparison in self.evaluation.compare(models[0], other, COMPARED)
        ]

    def write(self, folder: Path) -> Path:
        """Write page and JSON to ``folder``, which is made when missing; returns the page's path."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULTS_FILE).write_text(
            json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        path = folder / REPORT_FILE
        path.write_text(self.render(), encoding="utf-8")
        return path

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, as plain values."""
        return {
            "title": self.title,
            "failures": list(self.failures),
            "warnings": self.warnings,
            "facts": dict(self.facts),
            "bags": [
                {
                    "name": bag.name,
                    "length_s": bag.length_s,
                    "windows": bag.windows,
                    "problems": list(bag.problems),
                    "facts": dict(bag.facts),
                    "calibration": {
                        "suspicious": bag.calibration.suspicious,
                        "offset_mm": _finite(1000.0 * bag.calibration.distance_m),
                        "images": bag.calibration.looks,
                        "words": bag.calibration.words,
                    },
                }
                for bag in self.bags
            ],
            "comparisons": [
                {
                    "measure": one.measure,
                    "first": one.first,
                    "second": one.second,
                    "better": one.better,
                    "difference": _finite(one.difference),
                    "interval": one.interval and list(one.interval),
                    "windows": one.rows,
                    "stretches": one.stretches,
                }
                for one in self.comparisons()
            ],
            **self.evaluation.to_dict(),
        }

    def render(self) -> str:
        """The page."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("ik_controller.evaluation"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        evaluation = self.evaluation
        offsets = _offsets(self.bags)
        windows = len({(row.bag, row.time_s) for row in evaluation.rows})
        return environment.get_template("bag_report.html.j2").render(
            title=self.title,
            subtitle=f"{_counted(windows, 'window')} of {_counted(len(self.bags), 'recording')}, "
            f"{_counted(len(evaluation.instructions), 'instruction')}",
            models=evaluation.models,
            failures=self.failures,
            warnings=self.warnings,
            verdicts=_verdicts(self.comparisons()),
            headlines=_table(evaluation, HEADLINES, evaluation.models),
            worst=[
                {
                    "model": model,
                    "shots": [_shot(shot, model) for shot in self.album.worst(model)],
                }
                for model in evaluation.models
            ],
            scrubbed=_script_data([_frame(shot, evaluation, offsets) for shot in self.album.scrubbed]),
            scrubbed_count=len(self.album.scrubbed),
            timeline=_timeline(evaluation, self.bags),
            charts=_charts(evaluation),
            table=_table(evaluation, measure_names(), evaluation.models),
            instructions=_by_instruction(evaluation),
            instructions_left_out=max(0, len(evaluation.instructions) - MAX_INSTRUCTIONS),
            bags=self.bags,
            latencies=[
                (model, [(stage, *times) for stage, times in evaluation.latencies_ms(model).items()])
                for model in evaluation.models
            ],
            facts=list(self.facts.items()),
            definitions=[
                (definition(name).title, definition(name).meaning)
                for name in measure_names()
                if not name.endswith("_time") and "_px_" not in name
            ],
        )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _verdicts(comparisons: Sequence[Comparison]) -> list[dict[str, str]]:
    """A sentence for each difference, and one for all measures that show none, or cannot."""
    lines = []
    equal: dict[tuple[str, str], list[str]] = {}
    too_few: dict[tuple[str, str, int], list[str]] = {}
    for one in comparisons:
        what = definition(one.measure)
        if not one.rows:
            continue
        if one.too_few:
            too_few.setdefault((one.second, one.first, one.stretches), []).append(what.title)
            continue
        if not one.better:
            equal.setdefault((one.second, one.first), []).append(what.title)
            continue
        kind = "better" if one.better == one.second else "worse"
        size = f"{format_value(abs(one.difference), what.unit)} {what.unit}".rstrip()
        if one.interval is not None:
            low, high = (format_value(end, what.unit) for end in sorted(map(abs, one.interval)))
            size += f" (95 %: {low} to {high}, {one.stretches} independent stretches)"
        text = (
            f"{what.title}: {one.second} is {kind} than {one.first} by {size}, {_counted(one.rows, 'window')}"
        )
        lines.append({"kind": kind, "text": text})
    for (second, first), titles in equal.items():
        text = f"between {second} and {first} no difference can be told in: {', '.join(titles)}"
        lines.append({"kind": "equal", "text": text})
    for (second, first, count), titles in too_few.items():
        text = (
            f"between {second} and {first}: too few independent stretches to tell ({count}, at least "
            f"{FEWEST_STRETCHES} are needed) in: {', '.join(titles)}"
        )
        lines.append({"kind": "equal", "text": text})
    return lines


def _table(evaluation: Evaluation, names: Sequence[str], models: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of measures, columns of models; measures that nobody has are left out."""
    rows = []
    for name in names:
        what = definition(name)
        means = [evaluation.mean(evaluation.of(model), name) for model in models]
        if not any(mean.rows for mean in means):
            continue
        values = np.array([mean.value for mean in means])
        best = -1
        if what.larger_is_better is not None and len(models) > 1 and np.isfinite(values).any():
            best = int(np.nanargmax(values) if what.larger_is_better else np.nanargmin(values))
        rows.append(
            {
                "title": f"{what.title} [{what.unit}]" if what.unit else what.title,
                "cells": [_cell(mean, what.unit, place == best) for place, mean in enumerate(means)],
            }
        )
    return rows


def _cell(mean: Mean, unit: str, best: bool = False) -> dict[str, Any]:
    interval = ""
    if mean.interval is not None:
        interval = " – ".join(format_value(end, unit) for end in mean.interval)
    return {"value": format_value(mean.value, unit), "interval": interval, "best": best}


def _by_instruction(evaluation: Evaluation) -> list[dict[str, Any]]:
    """For every instruction the leading measure of each model."""
    unit = definition(RANKED_BY).unit
    rows = []
    for text in evaluation.instructions[:MAX_INSTRUCTIONS]:
        of_text = {model: evaluation.of(model, instruction=text) for model in evaluation.models}
        rows.append(
            {
                "text": text,
                "windows": max(len(found) for found in of_text.values()),
                "cells": [_cell(evaluation.mean(found, RANKED_BY), unit) for found in of_text.values()],
            }
        )
    return rows


def _charts(evaluation: Evaluation) -> list[dict[str, str]]:
    curves = {
        model: (np.arange(len(curve), dtype=float), curve)
        for model in evaluation.models
        if np.isfinite(curve := evaluation.curve(model)).any()
    }
    spread = {}
    for model in evaluation.models:
        errors = np.array([ranking_error(row) for row in evaluation.of(model)])
        errors = errors[np.isfinite(errors)]
        if len(errors):
            spread[model] = (np.percentile(errors, QUANTILES), QUANTILES)
    charts = [
        (
            line_chart(curves, "step of the trace", "error of the hand's points [cm]"),
            "Error along the trace.",
        ),
        (
            line_chart(spread, "final error of a window [cm]", "windows with at most that error [%]"),
            "Distribution over windows.",
        ),
    ]
    return [{"svg": svg, "caption": caption} for svg, caption in charts if svg]


def _timeline(evaluation: Evaluation, bags: Sequence[BagSummary]) -> str:
    """Final error over time of all recordings, one after the other."""
    offsets = _offsets(bags)
    lines = {}
    for model in evaluation.models:
        rows = [row for row in evaluation.of(model) if row.bag in offsets]
        places = np.array([offsets[row.bag] + row.time_s for row in rows])
        lines[model] = (places, np.array([ranking_error(row) for row in rows]))
    return line_chart(lines, "time [s]", "final error of the hand [cm]", dots=True, width=TIMELINE_WIDTH)


def _offsets(bags: Sequence[BagSummary]) -> dict[str, float]:
    starts = np.concatenate([[0.0], np.cumsum([bag.length_s for bag in bags])])
    return {bag.name: float(start) for bag, start in zip(bags, starts, strict=False)}


def _shot(shot: Shot, model: str) -> dict[str, str]:
    error = shot.errors[model]
    return {
        "truth": shot.truth,
        "prediction": shot.predictions[model],
        "caption": f"{format_value(error, 'cm')} cm: {shot.instruction}",
        "key": f"{shot.bag}, {shot.time_s:.1f} s",
    }


def _script_data(values: Any) -> str:
    """JSON that can stand inside a script element, whatever an instruction says."""
    return json.dumps(values).replace("<", "\\u003c")


def _frame(shot: Shot, evaluation: Evaluation, offsets: Mapping[str, float]) -> dict[str, Any]:
    return {
        "at": round(offsets.get(shot.bag, 0.0) + shot.time_s, 3),
        "bag": shot.bag,
        "time": round(shot.time_s, 3),
        "instruction": shot.instruction,
        "truth": shot.truth,
        "predictions": [shot.predictions.get(model, "") for model in evaluation.models],
        "errors": [format_value(shot.errors.get(model, float("nan")), "cm") for model in evaluation.models],
    }
