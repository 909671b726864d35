"""An evaluation as a page that people can read, mail and keep: one HTML file that needs nothing beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from tracegen_model.evaluation import plots
from tracegen_model.evaluation.definitions import definition, format_value
from tracegen_model.evaluation.drawings import as_data_uri
from tracegen_model.evaluation.evaluation import Evaluation
from tracegen_model.overlay import Image

REPORT_FILE = "report.html"
MEASURES_FILE = "measures.json"

MAX_ROWS_OF_GROUP = 25
"""Lines of a table by sentence; data sets can have thousands of sentences."""

EXAMPLES = {"worst": 6, "best": 4, "drawn at random": 4}
"""Tasks whose traces are shown, by how they are chosen; six drawings of 512 px weigh less than 1 MB."""

Facts = Mapping[str, Mapping[str, str]]
"""What was measured and how, by heading and name."""

GROUP_TITLES = {"wording": "kind of instruction", "sentence": "instruction", "dataset": "dataset"}
"""What tasks are grouped by, and what that is called; in the order of the page."""


@dataclass(frozen=True)
class Example:
    """A task whose traces are shown.

    Attributes:
        row: Its row in the evaluation's tables.
        drawing: Truth and prediction.
    """

    row: int
    drawing: Image


def leading_measure(evaluation: Evaluation, error: str = "fde") -> str:
    """The measure that tasks are ranked by: of moving points, in centimetres where there is depth."""
    for name in (f"moving_{error}_cm", f"moving_{error}_px", f"{error}_px"):
        if name in evaluation.measures():
            return name
    return "trace_mse"


def choose_examples(evaluation: Evaluation, seed: int = 0) -> dict[str, list[int]]:
    """Rows of the tasks to show, by how they were chosen; no task twice."""
    values = evaluation.tables[evaluation.network].values(leading_measure(evaluation))
    ranked = [int(row) for row in np.argsort(-values, kind="stable") if np.isfinite(values[row])]
    drawn = np.random.default_rng(seed).permutation(ranked).tolist()
    orders = {"worst": ranked, "best": ranked[::-1], "drawn at random": drawn}
    taken: set[int] = set()
    chosen: dict[str, list[int]] = {}
    for how, count in EXAMPLES.items():
        chosen[how] = [row for row in orders[how] if row not in taken][:count]
        taken.update(chosen[how])
    return {how: rows for how, rows in chosen.items() if rows}


def write_report(
    folder: Path, title: str, evaluation: Evaluation, examples: Mapping[str, Sequence[Example]], facts: Facts
) -> Path:
    """Write the page and ``measures.json`` to ``folder``, which is made when missing; returns the page's path.

    Args:
        folder: Where to write.
        title: Of the page.
        evaluation: What was found.
        examples: Traces to show, by how they were chosen.
        facts: What was measured and how.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = {"title": title, "facts": facts, **evaluation.to_dict()}
    (folder / MEASURES_FILE).write_text(
        json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    path = folder / REPORT_FILE
    path.write_text(render(title, evaluation, examples, facts), encoding="utf-8")
    return path


def render(
    title: str, evaluation: Evaluation, examples: Mapping[str, Sequence[Example]], facts: Facts
) -> str:
    """The page as HTML; see :func:`write_report`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracegen_model.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scenes = len({task.scene for task in evaluation.tasks})
    return environment.get_template("report.html.j2").render(
        title=title,
        subtitle=f"{len(evaluation.tasks)} tasks of {scenes} scenes; {evaluation.network}"
        + (f"; {evaluation.draws} traces drawn for each task" if evaluation.draws > 1 else ""),
        tiles=_tiles(evaluation),
        notes=evaluation.notes,
        tables=_tables(evaluation),
        plots=_plots(evaluation),
        groups=[group for by in GROUP_TITLES if (group := _group(evaluation, by))],
        drawings=[
            {"name": how.capitalize(), "drawings": [_drawing(evaluation, example) for example in shown]}
            for how, shown in examples.items()
        ],
        facts=[{"name": heading, "facts": list(values.items())} for heading, values in facts.items()],
        definitions=[
            (definition(name).title, definition(name).meaning) for name in _all_measures(evaluation)
        ],
    )


def _tiles(evaluation: Evaluation) -> list[dict[str, str]]:
    tiles = []
    for error in ("ade", "fde"):
        name = leading_measure(evaluation, error)
        what = definition(name)
        value = format_value(evaluation.measure(name).mean, what.unit)
        tiles.append({"value": f"{value} {what.unit}", "label": what.title})
    name = leading_measure(evaluation)
    for baseline in evaluation.baselines:
        gain = evaluation.gain(name, baseline)
        if np.isfinite(gain):
            tiles.append({"value": f"{gain:.1f}×", "label": f"nearer at the end than {baseline}"})
    for name in ("object_choice", "zone_choice"):
        if name in evaluation.measures():
            share = format_value(evaluation.measure(name).mean, "%")
            tiles.append({"value": f"{share} %", "label": definition(name).title})
    return tiles


def _all_measures(evaluation: Evaluation) -> list[str]:
    names = dict.fromkeys(name for predictor in evaluation.tables for name in evaluation.measures(predictor))
    return list(names)


def _tables(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Tables of all predictors: displacements, then what demonstrations tell, then the original's figures."""
    names = _all_measures(evaluation)
    displacements = sorted(
        (name for name in names if "ade_" in name or "fde_" in name or name.startswith("spread_")),
        key=lambda name: (not name.startswith("moving_"), "best" in name or "averaged" in name, "px" in name),
    )
    originals = [name for name in names if name.endswith(("_mse", "_mae"))]
    others = [name for name in names if name not in displacements and name not in originals]
    parts = [
        (
            "Errors",
            "Means over tasks; small print: 95 % confidence intervals, scenes drawn anew. The last columns say how "
            "many times larger a baseline's error is than the network's.",
            displacements,
        ),
        ("Hand, objects and choices", "What demonstrations tell beside their traces.", others),
        (
            "As the original reports it",
            "TraceGen's own figures, for comparison with published ones; they mix fractions of the image and depth.",
            originals,
        ),
    ]
    return [
        {
            "name": name,
            "intro": intro,
            "columns": list(evaluation.tables),
            "factor_columns": [f"{baseline} / network" for baseline in evaluation.baselines],
            "rows": [_row(evaluation, measure) for measure in measures],
        }
        for name, intro, measures in parts
        if measures
    ]


def _row(evaluation: Evaluation, name: str) -> dict[str, Any]:
    what = definition(name)
    cells = [
        _cell(evaluation, name, predictor)
        if name in table.totals
        else {"value": "", "interval": "", "best": False}
        for predictor, table in evaluation.tables.items()
    ]
    means = [table.mean(name) if name in table.totals else np.nan for table in evaluation.tables.values()]
    if what.smaller_is_better and np.isfinite(means).any():
        cells[int(np.nanargmin(means))]["best"] = True
    factors = [
        format_value(evaluation.gain(name, baseline), "×")
        if what.smaller_is_better and name in evaluation.tables[baseline].totals
        else ""
        for baseline in evaluation.baselines
    ]
    unit = f" [{what.unit}]" if what.unit else ""
    return {"title": what.title + unit, "cells": cells, "factors": factors}


def _cell(
    evaluation: Evaluation, name: str, predictor: str | None = None, rows: Any = None
) -> dict[str, Any]:
    unit = definition(name).unit
    found = evaluation.measure(name, predictor, rows)
    interval = ""
    if found.interval is not None:
        interval = " – ".join(format_value(end, unit) for end in found.interval)
    return {"value": format_value(found.mean, unit), "interval": interval, "best": False}


def _plots(evaluation: Evaluation) -> list[dict[str, str]]:
    name = leading_measure(evaluation)
    unit = definition(name).unit
    made = []
    curves = {
        predictor: table.by_step[f"moving_{unit}"]
        for predictor, table in evaluation.tables.items()
        if f"moving_{unit}" in table.by_step and np.isfinite(table.by_step[f"moving_{unit}"]).any()
    }
    if curves:
        made.append(
            {
                "svg": plots.plot_steps(curves, unit),
                "caption": "Error along the trace: mean over moving points whose truth is known at that step.",
            }
        )
    values = {predictor: table.values(name) for predictor, table in evaluation.tables.items()}
    made.append(
        {
            "svg": plots.plot_distribution(values, unit),
            "caption": "Distribution: how many tasks end with at most that error. The axis ends where 98 % of them do.",
        }
    )
    by_steps = {
        how.steps: evaluation.tables[predictor].mean(name)
        for predictor, how in evaluation.samplers.items()
        if (how.method, how.guidance) == _first_way(evaluation)
    }
    if len(by_steps) > 1:
        made.append(
            {
                "svg": plots.plot_effort(list(by_steps), list(by_steps.values()), unit),
                "caption": "Effort: final error over the number of the sampler's steps.",
            }
        )
    return made


def _first_way(evaluation: Evaluation) -> tuple[str, float]:
    first = evaluation.samplers[evaluation.network]
    return first.method, first.guidance


def _group(evaluation: Evaluation, by: str) -> dict[str, Any] | None:
    """A table by groups of tasks; None where all are of one group, or each of its own."""
    groups = evaluation.groups(by)
    if not 1 < len(groups) < len(evaluation.tasks):
        return None
    names = [leading_measure(evaluation, error) for error in ("ade", "fde")]
    names += [
        name
        for name in ("ade_px", "trace_mse", "object_choice", "zone_choice")
        if name in evaluation.measures()
    ]
    names = list(dict.fromkeys(names))
    shown = list(groups.items())[:MAX_ROWS_OF_GROUP]
    return {
        "name": GROUP_TITLES[by],
        "columns": [
            definition(name).title + (f" [{unit}]" if (unit := definition(name).unit) else "")
            for name in names
        ],
        "left_out": len(groups) - len(shown),
        "rows": [
            {
                "name": value or "(none)",
                "tasks": int(rows.sum()),
                "cells": [_cell(evaluation, name, rows=rows) for name in names],
            }
            for value, rows in shown
        ],
    }


def _drawing(evaluation: Evaluation, example: Example) -> dict[str, str]:
    task = evaluation.tasks[example.row]
    name = leading_measure(evaluation)
    what = definition(name)
    error = evaluation.tables[evaluation.network].values(name)[example.row]
    return {
        "source": as_data_uri(example.drawing),
        "alt": f"True and predicted traces for: {task.sentence}",
        "caption": f"{format_value(float(error), what.unit)} {what.unit}: {task.sentence}",
        "key": task.key,
    }
