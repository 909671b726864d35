"""What the measures of an evaluation of recordings are, in words for people."""

from __future__ import annotations

import re
from dataclasses import dataclass

SETS = {
    "all": "all points whose truth is known",
    "hand": "points on the hand; truth by forward kinematics",
    "scene": "points of the scene that truly move by 2 cm or more; truth by tracking and depth",
}
ERRORS = {
    "ade": ("ADE", "mean distance between prediction and truth over the known steps"),
    "fde": ("FDE", "the same distance at each point's last known step"),
}
ALIGNED = {
    "arc": ("", "step by step of the hand's path"),
    "time": (", in time", "steps spread evenly in time, as if the traces had a clock"),
}
DISPLACEMENT = re.compile(r"(all|hand|scene)_(ade|fde)_(cm|px)_(arc|time)")


@dataclass(frozen=True)
class Definition:
    """What a measure is.

    Attributes:
        title: Short name.
        unit: ``cm``, ``px``, ``deg``, ``%`` (values are shares), ``mrad`` or empty.
        meaning: One sentence.
        larger_is_better: How two models compare; None = neither.
    """

    title: str
    unit: str
    meaning: str
    larger_is_better: bool | None = False


SINGLE = {
    "start_direction_deg": Definition(
        "first direction", "deg", "Angle between predicted and true direction of the hand's first 5 cm."
    ),
    "end_direction_deg": Definition(
        "whole direction",
        "deg",
        "Angle between predicted and true displacement of the hand to the last known step.",
    ),
    "hand_spread_cm": Definition(
        "end point spread, hand",
        "cm",
        "Standard deviation over seeds of where the hand's points end; what the model is unsure of, no error.",
        None,
    ),
    "scene_spread_cm": Definition(
        "end point spread, scene", "cm", "The same for moving points of the scene.", None
    ),
    "feasible": Definition(
        "reachable",
        "%",
        "Share of predictions whose whole path has inverse kinematics and a motion inside the limits.",
        True,
    ),
    "limit_margin_deg": Definition(
        "limit margin", "deg", "Smallest distance of a planned joint position to its limit.", True
    ),
    "slow_down": Definition(
        "speed kept", "", "Share of the nominal speed that the joint limits leave; 1 = all of it.", True
    ),
    "replan_shift_cm": Definition(
        "replanning shift", "cm", "How far the hand's path predicted one image later lies beside this one."
    ),
    "replan_step_mrad": Definition(
        "replanning step",
        "mrad",
        "Jump of the commanded joints where the next plan takes over; the follower allows none.",
    ),
}

HEADLINES = ("hand_ade_cm_arc", "hand_fde_cm_arc", "scene_fde_cm_arc", "start_direction_deg", "feasible")
"""What is read first."""


def measure_names() -> tuple[str, ...]:
    """All measures, in the order of a report."""
    displacements = [
        f"{points}_{error}_{unit}_{aligned}"
        for aligned in ALIGNED
        for unit in ("cm", "px")
        for points in ("hand", "scene", "all")
        for error in ERRORS
    ]
    return (*displacements, *SINGLE)


def definition(name: str) -> Definition:
    """What the measure ``name`` is.

    Raises:
        KeyError: There is no such measure.
    """
    if name in SINGLE:
        return SINGLE[name]
    match = DISPLACEMENT.fullmatch(name)
    if match is None:
        raise KeyError(name)
    points, error, unit, aligned = match.groups()
    title, meaning = ERRORS[error]
    suffix, how = ALIGNED[aligned]
    shown = {"all": "all points", "hand": "hand", "scene": "moving scene"}[points]
    return Definition(f"{title}, {shown}{suffix}", unit, f"{meaning.capitalize()}; {SETS[points]}; {how}.")


def format_value(value: float, unit: str) -> str:
    """A value with as many digits as are worth reading; a dash where there is none."""
    if value != value:
        return "–"
    if unit == "%":
        return f"{100.0 * value:.0f}"
    return f"{value:.2f}" if abs(value) < 10.0 else f"{value:.1f}" if abs(value) < 100.0 else f"{value:.0f}"
