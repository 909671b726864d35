"""What the measures of an evaluation are, in words for people."""

from __future__ import annotations

import re
from dataclasses import dataclass

POINT_SETS = {
    "": "all points of the grid",
    "moving_": "points that move noticeably: |du| + |dv| along the trace above 0.1 of the image",
}
ERRORS = {
    "ade": (
        "average displacement error",
        "mean distance of predicted and true position over the known steps",
    ),
    "fde": ("final displacement error", "the same distance at each point's last known step"),
}
UNITS = {"px": "pixels of the image on disk", "cm": "centimetres in the camera's space"}
SEVERAL = {
    "": "",
    "best_": "; the best of the traces drawn for a task",
    "averaged_": "; of the mean of the traces drawn for a task",
}

DISPLACEMENT = re.compile(r"(best_|averaged_|)(moving_|)(ade|fde)_(px|cm)")
HAND = re.compile(r"hand_cm_(\d+)")


@dataclass(frozen=True)
class Definition:
    """What a measure is.

    Attributes:
        title: Short name.
        unit: ``px``, ``cm``, ``%`` (values are shares, shown as percentages), or empty for mixed units.
        meaning: One sentence.
        smaller_is_better: Whether it is an error.
    """

    title: str
    unit: str
    meaning: str
    smaller_is_better: bool = True


SINGLE = {
    "trace_mse": Definition(
        "trace MSE",
        "",
        "TraceGen's benchmark: squared error of positions, the start included, over all known numbers. "
        "Fractions of the image and units of depth are mixed.",
    ),
    "trace_mae": Definition("trace MAE", "", "The same with absolute errors."),
    "endpoint_mse": Definition(
        "end point MSE", "", "TraceGen's benchmark: squared error at each point's last known step."
    ),
    "increment_mse": Definition(
        "increment MSE",
        "",
        "What TraceGen's training first reported as trajectory_mse: of increments, unknown ones included as 0.",
    ),
    "increment_mae": Definition("increment MAE", "", "The same with absolute errors (trajectory_mae)."),
    "first_increment_mse": Definition(
        "first increment MSE", "", "Increment MSE of the first step alone (first_keypoint_mse)."
    ),
    "last_increment_mse": Definition(
        "last increment MSE", "", "Increment MSE of the last step alone (its first endpoint_mse)."
    ),
    "spread_moving_px": Definition(
        "spread, moving",
        "px",
        "Deviation of the last positions of a task's traces from their mean; not an error.",
        smaller_is_better=False,
    ),
    "object_cm": Definition("carried object", "cm", "Error of the carried object's points at the last step."),
    "background_cm": Definition("background", "cm", "Error of the background's points at the last step."),
    "object_choice": Definition(
        "right object",
        "%",
        "The hand's path is nearer to its own truth than to that of the same image with another object to move.",
        smaller_is_better=False,
    ),
    "zone_choice": Definition(
        "right zone",
        "%",
        "The hand's path is nearer to its own truth than to that of the same object and another zone.",
        smaller_is_better=False,
    ),
    "hit_object": Definition(
        "object found",
        "%",
        "The network sees the object within 0.04 of the image's size.",
        smaller_is_better=False,
    ),
    "hit_zone": Definition(
        "zone found",
        "%",
        "The network sees the zone within 0.04 of the image's size.",
        smaller_is_better=False,
    ),
    "hit_hand": Definition(
        "hand found",
        "%",
        "The network sees the hand within 0.04 of the image's size.",
        smaller_is_better=False,
    ),
}


def definition(name: str) -> Definition:
    """What the measure ``name`` is; raises KeyError when there is no such measure."""
    if name in SINGLE:
        return SINGLE[name]
    hand = HAND.fullmatch(name)
    if hand:
        step = hand.group(1)
        return Definition(
            f"hand after {step} steps",
            "cm",
            f"Error of the median displacement of the hand's points at step {step}.",
        )
    match = DISPLACEMENT.fullmatch(name)
    if match is None:
        raise KeyError(name)
    several, points, error, unit = match.groups()
    prefix = {"": "", "best_": "best ", "averaged_": "averaged "}[several]
    of_points = ", moving" if points else ", all points"
    title, meaning = ERRORS[error]
    return Definition(
        f"{prefix}{error.upper()}{of_points}",
        unit,
        f"{title.capitalize()}: {meaning}, {UNITS[unit]}; {POINT_SETS[points]}{SEVERAL[several]}.",
    )


def format_value(value: float, unit: str) -> str:
    """A value with as many digits as are worth reading; a dash where there is none."""
    if value != value:
        return "–"
    if unit == "%":
        return f"{100.0 * value:.1f}"
    if unit == "" or 0.0 < abs(value) < 0.01:
        return f"{value:.2e}"
    return f"{value:.2f}" if abs(value) < 100.0 else f"{value:.0f}"
