"""How far predicted traces are from what happened: displacement errors, direction, spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.evaluation.alignment import StepTimes
from ik_controller.evaluation.recording import FloatArray
from ik_controller.evaluation.truth import PointKind, PointTruth
from tracegen_model.trace_grid import TraceGrid

CM_PER_M = 100.0

MOVES_M = 0.02
"""A point that gets this far from its start moves [m]."""

FIRST_PATH_M = 0.05
"""The direction that counts next is that of the first so much of the hand's path [m]."""

POINT_SETS = ("all", "hand", "scene")
"""All points whose truth is known; those on the hand; those of the scene that truly move."""

ALIGNMENTS = ("arc", "time")
"""Arc-length-aligned and time-aligned, see ``alignment``."""


@dataclass(frozen=True)
class WeightedValue:
    """What one prediction adds to a mean: ``total / weight`` is its own mean; weight 0 = nothing to measure."""

    total: float
    weight: float

    @classmethod
    def mean_of(cls, values: FloatArray) -> WeightedValue:
        """One vote for the mean of the finite ``values``; none where there is no finite one."""
        finite = values[np.isfinite(values)]
        return cls(float(finite.mean()), 1.0) if finite.size else cls(0.0, 0.0)

    @property
    def value(self) -> float:
        """The prediction's own mean; NaN where it has nothing to measure."""
        return self.total / self.weight if self.weight else float("nan")


@dataclass(frozen=True)
class TraceErrors:
    """What one prediction came to.

    Attributes:
        measures: By name, see ``measures.definition``.
        curve_cm: (S + 1,) mean error of the hand's points at each step, arc-length-aligned [cm]; NaN = unknown.
        known_steps: Steps that the recording covers.
    """

    measures: dict[str, WeightedValue]
    curve_cm: FloatArray
    known_steps: int


def trace_errors(
    traces: TraceGrid, truth: PointTruth, times: StepTimes, others: Sequence[TraceGrid] = ()
) -> TraceErrors:
    """Errors of ``traces`` against what happened to their points.

    Displacements from the start are compared, so that noise of the depth at the start is no error of the traces; on the
    image, places are, since the start is the same pixel.

    Args:
        traces: The prediction.
        truth: Of the same points.
        times: When the steps happened.
        others: The same prediction from other seeds.
    """
    intrinsics = truth.camera.intrinsics
    predicted = _displacements(traces)
    measures: dict[str, WeightedValue] = {}
    curve = np.full(traces.steps + 1, np.nan)
    aligned: dict[str, FloatArray] = {}
    for name, step_times in zip(ALIGNMENTS, (times.arc_s, times.even_s), strict=True):
        places = truth.at(step_times)
        aligned[name] = true = places - places[0]
        error_cm = CM_PER_M * np.linalg.norm(predicted - true, axis=-1)
        error_px = np.linalg.norm(traces.pixels.astype(float) - intrinsics.project(places), axis=-1)
        for points, chosen in _point_sets(truth, true).items():
            for unit, error in (("cm", error_cm), ("px", error_px)):
                measures[f"{points}_ade_{unit}_{name}"] = WeightedValue.mean_of(error[1:, chosen])
                measures[f"{points}_fde_{unit}_{name}"] = WeightedValue.mean_of(
                    _at_last_known(error[:, chosen])
                )
            if points == "hand" and name == "arc" and chosen.any():
                curve = _finite_mean(error_cm[:, chosen])
    true = aligned["arc"]
    hand = truth.kinds == PointKind.HAND
    measures |= _directions(predicted[:, hand], true[:, hand])
    ends = [_displacements(grid)[-1] for grid in (traces, *others)]
    if len(ends) > 1:
        spread_cm = CM_PER_M * np.std(np.stack(ends), axis=0, ddof=1)
        spread_cm = np.linalg.norm(spread_cm, axis=-1)
        measures["hand_spread_cm"] = WeightedValue.mean_of(spread_cm[hand])
        moving = _point_sets(truth, true)["scene"]
        measures["scene_spread_cm"] = WeightedValue.mean_of(spread_cm[moving])
    return TraceErrors(measures, curve, times.known)


def moving_points(truth: PointTruth, times: StepTimes) -> NDArray[np.bool_]:
    """(N,) points of the hand and the scene that truly move."""
    places = truth.at(times.arc_s)
    sets = _point_sets(truth, places - places[0])
    return sets["hand"] | sets["scene"]


def _point_sets(truth: PointTruth, true: FloatArray) -> dict[str, NDArray[np.bool_]]:
    farthest = np.nan_to_num(np.linalg.norm(true, axis=-1)).max(axis=0)
    return {
        "all": truth.kinds != PointKind.LEFT_OUT,
        "hand": truth.kinds == PointKind.HAND,
        "scene": (truth.kinds == PointKind.SCENE) & (farthest >= MOVES_M),
    }


def _displacements(traces: TraceGrid) -> FloatArray:
    """(S + 1, N, 3) from each point's start [m]; NaN where invalid."""
    points = traces.points_in_camera.astype(float)
    points[~traces.valid] = np.nan
    return points - points[0]


def _at_last_known(error: FloatArray) -> FloatArray:
    """(N,) error (S + 1, N) at each point's last known step; NaN for points that are known at their start only."""
    steps = np.arange(len(error))[:, None] * np.isfinite(error)
    last = steps.max(axis=0)
    return np.where(last > 0, error[last, np.arange(error.shape[1])], np.nan)


def _directions(predicted: FloatArray, true: FloatArray) -> dict[str, WeightedValue]:
    """Angles between mean predicted and true displacement of the hand (S + 1, H, 3), at first and altogether [deg]."""
    measures = {"start_direction_deg": WeightedValue(0.0, 0.0), "end_direction_deg": WeightedValue(0.0, 0.0)}
    if not true.shape[1]:
        return measures
    middle, middle_predicted = _finite_mean(true), _finite_mean(predicted)
    known = np.flatnonzero(np.isfinite(middle).all(axis=-1) & np.isfinite(middle_predicted).all(axis=-1))
    distance = np.linalg.norm(middle, axis=-1)
    far = [int(step) for step in known if distance[step] >= FIRST_PATH_M]
    if far:
        measures["start_direction_deg"] = _angle(middle_predicted[far[0]], middle[far[0]])
        measures["end_direction_deg"] = _angle(middle_predicted[far[-1]], middle[far[-1]])
    return measures


def _angle(first: FloatArray, second: FloatArray) -> WeightedValue:
    """Angle between two vectors [deg]; a prediction that stays where it is points nowhere: 90."""
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    cosine = float(first @ second) / size if size > 0.0 else 0.0
    return WeightedValue(float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))), 1.0)


def _finite_mean(values: FloatArray) -> FloatArray:
    """Mean over the second axis of the finite values; NaN where there is none."""
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    total = np.where(finite, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
