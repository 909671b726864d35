"""The curve for people and programs: a plot, a table in Markdown, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.steps_versus_quality.offline import MEASURES
from tests.steps_versus_quality.plot import plot_curve
from tests.steps_versus_quality.results import OfflineRow, Results, RowKey, Success

NAME = "steps_versus_quality"
"""Stem of the files."""

NOT_MEASURED = "–"


@dataclass(frozen=True)
class CurveRow:
    """What is known of a checkpoint sampled in a way; None = not measured."""

    key: RowKey
    offline: OfflineRow | None
    success: Success | None


def read_rows(results: Results, keys: Sequence[RowKey]) -> list[CurveRow]:
    """Rows of ``keys`` of which anything is known."""
    rows = [CurveRow(key, results.offline(key), results.success(key)) for key in keys]
    return [row for row in rows if row.offline is not None or row.success is not None]


def original(rows: Sequence[CurveRow]) -> CurveRow | None:
    """The row of Euler's method with the most steps: how the original samples."""
    euler = [row for row in rows if row.key.method == "euler" and row.offline is not None]
    return max(euler, key=lambda row: row.key.steps, default=None)


def plain(row: CurveRow, reference: CurveRow | None) -> dict[str, Any]:
    """A row as JSON values; ``difference`` is from ``reference``, task by task."""
    content: dict[str, Any] = {
        "checkpoint": row.key.checkpoint,
        "weights_sha256_start": row.key.weights,
        "method": row.key.method,
        "steps": row.key.steps,
        "evaluations": row.key.evaluations,
    }
    if row.offline is not None:
        for measure in MEASURES:
            estimate = row.offline.estimate(measure)
            content[measure] = {"mean": estimate.mean, "interval_95": estimate.interval}
            if reference is not None and reference.offline is not None:
                apart = row.offline.difference(measure, reference.offline)
                content[measure]["difference"] = {"mean": apart.mean, "interval_95": apart.interval}
    if row.success is not None:
        content["success"] = {
            "count": row.success.count,
            "episodes": len(row.success.by_seed),
            "lost_episodes": row.success.lost,
            "interval_95": row.success.interval,
            "by_seed": {str(seed): succeeded for seed, succeeded in sorted(row.success.by_seed.items())},
        }
    return content


def markdown(rows: Sequence[CurveRow], reference: CurveRow | None) -> str:
    """The table."""
    lines = [
        "| checkpoint | method | steps | evaluations | hand, 10 cm | 20 cm | 40 cm | moving ADE | "
        "its difference from the reference [95 %] | spread | distance to the settled flow | closed loop |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.key.checkpoint, row.key.method, str(row.key.steps), str(row.key.evaluations)]
        cells += _offline_cells(row, reference)
        cells.append(_success_cell(row.success))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _offline_cells(row: CurveRow, reference: CurveRow | None) -> list[str]:
    if row.offline is None:
        return [NOT_MEASURED] * (len(MEASURES) + 1)
    means = {measure: f"{row.offline.estimate(measure).mean:.2f}" for measure in MEASURES}
    difference = NOT_MEASURED
    if row is reference:
        difference = "reference"
    elif reference is not None and reference.offline is not None:
        apart = row.offline.difference("moving_ade_cm", reference.offline)
        low, high = apart.interval or (float("nan"), float("nan"))
        difference = f"{apart.mean:+.2f} [{low:+.2f}, {high:+.2f}]"
    names = list(means)
    place = names.index("moving_ade_cm") + 1
    return [*(means[name] for name in names[:place]), difference, *(means[name] for name in names[place:])]


def _success_cell(success: Success | None) -> str:
    if success is None:
        return NOT_MEASURED
    low, high = success.interval
    lost = f", {success.lost} lost" if success.lost else ""
    return f"{success.count} / {len(success.by_seed)} [{100 * low:.0f}, {100 * high:.0f}] %{lost}"


def write_report(
    results: Results, checkpoints: Sequence[Sequence[RowKey]], settings: Mapping[str, Any]
) -> None:
    """Write plot, table and JSON into the results' folder.

    Args:
        results: The rows.
        checkpoints: Rows of each checkpoint, the one that the others are compared with first.
        settings: What readers should know.
    """
    lines = [read_rows(results, keys) for keys in checkpoints]
    everything = [row for line in lines for row in line]
    reference = original(lines[0])
    table = markdown(everything, reference)
    content = {"settings": dict(settings), "measures": MEASURES, "reference": None, "rows": []}
    if reference is not None:
        content["reference"] = {"method": reference.key.method, "steps": reference.key.steps}
    content["rows"] = [plain(row, reference) for row in everything]
    (results.folder / f"{NAME}.md").write_text(f"{table}\n", encoding="utf-8")
    (results.folder / f"{NAME}.json").write_text(f"{json.dumps(content, indent=1)}\n", encoding="utf-8")
    plot_curve(lines, settings, results.folder / f"{NAME}.png")
    print(table)
